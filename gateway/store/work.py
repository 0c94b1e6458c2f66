"""The queue's database side for delivery: entries are claimed under a lease, and crashes are counted.

`crashes` grows when an entry is claimed and falls to 0 with its next outcome, so what a killed process leaves behind is
counted without a write at the time of the crash. The lease under which a new message is handed over counts nothing.
Entries with one crash behind them are claimed a few at a time, one with two alone and with nothing suspect beside it:
a third crash, after which it is set aside, can then be blamed on no other.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select, update

from gateway.model.acceptance import Leased
from gateway.store.batch import Batch
from gateway.store.body import unpack
from gateway.store.engine import Store
from gateway.store.tables import body, log, message, queue

CRASHES = 3  # after so many an entry is set aside
FEW = 16  # entries with one crash behind them that are claimed together
MOST_BYTES = 64 * 1024 * 1024  # of messages in one claim
_HELD = ("leased", "sending")
_CHUNK = 100


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim gave: work under lease, and entries that it had to give up on (ids)."""

    leased: tuple[Leased, ...] = ()
    aside: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    more: bool = False  # entries are due beyond the limit


async def claim(
    store: Store, node: str, limit: int, now: datetime, *, lease: timedelta, suspects: bool = True
) -> Claimed:
    """Claim up to `limit` due entries for `node` and read what they send; writes nothing where nothing is due.

    Due are waiting entries whose time has come, and leases that ran out; those with a crash behind them only where
    `suspects` may be tried. Raises `StoreError`.
    """
    async with store.read() as connection:
        if (await connection.execute(select(queue.c.id).where(_due(now)).limit(1))).first() is None:
            return Claimed()
    taken = await store.committer.submit(Claim(node, limit, lease, now, suspects))
    if not taken.rows:
        return Claimed((), taken.aside, taken.uncertain, taken.more)
    leased = await _read(store, taken.rows)
    missing = tuple(row.id for row in taken.rows if row.id not in {one.id for one in leased})
    for entry in missing:
        await store.committer.submit(SetAside(entry, node, "the message is no longer on record"))
    return Claimed(tuple(leased), (*taken.aside, *missing), taken.uncertain, taken.more)


@dataclass(frozen=True, slots=True)
class Taken:
    """The rows that a claim took."""

    rows: tuple[Any, ...]
    aside: tuple[str, ...]
    uncertain: tuple[str, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """Unit: lease due entries to a node, fresh ones together, those with crashes behind them a few or one at a time."""

    node: str
    limit: int
    lease: timedelta
    now: datetime
    suspects: bool = True

    async def apply(self, batch: Batch) -> Taken:
        """The rows taken, oldest first; lapsed replies become uncertain, entries that crashed too often go aside."""
        lapsed = await batch.execute(
            select(queue.c.id, queue.c.message).where(queue.c.state == "sending", queue.c.lease_until < self.now)
        )
        uncertain = [await _uncertain(batch, row.id, row.message) for row in lapsed.all()]
        worn = await batch.execute(
            select(queue.c.id, queue.c.message).where(_due(self.now), queue.c.crashes >= CRASHES).limit(self.limit)
        )
        aside = [
            await _set_aside(batch, row.id, row.message, f"the gateway stopped {CRASHES} times while sending it")
            for row in worn.all()
        ]
        fresh = await self._due_rows(batch, queue.c.crashes == 0, self.limit + 1)
        suspects = await self._suspects(batch) if self.suspects else []
        rows = _within(suspects + fresh[: self.limit])
        await self._lease(batch, [row.id for row in rows])
        return Taken(tuple(rows), tuple(aside), tuple(uncertain), len(fresh) + len(suspects) > len(rows))

    async def _suspects(self, batch: Batch) -> list[Any]:
        """A few with one crash behind them, else one with more; none while any is in anybody's hands."""
        held = queue.c.state.in_(_HELD) & (queue.c.lease_until >= self.now) & (queue.c.crashes >= 2)
        if (await batch.execute(select(queue.c.id).where(held).limit(1))).first() is not None:
            return []
        few = await self._due_rows(batch, queue.c.crashes == 1, min(FEW, self.limit))
        return few or await self._due_rows(batch, queue.c.crashes.between(2, CRASHES - 1), 1)

    async def _due_rows(self, batch: Batch, which: ColumnElement[bool], limit: int) -> list[Any]:
        statement = (
            select(queue, message.c.size, message.c.about, message.c.direction)
            .join(message, message.c.id == queue.c.message)
            .where(_due(self.now), which)
            .order_by(queue.c.crashes, queue.c.next_at)
            .limit(limit)
            .with_for_update(of=queue, skip_locked=True)  # SQLite, where the write lock does it, leaves this out
        )
        return list((await batch.execute(statement)).all())

    async def _lease(self, batch: Batch, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), _CHUNK):
            await batch.execute(
                update(queue)
                .where(queue.c.id.in_(ids[start : start + _CHUNK]))
                .values(
                    state="leased",
                    owner=self.node,
                    lease_until=self.now + self.lease,
                    crashes=queue.c.crashes + 1,
                    # a lease that ran out was an attempt of which nobody knows the outcome
                    attempts=queue.c.attempts + case((queue.c.state == "leased", 1), else_=0),
                )
            )


@dataclass(frozen=True, slots=True)
class VoidLeases:
    """Unit, at start: entries that `node` held when it died are due again; None for all (one gateway per database).

    A reply that was being sent becomes uncertain: it is never sent twice. Gives the number of entries due again.
    """

    node: str | None

    async def apply(self, batch: Batch) -> int:
        """Void the leases; a hand-over lease stays without blame, a claim keeps its crash."""
        mine = queue.c.owner == self.node if self.node is not None else queue.c.owner.is_not(None)
        sending = await batch.execute(select(queue.c.id, queue.c.message).where(queue.c.state == "sending", mine))
        for row in sending.all():
            await _uncertain(batch, row.id, row.message)
        done = await batch.execute(
            update(queue)
            .where(queue.c.state == "leased", mine)
            .values(state="waiting", owner=None, lease_until=None, next_at=batch.clock, attempts=queue.c.attempts + 1)
        )
        return int(done.rowcount)


@dataclass(frozen=True, slots=True)
class ReturnLeases:
    """Unit, at an orderly stop: entries that were not tried are due again at once, nothing counted against them."""

    node: str
    ids: tuple[str, ...] | None = None  # None: all that the node holds

    async def apply(self, batch: Batch) -> int:
        """Give the leases back; gives their number."""
        which = and_(queue.c.owner == self.node, queue.c.state == "leased")
        fewer = case((queue.c.crashes > 0, queue.c.crashes - 1), else_=0)
        statement = update(queue).values(
            state="waiting", owner=None, lease_until=None, next_at=batch.clock, crashes=fewer
        )
        if self.ids is None:
            return int((await batch.execute(statement.where(which))).rowcount)
        done = 0
        for start in range(0, len(self.ids), _CHUNK):
            part = queue.c.id.in_(self.ids[start : start + _CHUNK])
            done += int((await batch.execute(statement.where(which, part))).rowcount)
        return done


@dataclass(frozen=True, slots=True)
class SetAside:
    """Unit: take an entry out of the queue until a person looks at it."""

    id: str
    node: str
    why: str

    async def apply(self, batch: Batch) -> bool:
        """Whether it was set aside; False where it is not this node's."""
        row = (
            await batch.execute(select(queue.c.message).where(queue.c.id == self.id, queue.c.owner == self.node))
        ).first()
        if row is None:
            return False
        await _set_aside(batch, self.id, row.message, self.why)
        return True


async def _set_aside(batch: Batch, entry: str, about: str, why: str) -> str:
    await batch.execute(
        update(queue).where(queue.c.id == entry).values(state="aside", owner=None, lease_until=None, last_error=why)
    )
    batch.append("queue", {"action": "aside", "entry": entry, "message": about, "why": why}, about)
    return entry


async def _uncertain(batch: Batch, entry: str, about: str) -> str:
    why = "the gateway stopped while sending it; it is not sent again"
    await batch.execute(
        update(queue).where(queue.c.id == entry).values(state="uncertain", owner=None, lease_until=None, last_error=why)
    )
    await batch.execute(
        update(message).where(message.c.id == about, message.c.state == "queued").values(state="uncertain")
    )
    batch.append("delivery", {"action": "uncertain", "entry": entry, "message": about, "why": why}, about)
    return entry


def _due(now: datetime) -> ColumnElement[bool]:
    return or_(
        and_(queue.c.state == "waiting", queue.c.next_at <= now),
        and_(queue.c.state.in_(_HELD), queue.c.lease_until < now),
    )


def _within(rows: Sequence[Any]) -> list[Any]:
    """As many rows as fit into memory together, at least one."""
    total = 0
    kept: list[Any] = []
    for row in rows:
        total += row.size
        if kept and total > MOST_BYTES:
            break
        kept.append(row)
    return kept


async def _read(store: Store, rows: Sequence[Any]) -> list[Leased]:
    found: dict[str, Any] = {}
    async with store.read() as connection:
        wanted = list({row.message for row in rows})
        for start in range(0, len(wanted), _CHUNK):
            statement = (
                select(message.c.id, message.c.trace, body.c.zstd, log.c.record)
                .join(body, body.c.message == message.c.id)
                .outerjoin(log, log.c.seq == message.c.seq)
                .where(message.c.id.in_(wanted[start : start + _CHUNK]))
            )
            found.update({row.id: row for row in await connection.execute(statement)})
    return await asyncio.to_thread(_leased, rows, found)


def _leased(rows: Sequence[Any], found: dict[str, Any]) -> list[Leased]:
    made = []
    for row in rows:
        kept = found.get(row.message)
        if kept is None:
            continue
        raw = unpack(kept.zstd, row.size)
        made.append(
            Leased(
                row.id,
                row.kind,
                row.target,
                row.message,
                row.mail_from,
                tuple(row.recipients),
                kept.trace + without(raw, removed_fields(kept.record)) if row.direction == "in" else raw,
                row.created_at,
                row.attempts + (row.state == "leased"),
                row.crashes,
                row.about or (row.message if row.direction == "in" else ""),
            )
        )
    return made


def removed_fields(record: str | None) -> list[bytes]:
    """The header fields that the relayed copy lacks, as the message's record names them."""
    kept = json.loads(record).get("removed", []) if record else []
    return [field.encode("latin-1") for field in kept]


def without(raw: bytes, fields: Sequence[bytes]) -> bytes:
    """`raw` without these whole header fields."""
    at = 0
    for field in fields:
        start = 0 if raw.startswith(field) and at == 0 else raw.find(b"\n" + field, max(at - 1, 0)) + 1
        if start or raw.startswith(field):
            raw = raw[:start] + raw[start + len(field) :]
            at = start
    return raw
