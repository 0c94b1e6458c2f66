"""The files that come with the program: what `init` copies out, and the templates that stand in for missing ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

LANGUAGES = ("ja", "en")


def packaged(name: str) -> Path:
    """A folder of the packaged defaults: `ja`, `en` or `templates`."""
    return Path(str(files("filters").joinpath("defaults", name)))


def packaged_template(name: str, language: str) -> Path | None:
    """The packaged template of this name and language, or None."""
    path = packaged("templates") / f"{name}.{language}.txt"
    return path if path.is_file() else None
