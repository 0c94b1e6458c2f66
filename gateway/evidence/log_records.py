"""Records of the log with their leaves, as a bundle discloses them; everything here only reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from gateway.errors import NotFound, StoreError
from gateway.model.record import bare_leaf_text
from gateway.store.engine import Store
from gateway.store.evidence_log import DAMAGED, DAMAGED_MEND
from gateway.store.tables import log
from gateway.text import Text

_PAGE = 1000
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of the log; `salt`, `record` and `text` are None where it was deleted, `leaf` stays.

    `record` is the canonical JSON as it was hashed; `text` the leaf that `leaf` is the hash of:
    SHA-256(0x00 ‖ text). `message` is the exchange that it is about.
    """

    seq: int
    at: datetime
    kind: str
    leaf: bytes
    salt: bytes | None
    record: str | None
    message: str | None

    @property
    def text(self) -> bytes | None:
        """The leaf `sekisho/1 SEQ UTC-TIME KIND sha256(SALT32 ‖ RECORD)`."""
        if self.salt is None or self.record is None:
            return None
        digest = hashlib.sha256(self.salt + self.record.encode()).hexdigest()
        return bare_leaf_text(self.seq, self.at, self.kind, digest)

    @property
    def said(self) -> dict[str, Any] | None:
        """The record parsed."""
        found: dict[str, Any] | None = json.loads(self.record) if self.record is not None else None
        return found


async def records(store: Store, seqs: Sequence[int]) -> tuple[LogRecord, ...]:
    """These records, in order of their numbers; raises `NotFound` where one is missing."""
    wanted = sorted(set(seqs))
    found: list[LogRecord] = []
    async with store.read() as connection:
        for start in range(0, len(wanted), _CHUNK):
            some = select(log).where(log.c.seq.in_(wanted[start : start + _CHUNK])).order_by(log.c.seq)
            found += [LogRecord(**row._mapping) for row in await connection.execute(some)]
    if len(found) != len(wanted):
        missing = min(set(wanted) - {one.seq for one in found})
        raise NotFound(Text("記録 {seq} はありません。", "There is no record {seq}.").with_(seq=missing))
    return tuple(found)


async def records_about(store: Store, messages: Sequence[str]) -> tuple[LogRecord, ...]:
    """Every record about these exchanges or calls: received, judged, delivered, held, answered."""
    found: list[LogRecord] = []
    async with store.read() as connection:
        for start in range(0, len(messages), _CHUNK):
            some = select(log).where(log.c.message.in_(messages[start : start + _CHUNK]))
            found += [LogRecord(**row._mapping) for row in await connection.execute(some)]
    return tuple(sorted(found, key=lambda one: one.seq))


async def records_between(store: Store, first: int, last: int, kinds: Sequence[str] = ()) -> AsyncIterator[LogRecord]:
    """The records `first` … `last - 1`, of some kinds or of all, a page at a time: memory does not grow."""
    at = first
    while at < last:
        page = select(log).where(log.c.seq >= at, log.c.seq < last).order_by(log.c.seq).limit(_PAGE)
        async with store.read() as connection:
            rows = (await connection.execute(page.where(log.c.kind.in_(kinds)) if kinds else page)).all()
        for row in rows:
            yield LogRecord(**row._mapping)
        if len(rows) < _PAGE:
            return
        at = rows[-1].seq + 1


async def leaf_hashes(store: Store, first: int, last: int) -> bytes:
    """The leaf hashes of the records `first` … `last - 1` one after the other, 32 bytes each: the whole log to rebuild
    its root from, without any of its content."""
    found = bytearray()
    async with store.read() as connection:
        for start in range(first, last, 10_000):
            end = min(start + 10_000, last)
            page = select(log.c.leaf).where(log.c.seq >= start, log.c.seq < end).order_by(log.c.seq)
            found += b"".join((await connection.execute(page)).scalars())
    if len(found) != 32 * (last - first):
        raise StoreError(DAMAGED, DAMAGED_MEND)
    return bytes(found)
