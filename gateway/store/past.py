"""Mail on record as it was judged when it came: its record, its bytes, and what an operator decided about it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.engine import Store
from gateway.store.tables import body, log, message

PAGE = 2000  # numbers of the log that are looked through at a time
MOST = 100  # messages whose bytes are held at a time
MOST_BYTES = 8 * 1024 * 1024  # of messages held at a time, unless a single one is larger


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers in the log, from `first` to before `end`, between which the incoming mail of a period stands."""

    first: int
    end: int
    mails: int
    since: datetime | None = None  # inclusive
    until: datetime | None = None  # exclusive

    def parts(self, size: int) -> Iterator[Span]:
        """The same in pieces of at most `size` numbers; how many mails each holds is not counted."""
        for first in range(self.first, self.end, size):
            yield Span(first, min(first + size, self.end), 0, self.since, self.until)


@dataclass(frozen=True, slots=True)
class PastMail:
    """An incoming message; `record` and `packed` (Zstandard) are None where they were deleted after their time.

    `decided` is `release` or `refuse` where an operator did so, whatever has become of the mail since.
    """

    id: str
    seq: int
    size: int
    received_at: datetime
    decided: str
    record: str | None  # canonical JSON of its `mail.in`
    packed: bytes | None


async def span(store: Store, since: datetime | None = None, until: datetime | None = None) -> Span:
    """Where the incoming mail of a period stands in the log. Raises `StoreError`."""
    where = [message.c.direction == "in"]
    if since is not None:
        where.append(message.c.received_at >= since)
    if until is not None:
        where.append(message.c.received_at < until)
    statement = select(func.min(message.c.seq), func.max(message.c.seq), func.count()).where(*where)
    async with store.read() as connection:
        first, last, count = (await connection.execute(statement)).one()
    return Span(first or 0, 0 if last is None else last + 1, count, since, until)


async def mails(store: Store, wanted: Span) -> AsyncIterator[Sequence[PastMail]]:
    """The incoming mail of a span in the order of the log, few at a time. Raises `StoreError`."""
    columns = (message.c.seq, message.c.id, message.c.size, message.c.received_at, message.c.direction)
    for part in wanted.parts(PAGE):
        async with store.read() as connection:
            # By number alone: the index on it gives the rows in their order, whatever the planner thinks of the times.
            page = select(*columns).where(message.c.seq >= part.first, message.c.seq < part.end)
            rows = [row for row in await connection.execute(page.order_by(message.c.seq)) if _within(row, wanted)]
        for group in _groups(rows):
            async with store.read() as connection:
                found = await _read(connection, group)
            yield found


def _within(row: Any, wanted: Span) -> bool:
    return (
        row.direction == "in"
        and (wanted.since is None or row.received_at >= wanted.since)
        and (wanted.until is None or row.received_at < wanted.until)
    )


def _groups(rows: Sequence[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    held = 0
    for row in rows:
        if group and (held + row.size > MOST_BYTES or len(group) == MOST):
            yield group
            group, held = [], 0
        group.append(row)
        held += row.size
    if group:
        yield group


async def _read(connection: AsyncConnection, rows: Sequence[Any]) -> Sequence[PastMail]:
    ids = [row.id for row in rows]
    packed = await connection.execute(select(body.c.message, body.c.zstd).where(body.c.message.in_(ids)))
    bodies = {row.message: row.zstd for row in packed}
    kept = await connection.execute(select(log.c.seq, log.c.record).where(log.c.seq.in_([row.seq for row in rows])))
    records = {row.seq: row.record for row in kept}
    decisions = select(log.c.message, log.c.record).where(log.c.message.in_(ids), log.c.kind == "quarantine")
    decided: dict[str, str] = {}
    for row in await connection.execute(decisions.order_by(log.c.seq)):
        if row.record is not None:
            decided[row.message] = json.loads(row.record)["action"]
    return [
        PastMail(
            row.id,
            row.seq,
            row.size,
            row.received_at,
            decided.get(row.id, ""),
            records.get(row.seq),
            bodies.get(row.id),
        )
        for row in rows
    ]
