"""The files that come with the program: what `init` copies out, and the templates that stand in for missing ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

LANGUAGES = ("ja", "en")


def packaged(name: str) -> Path:
    """A folder of the packaged defaults: `ja`, `en` or `templates`."""
    return Path(str(files("filters").joinpath("defaults", name)))


def template_names(folder: Path) -> frozenset[str]:
    """The names of all reply templates in a folder, and of the packaged ones, in any language."""
    found: set[str] = set()
    for place in (folder, packaged("templates")):
        for language in LANGUAGES:
            found.update(path.name.removesuffix(f".{language}.txt") for path in place.glob(f"*.{language}.txt"))
    return frozenset(found)
