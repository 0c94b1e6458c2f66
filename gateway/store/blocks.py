"""The blacklist: entries are added, ended and listed; what was is kept for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select, update

from gateway.model.entry import Entry
from gateway.model.exchange import new_id
from gateway.model.mail_record import clean
from gateway.model.record import time_text
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.people import find_or_make
from gateway.store.tables import block_entry, person

CHUNK = 256  # entries in one unit, so that mail never waits long for a large list

_END = (
    update(block_entry)
    .where(block_entry.c.id == bindparam("old"))
    .values(seq=bindparam("at_seq"), ended_at=bindparam("ended"), end_reason=bindparam("why"))
)


@dataclass(frozen=True, slots=True)
class Blocked:
    """What blocking or unblocking did, in numbers of entries."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    ended: int = 0

    def __add__(self, other: Blocked) -> Blocked:
        return Blocked(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.ended + other.ended,
        )


@dataclass(frozen=True, slots=True)
class Block:
    """Unit: block (or only watch) up to `CHUNK` entries, each with a log record of its own.

    Blocking again with the same words changes nothing; with others it ends the old entry and adds one.
    """

    entries: tuple[Entry, ...]
    reason: str
    until: datetime | None = None
    person: str = ""
    watched: bool = False
    operator: str = ""

    async def apply(self, batch: Batch) -> Blocked:
        """Add and change entries."""
        who = await find_or_make(batch, self.person)
        wanted = {entry.value: entry for entry in self.entries}
        active = await _active(batch, list(wanted))
        reason = clean(self.reason)
        same = (reason, self.until, who, self.watched)
        changed = unchanged = 0
        ends: list[dict[str, Any]] = []
        for value, entry in wanted.items():
            old = active.get(value, [])
            if len(old) == 1 and (old[0].reason, old[0].until, old[0].person, old[0].watched) == same:
                unchanged += 1
                continue
            id = new_id()
            record = {
                "entry": value,
                "who": str(entry.who),
                "id": id,
                "reason": reason,
                "until": time_text(self.until) if self.until else None,
                "person": {"id": who, "name": clean(self.person)} if who else None,
                "watched": self.watched,
                "replaces": [row.id for row in old],
                "operator": clean(self.operator),
            }
            seq = batch.append("block", record)
            ends += [{"old": row.id, "at_seq": seq, "ended": batch.now, "why": "changed"} for row in old]
            changed += bool(old)
            batch.insert(
                block_entry,
                {
                    "id": id,
                    "seq": seq,
                    "who": str(entry.who),
                    "value": value,
                    "watched": self.watched,
                    "reason": reason,
                    "person": who,
                    "created_at": batch.now,
                    "until": self.until,
                },
            )
        if ends:
            await batch.execute(_END, ends)
        return Blocked(len(wanted) - changed - unchanged, changed, unchanged)


@dataclass(frozen=True, slots=True)
class Unblock:
    """Unit: end the active entries of up to `CHUNK` values; the history stays. Gives how many were ended."""

    entries: tuple[Entry, ...]
    reason: str
    operator: str = ""

    async def apply(self, batch: Batch) -> Blocked:
        """End entries; a value that is not blocked is left as it is."""
        wanted = list({entry.value for entry in self.entries})
        active = await _active(batch, wanted)
        ends = []
        for value, rows in active.items():
            record = {
                "entry": value,
                "who": rows[0].who,
                "ids": [row.id for row in rows],
                "reason": clean(self.reason),
                "operator": clean(self.operator),
            }
            seq = batch.append("unblock", record)
            why = clean(self.reason)
            ends += [{"old": row.id, "at_seq": seq, "ended": batch.now, "why": why} for row in rows]
        if ends:
            await batch.execute(_END, ends)
        return Blocked(unchanged=len(wanted) - len(active), ended=len(active))


async def block(
    store: Store,
    entries: Iterable[Entry],
    reason: str,
    *,
    until: datetime | None = None,
    person: str = "",
    watched: bool = False,
    operator: str = "",
    progress: Callable[[int], None] | None = None,
) -> Blocked:
    """Block any number of entries, a chunk a transaction; `progress` gets the number done. Raises `StoreError`.

    Stopped half-way it can be called again: what is done already stays as it is.
    """
    done, total = 0, Blocked()
    for chunk in _chunks(entries):
        total += await store.committer.submit(Block(chunk, reason, until, person, watched, operator))
        done += len(chunk)
        if progress is not None:
            progress(done)
        await asyncio.sleep(0)
    return total


async def unblock(
    store: Store,
    entries: Iterable[Entry],
    reason: str,
    *,
    operator: str = "",
    progress: Callable[[int], None] | None = None,
) -> Blocked:
    """End any number of entries, a chunk a transaction. Raises `StoreError`."""
    done, total = 0, Blocked()
    for chunk in _chunks(entries):
        total += await store.committer.submit(Unblock(chunk, reason, operator))
        done += len(chunk)
        if progress is not None:
            progress(done)
        await asyncio.sleep(0)
    return total


@dataclass(frozen=True, slots=True)
class BlockRow:
    """An entry of the blacklist with its history: `ended_at` is None while it counts."""

    id: str
    seq: int
    who: str
    value: str
    watched: bool
    reason: str
    person: str  # name, "" where none is named
    created_at: datetime
    until: datetime | None
    ended_at: datetime | None
    end_reason: str | None


async def list_blocks(
    store: Store,
    *,
    now: datetime | None = None,
    value: str = "",
    person_name: str = "",
    text: str = "",
    limit: int = 100,
    after: BlockRow | None = None,
) -> tuple[BlockRow, ...]:
    """Entries, newest first; with `now` only those that count then, without it the ended ones too.

    `value` is a canonical entry, `text` a part of one or of the reason. The next page follows `after`.
    """
    statement: Select[Any] = (
        select(block_entry, person.c.name)
        .outerjoin(person, person.c.id == block_entry.c.person)
        .order_by(block_entry.c.created_at.desc(), block_entry.c.id)
        .limit(limit)
    )
    if now is not None:
        statement = statement.where(counts(now))
    if value:
        statement = statement.where(block_entry.c.value == value)
    if person_name:
        statement = statement.where(person.c.name == person_name)
    if text:
        statement = statement.where(
            or_(
                block_entry.c.value.contains(text, autoescape=True),
                block_entry.c.reason.contains(text, autoescape=True),
            )
        )
    if after is not None:
        statement = statement.where(
            or_(
                block_entry.c.created_at < after.created_at,
                and_(block_entry.c.created_at == after.created_at, block_entry.c.id > after.id),
            )
        )
    async with store.read() as connection:
        return tuple(_row(row) for row in await connection.execute(statement))


def counts(now: datetime) -> Any:
    """The condition that an entry is in force."""
    return and_(block_entry.c.ended_at.is_(None), or_(block_entry.c.until.is_(None), block_entry.c.until > now))


async def _active(batch: Batch, values: Sequence[str]) -> dict[str, list[Any]]:
    """Entries that were not ended, by value; those past their `until` among them."""
    found: dict[str, list[Any]] = {}
    for start in range(0, len(values), CHUNK):
        statement = select(block_entry).where(
            block_entry.c.value.in_(values[start : start + CHUNK]), block_entry.c.ended_at.is_(None)
        )
        for row in (await batch.execute(statement)).all():
            found.setdefault(row.value, []).append(row)
    return found


def _chunks(entries: Iterable[Entry]) -> Iterable[tuple[Entry, ...]]:
    source = iter(entries)
    while chunk := tuple(islice(source, CHUNK)):
        yield chunk


def _row(row: Any) -> BlockRow:
    return BlockRow(
        row.id,
        row.seq,
        row.who,
        row.value,
        row.watched,
        row.reason,
        row.name or "",
        row.created_at,
        row.until,
        row.ended_at,
        row.end_reason,
    )
