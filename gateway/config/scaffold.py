"""What `sekisho init` writes: a working config, rules, lists, templates and samples in the shop's language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.config.packaged import LANGUAGES, packaged
from gateway.errors import Refused
from gateway.text import Text


def write(directory: Path, language: str, more: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Writes the files, and `more` texts by name, into `directory` (made where it is missing) and gives their paths.

    Raises `Refused` where one of them exists already, or cannot be written; an existing file is never changed.
    """
    if language not in LANGUAGES:
        raise Refused(
            Text("言語「{language}」はありません。", "there is no language {language}").with_(language=language),
            Text("ja か en を選んでください。", "choose ja or en"),
        )
    files: dict[Path, Path | str] = {**_files(directory, language)}
    files |= {directory / name: text for name, text in (more or {}).items()}
    taken = [target for target in files if target.exists() or target.is_symlink()]
    if taken:
        names = ", ".join(str(path.relative_to(directory)) for path in taken[:5]) + (" …" if len(taken) > 5 else "")
        raise Refused(
            Text("「{directory}」には、すでに {names} があります。", "{directory} already holds {names}").with_(
                directory=directory, names=names
            ),
            Text("空のフォルダーか、新しいフォルダーの名前を指定してください。", "name an empty or a new folder"),
        )
    try:
        for target, source in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(source.read_bytes() if isinstance(source, Path) else source.encode())
    except OSError as error:
        raise Refused(
            Text("「{directory}」に書けません（{reason}）。", "{directory} cannot be written to ({reason})").with_(
                directory=directory, reason=error.strerror
            ),
            Text("場所と書き込みの権限を確かめてください。", "check where it is and who may write there"),
        ) from error
    return tuple(files)


def _files(directory: Path, language: str) -> dict[Path, Path]:
    """Each file to be written, and the packaged one it is a copy of."""
    own = packaged(language)
    files = {directory / source.relative_to(own): source for source in sorted(own.rglob("*")) if source.is_file()}
    for source in sorted(packaged("templates").glob(f"*.{language}.txt")):
        files[directory / "templates" / source.name] = source
    return files
