"""How much room is left where the database lies."""

from __future__ import annotations

import shutil
from pathlib import Path


def database_folder(url: str) -> Path | None:
    """The folder of an embedded database; None for a server."""
    if not url.startswith("sqlite"):
        return None
    return Path(url.partition("///")[2]).parent


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user may still write into the folder's file system; 0 where it cannot be told."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
