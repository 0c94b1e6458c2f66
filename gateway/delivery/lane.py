"""One destination: what waits for it in memory, its workers, and whether it is there at all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from gateway.clients.transport import Transport
from gateway.delivery.backoff import LONGEST_PROBE, delay
from gateway.model.acceptance import Leased
from gateway.model.settings import Delivery

logger = structlog.get_logger()

MOST_WAITING = 10_000
MOST_BYTES = 128 * 1024 * 1024
LOW = 200  # with fewer waiting there is room for another claim
SLACK = timedelta(seconds=10)  # everything else waits so much longer than the entry that looks whether we are welcome


class Lane:
    """The way to one target. While it is down, one entry at a time goes to look; all others wait in the queue."""

    def __init__(
        self,
        name: str,
        transport: Transport,
        settings: Delivery,
        deliver: Callable[[Lane, Leased], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        self.name = name
        self.transport = transport
        self.down_since: datetime | None = None
        self.probe_at: datetime | None = None
        self.told = False  # the owner knows of this outage
        self._settings = settings
        self._deliver = deliver
        self._clock = clock
        self._waiting: deque[Leased] = deque()
        self._bytes = 0
        self._failures = 0
        self.workers: set[asyncio.Task[None]] = set()
        self.low = asyncio.Event()
        self.low.set()

    @property
    def waiting(self) -> int:
        """The number of entries in memory that nobody works on yet."""
        return len(self._waiting)

    def add(self, leased: Leased) -> datetime | None:
        """Take an entry; where that cannot be now, the time when it may come again."""
        now = self._clock()
        if self.probe_at is not None and now < self.probe_at:
            return self.probe_at + SLACK
        if len(self._waiting) >= MOST_WAITING or (self._waiting and self._bytes + len(leased.raw) > MOST_BYTES):
            return now + SLACK
        self._waiting.append(leased)
        self._bytes += len(leased.raw)
        if len(self._waiting) > LOW:
            self.low.clear()
        self._employ()
        return None

    def went_down(self) -> datetime:
        """The destination did not take anything: when to look again. Failures of one moment count as one."""
        now = self._clock()
        if self.probe_at is None or now >= self.probe_at:
            self._failures += 1
            self.down_since = self.down_since or now
            wait = delay(self._failures, self._settings, longest=LONGEST_PROBE)
            self.probe_at = now + timedelta(seconds=wait)
            logger.warning("destination_down", target=self.name, again_in=round(wait))
        return self.probe_at

    def came_up(self) -> datetime | None:
        """The destination answered; gives until when work was held back, None where it was not down."""
        held, self.probe_at, self.down_since, self._failures, self.told = self.probe_at, None, None, 0, False
        if held is None:
            return None
        logger.info("destination_up", target=self.name)
        self._employ()
        return held + SLACK

    def give_back(self) -> list[str]:
        """Take everything that waits out of memory; gives the entries' ids."""
        ids = [leased.id for leased in self._waiting]
        self._waiting.clear()
        self._bytes = 0
        self.low.set()
        return ids

    def _allowed(self) -> int:
        if self.probe_at is None:
            return self._settings.concurrency
        return 1 if self._clock() >= self.probe_at else 0

    def _employ(self) -> None:
        """As many workers as there is work and leave."""
        for _ in range(min(len(self._waiting), self._allowed() - len(self.workers))):
            worker = asyncio.create_task(self._work(), name=f"delivery-{self.name}")
            self.workers.add(worker)
            worker.add_done_callback(self._left)

    async def _work(self) -> None:
        while self._waiting and len(self.workers) <= self._allowed():
            leased = self._waiting.popleft()
            self._bytes -= len(leased.raw)
            if len(self._waiting) < LOW:
                self.low.set()
            await self._deliver(self, leased)

    def _left(self, worker: asyncio.Task[None]) -> None:
        self.workers.discard(worker)
        if worker.cancelled():
            return
        error = worker.exception()
        if error is not None:
            logger.error("delivery_worker_failed", target=self.name, exc_info=error)
        self._employ()
