"""One destination in memory: bounds on what waits, and what its being away means for the rest."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.delivery import lane as lane_module
from gateway.delivery.lane import SLACK, Lane
from gateway.model.acceptance import Leased
from gateway.model.settings import Delivery

START = datetime(2026, 7, 1, tzinfo=UTC)


class Here:
    """A lane whose workers wait for a permit, under a clock of its own."""

    def __init__(self) -> None:
        self.now = START
        self.permits = asyncio.Semaphore(0)
        self.begun: list[str] = []
        transport: Any = None
        self.lane = Lane("mailbox", transport, Delivery(concurrency=2), self.deliver, lambda: self.now)

    async def deliver(self, lane: Lane, leased: Leased) -> None:
        self.begun.append(leased.id)
        await self.permits.acquire()

    async def turn(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def leased(entry: str, size: int = 10) -> Leased:
    return Leased(entry, "deliver", "mailbox", "m", "", ("a@b.example",), b"x" * size, START)


async def test_workers_take_in_order_and_as_many_as_allowed() -> None:
    here = Here()
    assert [here.lane.add(leased(str(n))) for n in range(4)] == [None] * 4
    await here.turn()
    assert here.begun == ["0", "1"]
    here.permits.release()
    await here.turn()
    assert here.begun == ["0", "1", "2"]
    assert here.lane.waiting == 1


async def test_memory_is_bounded_by_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "MOST_WAITING", 3)
    monkeypatch.setattr(lane_module, "MOST_BYTES", 100)
    here = Here()
    assert [here.lane.add(leased(str(n))) for n in range(5)] == [None, None, None, START + SLACK, START + SLACK]
    assert here.lane.give_back() == ["0", "1", "2"]
    assert here.lane.add(leased("large", 500)) is None  # one is always taken, or it would never go
    assert here.lane.add(leased("more")) == START + SLACK


async def test_while_it_is_down_nothing_is_taken_and_then_one() -> None:
    here = Here()
    probe_at = here.lane.went_down()
    assert timedelta(seconds=45) < probe_at - START < timedelta(seconds=75)
    assert here.lane.went_down() == probe_at  # what failed at the same moment counts once
    assert here.lane.add(leased("a")) == probe_at + SLACK
    here.now = probe_at
    assert here.lane.add(leased("b")) is None
    assert here.lane.add(leased("c")) is None
    await here.turn()
    assert here.begun == ["b"]
    assert here.lane.went_down() > probe_at + timedelta(seconds=90)
    here.permits.release()
    await here.turn()
    assert here.begun == ["b"]
    assert here.lane.give_back() == ["c"]


async def test_when_it_is_back_everybody_goes_on() -> None:
    here = Here()
    probe_at = here.lane.went_down()
    here.now = probe_at
    for name in "abc":
        here.lane.add(leased(name))
    await here.turn()
    assert here.lane.came_up() == probe_at + SLACK
    await here.turn()
    assert here.begun == ["a", "b"]
    assert here.lane.came_up() is None
    assert here.lane.down_since is None


async def test_room_for_another_claim_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "LOW", 2)
    here = Here()
    for n in range(5):
        here.lane.add(leased(str(n)))
    assert not here.lane.low.is_set()
    await here.turn()
    assert here.lane.waiting == 3
    here.permits.release()
    here.permits.release()
    await here.turn()
    assert here.lane.low.is_set()


async def test_a_worker_that_breaks_is_replaced() -> None:
    here = Here()
    broken = True

    async def deliver(lane: Lane, one: Leased) -> None:
        nonlocal broken
        here.begun.append(one.id)
        if broken:
            broken = False
            raise RuntimeError("defect")

    transport: Any = None
    lane = Lane("mailbox", transport, Delivery(concurrency=1), deliver, lambda: START)
    for name in "ab":
        lane.add(leased(name))
    await here.turn()
    assert here.begun == ["a", "b"]
