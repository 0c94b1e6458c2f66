"""The test suite: unit (pure, quick), integration (real servers, real files), bench (measurements)."""
