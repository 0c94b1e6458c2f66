"""The work on single messages: taking them apart and setting their papers, in processes beside this one."""

from __future__ import annotations

import asyncio
import atexit
import json
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from gateway.casefile.frame import Frame, Paper
from gateway.casefile.letter import Attachment, Letter
from gateway.casefile.marks import file_suffix
from gateway.casefile.page import Pages
from gateway.casefile.typesetter import NotSet, Typesetter

T = TypeVar("T")

FEW: Final = 8  # pieces of work for which processes are not worth their start
PROCESSES: Final = min(2, os.cpu_count() or 1)  # each takes about 200 MB
_BROKEN: Final = "画像を表示できません（ファイルが壊れています）。"


@dataclass(frozen=True, slots=True)
class Found:
    """An attachment as the tables list it; `path` is below `data`, "" where it is withheld."""

    stamp: str
    name: str
    content_type: str
    size: int
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking a message apart gave; `places` counts what has to be blacked out."""

    stamp: str  # of the message itself, with its branch where it has attachments
    touched: bool
    places: int
    attachments: tuple[Found, ...]


def take_apart(letter: Letter, frame: Frame, work: Path, data: Path) -> Taken:
    """Write the originals of a message, unless something in it has to be blacked out."""
    pages = _pages(letter, frame, work)
    record, name = letter.record or {}, letter.mark.name
    if pages.touched:
        pages.main(with_pictures=False)
        found = tuple(_listed(one, "") for one in pages.attachments)
        return Taken(pages.mark.text, True, sum(pages.redaction.hits.values()), found)
    _write(data / "eml" / f"{name}.eml", letter.raw or pages.message.raw)
    if record.get("dialogue"):
        _write(data / "smtp" / f"{name}.txt", "\r\n".join([*record["dialogue"], ""]).encode())
    if record.get("evidence"):
        said = json.dumps(record["evidence"], ensure_ascii=False, indent=2, sort_keys=True)
        _write(data / "dns" / f"{name}.json", f"{said}\n".encode())
    rows = []
    for one in pages.attachments:
        path = f"attachments/{one.mark.name}{file_suffix(one.name)}"
        _write(data / path, one.data)
        rows.append(_listed(one, path))
    return Taken(pages.mark.text, False, 0, tuple(rows))


def set_papers(letter: Letter, frame: Frame, work: Path, data: Path) -> list[str]:
    """Set the papers of a message and its attachments; gives their names below `data`."""
    pages, setter = _pages(letter, frame, work), _typesetter()
    made = {pages.mark.name: _set(setter, pages.main, frame.made_at)}
    for one in pages.attachments:
        if one.has_exhibit:
            made[one.mark.name] = _set(setter, partial(pages.attachment, one), frame.made_at)
    for name, pdf in made.items():
        _write(data / "03_exhibits" / f"{name}.pdf", pdf)
    return [f"03_exhibits/{name}.pdf" for name in made]


def set_list(content: dict[str, Any], strict: dict[str, Any], at: datetime) -> bytes:
    """A list on paper; `strict` is the same content in characters that can always be set."""
    try:
        return _typesetter().pdf("list", content, at)
    except NotSet:
        return _typesetter().pdf("list", strict, at)


def _set(setter: Typesetter, make: Callable[..., Paper], at: datetime) -> bytes:
    """A paper as PDF; where it cannot be set as it is, without what is broken in it."""
    paper = make()
    try:
        return setter.pdf("exhibit", paper.data, at, paper.pictures)
    except NotSet:
        whole = {name: content for name, content in paper.pictures.items() if setter.shows(name, content, at)}
    if len(whole) < len(paper.pictures):
        try:
            return _with_whole(setter, make, whole, at, strict=False)
        except NotSet:
            pass
    return _with_whole(setter, make, whole, at, strict=True)


def _with_whole(
    setter: Typesetter, make: Callable[..., Paper], whole: Mapping[str, bytes], at: datetime, *, strict: bool
) -> bytes:
    """The paper with those of its pictures alone that are whole."""
    paper = make(strict=strict)
    if paper.data.get("picture") not in (None, *whole):
        paper = make(with_pictures=False, strict=strict)
    for row in paper.data["attachments"]:
        if row["picture"] not in (None, *whole):
            row["picture"], row["note"] = None, _BROKEN
    return setter.pdf("exhibit", paper.data, at, whole)


def _pages(letter: Letter, frame: Frame, work: Path) -> Pages:
    return Pages(replace(letter, raw=(work / f"{letter.mark.name}.eml").read_bytes()), frame)


def _listed(one: Attachment, path: str) -> Found:
    return Found(one.mark.text, one.name, one.content_type, one.size, one.sha256, path)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


@cache
def _typesetter() -> Typesetter:
    made = Typesetter()
    atexit.register(made.close)
    return made


class Workshop:
    """Runs work in processes, or in one thread where there is little of it."""

    def __init__(self, pieces: int) -> None:
        self._pool: ProcessPoolExecutor | ThreadPoolExecutor
        if pieces <= FEW:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="casefile")
        else:
            self._pool = ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn"))
        self._ahead = 4 * PROCESSES

    async def each(self, work: Callable[..., T], pieces: Iterable[tuple[Any, ...]]) -> AsyncIterator[T]:
        """The results of `work(*piece)` in order, a bounded number of pieces ahead."""
        loop = asyncio.get_running_loop()
        waiting: list[asyncio.Future[T]] = []
        try:
            for piece in pieces:
                waiting.append(loop.run_in_executor(self._pool, work, *piece))
                if len(waiting) >= self._ahead:
                    yield await waiting.pop(0)
            while waiting:
                yield await waiting.pop(0)
        finally:
            for left in waiting:
                left.cancel()

    async def one(self, work: Callable[..., T], *piece: Any) -> T:
        """The result of one piece of work."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *piece)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
