"""Files that a person wrote, read within bounds, and the collector of their faults."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Protocol

from gateway.errors import Fault
from gateway.text import Text

MOST_FAULTS = 50  # of one file; more are counted, not listed


class Located(Protocol):
    """Anything that stands at a place in a file."""

    @property
    def line(self) -> int:
        """The line, from 1; 0 for the whole file."""

    @property
    def column(self) -> int:
        """The column in characters, from 1."""


class Faults:
    """Collects the faults of one file into a list that several files share."""

    def __init__(self, file: str, found: list[Fault]) -> None:
        self.file = file
        self._found = found
        self._count = 0
        self._silent: set[tuple[int, int]] = set()
        self._said: set[tuple[int, int, str]] = set()

    @property
    def room(self) -> int:
        """How many more faults will be listed."""
        return max(0, MOST_FAULTS - self._count)

    def add(self, where: Located | None, text: Text, mend: Text | None = None) -> None:
        """Notes a fault at a place, or in the file as a whole; the same fault is noted once."""
        line, column = (where.line, where.column) if where is not None else (0, 0)
        said = (line, column, str(text))
        if (line, column) in self._silent or said in self._said:
            return
        self._said.add(said)
        self._count += 1
        if self._count <= MOST_FAULTS:
            self._found.append(Fault(self.file, line, column, text, mend))
        elif self._count == MOST_FAULTS + 1:
            self._found.append(
                Fault(self.file, line, column, Text("ほかにも問題があります。", "there are more faults after these"))
            )

    def silence(self, where: Located) -> None:
        """Takes no further fault at this place: what stands there is already known to be wrong."""
        self._silent.add((where.line, where.column))

    def silent(self, where: Located) -> bool:
        """Whether a fault at this place is already known."""
        return (where.line, where.column) in self._silent


class Place:
    """A line and a column."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column


def shown(path: str | Path) -> str:
    """A path as faults name it: relative to the working directory where it lies below it."""
    absolute = Path(path).absolute()
    try:
        return str(absolute.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(absolute)


def read_bounded(path: str | Path, limit: int, faults: Faults, where: Located | None = None) -> bytes | None:
    """The bytes of a regular file of at most `limit` bytes; None with a fault noted (at `where`) otherwise."""
    name = shown(path)
    try:
        with open(path, "rb", opener=_open_regular) as file:
            raw = file.read(limit + 1)
    except FileNotFoundError:
        faults.add(
            where,
            Text("ファイル「{name}」がありません。", "the file {name} does not exist").with_(name=name),
            Text("ファイルを作るか、書かれている場所を直してください。", "make the file or correct the path"),
        )
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        faults.add(
            where,
            Text("ファイル「{name}」を読めません（{reason}）。", "the file {name} cannot be read ({reason})").with_(
                name=name, reason=reason
            ),
            Text(
                "ファイルの種類と読み取りの権限を確かめてください。",
                "check what kind of file it is and who may read it",
            ),
        )
        return None
    if len(raw) > limit:
        faults.add(
            where,
            Text(
                "ファイル「{name}」が大きすぎます（上限 {limit} バイト）。",
                "the file {name} is too large (at most {limit} bytes)",
            ).with_(name=name, limit=limit),
        )
        return None
    return raw


def _open_regular(path: str, flags: int) -> int:
    """Opens a file without waiting, and refuses what is no regular file (a pipe would hold the program up)."""
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "not a regular file")
    return handle


def decode(raw: bytes, faults: Faults) -> str | None:
    """UTF-8 text with LF lines, without a byte order mark; None with a fault noted where it is none."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        start = before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8", "replace")) + 1
        faults.add(
            Place(before.count(b"\n") + 1, column),
            Text("UTF-8 ではない文字があります。", "this is not UTF-8"),
            Text(
                "文字コード UTF-8 で保存し直してください（Windows のメモ帳では「名前を付けて保存」で選べます）。",
                "save the file again as UTF-8",
            ),
        )
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(text.split("\n") if "\0" in text else (), 1):
        if "\0" in line:
            faults.add(
                Place(number, line.index("\0") + 1),
                Text("文字ではないデータ（NUL）があります。", "there is a NUL, which is no text"),
                Text("文字コード UTF-8 で保存し直してください。", "save the file again as UTF-8"),
            )
            return None
    return text
