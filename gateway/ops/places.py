"""Where the files lie that belong to the gateway's database without being in it."""

from __future__ import annotations

from pathlib import Path

from gateway.model.settings import Settings
from gateway.ops.disk import database_folder


def checkpoint_files(settings: Settings) -> tuple[Path, Path]:
    """The signing key and the list of checkpoints: beside an embedded database, else in `data` beside the config."""
    folder = database_folder(settings.storage.database) or settings.base / "data"
    return folder / "checkpoint.key", folder / "checkpoints.txt"
