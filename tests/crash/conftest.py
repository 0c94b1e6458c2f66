"""The daemon's fixtures for the tests that kill it."""

from tests.e2e.conftest import new_gateway, outside

__all__ = ["new_gateway", "outside"]
