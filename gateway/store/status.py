"""The numbers that `sekisho status` shows, out of the database alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from gateway.store.engine import Store
from gateway.store.queue import OPEN, SHOWN
from gateway.store.tables import checkpoint, log, log_state, message, queue, setting

EVENTS = 50  # starts and stops that are looked at


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where the gateway stands. Times are UTC; None where there was nothing yet."""

    last_in: datetime | None
    last_out: datetime | None  # the last time that a server took a message from us
    queue: dict[str, int]  # number of entries by state, those that are done left out
    oldest: datetime | None  # when the oldest entry that is still to do came in
    overdue: datetime | None  # since when the entry longest due waits
    held: int
    checkpoint_size: int | None
    checkpoint_at: datetime | None
    unsealed_at: datetime | None  # time of the oldest record that no checkpoint seals
    log_size: int
    log_at: datetime | None
    settings: dict[str, Any]  # what the daemon last noted about itself
    stopped: frozenset[str]  # nodes whose gateway stopped in good order and has not started since


async def numbers(store: Store) -> Numbers:
    """The numbers of this moment. Raises `StoreError`."""
    async with store.read() as connection:

        async def one(statement: Select[Any]) -> Any:
            return (await connection.execute(statement)).scalar()

        async def newest(direction: str) -> datetime | None:
            which = select(message.c.received_at).where(message.c.direction == direction)
            found: datetime | None = await one(which.order_by(message.c.received_at.desc()).limit(1))
            return found

        delivered = (
            select(log.c.at)
            .where(log.c.kind == "delivery", log.c.record.contains('"status":"delivered"'))
            .order_by(log.c.at.desc())
            .limit(1)
        )
        by_state = await connection.execute(
            select(queue.c.state, func.count()).where(queue.c.state.in_(SHOWN)).group_by(queue.c.state)
        )
        last = (await connection.execute(select(checkpoint).order_by(checkpoint.c.size.desc()).limit(1))).first()
        unsealed = select(log.c.at).where(log.c.seq == (last.size if last else 0))
        state = (await connection.execute(select(log_state.c.size, log_state.c.at))).first()
        events = select(log.c.record).where(log.c.kind == "gateway").order_by(log.c.at.desc(), log.c.seq.desc())
        newest_first = (await connection.execute(events.limit(EVENTS))).scalars().all()
        notes = await connection.execute(select(setting.c.name, setting.c.value))
        return Numbers(
            last_in=await newest("in"),
            last_out=await one(delivered),
            queue={row[0]: row[1] for row in by_state},
            oldest=await one(select(func.min(queue.c.created_at)).where(queue.c.state.in_(OPEN))),
            overdue=await one(select(func.min(queue.c.next_at)).where(queue.c.state == "waiting")),
            held=await one(select(func.count()).select_from(message).where(message.c.state == "held")),
            checkpoint_size=last.size if last else None,
            checkpoint_at=last.at if last else None,
            unsealed_at=await one(unsealed),
            log_size=state.size if state else 0,
            log_at=state.at if state and state.size else None,
            settings={row[0]: row[1] for row in notes},
            stopped=_stopped(newest_first),
        )


def _stopped(newest_first: Sequence[str | None]) -> frozenset[str]:
    last: dict[str, str] = {}
    for text in newest_first:
        record = json.loads(text) if text else {}
        if "node" in record:
            last.setdefault(record["node"], record.get("what", ""))
    return frozenset(node for node, what in last.items() if what == "stop")
