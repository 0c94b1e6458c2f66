"""The last look before packing: none of the words to be blacked out may stand anywhere in the bundle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from gateway.casefile.bag import files_below
from gateway.casefile.redaction import Redaction
from gateway.errors import Refused
from gateway.text import Text

# Papers are made of data that was redacted; what is in attachments and recordings was looked at when they were taken.
_READ: Final = frozenset((".csv", ".json", ".txt", ".bin", ".docx", ".yaml"))
_APART: Final = frozenset(("attachments", "recordings"))

_LEAK: Final = Text(
    "墨消しする言葉が {file} に残ったため、作成を中止しました。",
    "A word that is to be blacked out is still in {file}: nothing was made.",
)
_LEAK_MEND: Final = Text(
    "言葉を変えるか、対象を絞ってください。",
    "Choose another word, or a narrower selection.",
)


def refuse_leaks(data: Path, redaction: Redaction) -> None:
    """Raise `Refused` where a word is left in a file below `data`."""
    if not redaction:
        return
    for file in files_below(data):
        name = file.relative_to(data)
        if file.suffix in _READ and name.parts[0] not in _APART and redaction.touches(_text(file)):
            raise Refused(_LEAK.with_(file=name.as_posix()), _LEAK_MEND)


def _text(file: Path) -> str:
    if file.suffix != ".docx":
        return file.read_bytes().decode("utf-8", "replace")
    with zipfile.ZipFile(file) as parts:
        return "\n".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())
