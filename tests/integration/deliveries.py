"""What the tests of delivery share: a clock that can be turned, a store that follows it, and a way to look inside."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from sqlalchemy import select

from gateway.delivery import DeliveryService
from gateway.model.acceptance import Accepted, Leased
from gateway.model.settings import Delivery, Outgoing, Settings, Shop, Target
from gateway.store import evidence_log
from gateway.store.engine import Store
from gateway.store.tables import log, message, queue
from tests.integration.stores import NODE, accept, acceptance


class Clock:
    """The present time plus what a test has turned it on by."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def turn(self, **span: float) -> None:
        self.ahead += timedelta(**span)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the database's transactions follow."""
    turned = Clock()

    class Follows(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return turned()

    monkeypatch.setattr(evidence_log, "datetime", Follows)
    return turned


def settings(mailbox: Target, outgoing: Target | None = None, **delivery: Any) -> Settings:
    return Settings(
        shop=Shop(name="和み工房", addresses=("shop@shop.example", "@order.shop.example")),
        mailbox=mailbox,
        outgoing=Outgoing(outgoing) if outgoing else None,
        delivery=Delivery(**{"timeout": 2.0, **delivery}),
    )


class Bench:
    """A delivery service on a store; `async with` starts and stops it."""

    def __init__(self, store: Store, clock: Clock, config: Settings, **more: Any) -> None:
        self.store = store
        self.clock = clock
        self.service = DeliveryService(config, store, node=NODE, clock=clock, **{"poll": 0.02, **more})

    async def __aenter__(self) -> Bench:
        await self.service.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.service.stop(2)

    async def receive(self, count: int = 1, **more: Any) -> list[Leased]:
        """Accept messages and hand their work over, as the intake does."""
        done = await asyncio.gather(*(accept_one(self.store, **more) for _ in range(count)))
        leased = [one for accepted in done for one in accepted.leased]
        self.service.hand_over(leased)
        return leased

    async def states(self) -> dict[str, int]:
        """How many entries of the queue are in each state."""
        async with self.store.read() as connection:
            return dict(Counter(row.state for row in await connection.execute(select(queue.c.state))))

    async def until(self, holds: Callable[[dict[str, int]], bool], *, timeout: float = 20.0) -> dict[str, int]:
        """Wait until the states of the queue are as wanted."""
        states: dict[str, int] = {}
        try:
            async with asyncio.timeout(timeout):
                while not holds(states := await self.states()):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"the queue is {states} and {await self.rows()}")
        return states

    async def drained(self, count: int | None = None) -> None:
        """Wait until everything (that is, `count` entries) is done."""
        await self.until(lambda s: set(s) == {"done"} and (count is None or s["done"] == count))

    async def rows(self, limit: int = 5) -> list[Any]:
        async with self.store.read() as connection:
            return list((await connection.execute(select(queue).order_by(queue.c.created_at).limit(limit))).all())

    async def messages(self, kind: str) -> list[Any]:
        """The messages of a kind on record, oldest first."""
        async with self.store.read() as connection:
            found = await connection.execute(select(message).where(message.c.kind == kind).order_by(message.c.seq))
            return list(found.all())

    async def records(self, kind: str) -> int:
        async with self.store.read() as connection:
            return len((await connection.execute(select(log.c.seq).where(log.c.kind == kind))).all())


async def accept_one(store: Store, **more: Any) -> Accepted:
    """Remember one message."""
    return await store.committer.submit(accept(acceptance(**more)))
