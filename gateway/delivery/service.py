"""The delivery service: takes work hot from the transaction or due from the queue, sends it, records what became of it.

A reply is sent at most once: that it is about to leave is committed first, and one of which nobody knows whether it
arrived is never sent again. Everything else is sent at least once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import select

from gateway.clients.transport import RecipientResult, SendResult, Status, Transport, same_for_all
from gateway.delivery.backoff import next_try
from gateway.delivery.failures import Failures, other_target
from gateway.delivery.lane import SLACK, Lane
from gateway.delivery.leases import HoldBack, Postpone, Renew, Resume
from gateway.delivery.nodes import is_gone
from gateway.delivery.targets import transports as make_transports
from gateway.errors import StoreError
from gateway.model.acceptance import Leased
from gateway.model.settings import Settings
from gateway.replies import notices
from gateway.store.committer import Unit
from gateway.store.engine import Store
from gateway.store.gateway_events import SendDraft
from gateway.store.outcome import Attempt, Outcomes, Sending
from gateway.store.tables import queue
from gateway.store.work import ReturnLeases, VoidLeases, claim

logger = structlog.get_logger()

LEASE = timedelta(minutes=15)
POLL = 5.0  # seconds between two looks for entries that are due
UNSETTLED = 256  # outcomes that may wait for their transaction at a time; with more the workers pause
CLAIM = 200  # entries at a time
SUSPECTS_AFTER = 10.0  # seconds; only then what crashed before is tried, so that crashes in a row are not blamed on it
AFTER_FAULT = timedelta(minutes=10)
TELL_AFTER = timedelta(hours=1)  # a destination that is down for so long is told to the owner
LONGEST_WAIT = 15.0  # seconds between two tries to write what must be written

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class DeliveryService:
    """Delivers what the queue holds. `transports` by target name stand in for those of the settings in tests."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        node: str,
        transports: Mapping[str, Transport] | None = None,
        clock: Callable[[], datetime] = _now,
        poll: float = POLL,
        suspects_after: float = SUSPECTS_AFTER,
    ) -> None:
        self._settings = settings
        self._store = store
        self._node = node
        self._clock = clock
        self._poll_interval = poll
        self._suspects_after = suspects_after
        ways = transports if transports is not None else make_transports(settings)
        self._lanes = {name: Lane(name, way, settings.delivery, self._deliver, clock) for name, way in ways.items()}
        self._outcomes = Outcomes(store.committer)
        self._failures = Failures(settings, store)
        self._held: set[str] = set()  # entries in our hands
        self._suspects: set[str] = set()  # those of them with a crash behind them
        self._suspects_from = 0.0  # the loop's time
        self._postponed: dict[datetime, list[str]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._unsettled = asyncio.Semaphore(UNSETTLED)
        self._wake = asyncio.Event()
        self._stopped = False

    async def start(self) -> None:
        """Take over what an earlier run left behind and begin; raises `StoreError`."""
        for node in (None,) if self._store.embedded else (self._node, *await self._gone()):
            await self._store.committer.submit(VoidLeases(node))
        self._suspects_from = asyncio.get_running_loop().time() + self._suspects_after
        self._loops = [
            asyncio.create_task(self._poll(), name="delivery-poll"),
            asyncio.create_task(self._renew(), name="delivery-leases"),
        ]

    async def _gone(self) -> list[str]:
        """Gateways of this machine that died with work in their hands; what others held waits until its lease ends."""
        async with self._store.read() as connection:
            held = queue.c.state.in_(("leased", "sending"))
            owners = await connection.execute(select(queue.c.owner).where(held, queue.c.owner.is_not(None)).distinct())
            return [row.owner for row in owners if is_gone(row.owner)]

    def hand_over(self, leased: Iterable[Leased]) -> None:
        """Take work that is leased to this node already."""
        for one in leased:
            self._held.add(one.id)
            if one.crashes:
                self._suspects.add(one.id)
            again = self._lanes[one.target].add(one)
            if again is not None:
                self._postpone([one.id], again)

    async def stop(self, drain: float) -> None:
        """Let what is under way finish, at most `drain` seconds; what was not tried is due again at once."""
        if self._stopped:
            return
        self._stopped = True
        await _end(self._loops[:1])  # nothing more is claimed; leases are still renewed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain):
                while busy := {task for lane in self._lanes.values() for task in lane.workers} | self._chores:
                    await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
        for lane in self._lanes.values():
            lane.give_back()
        await _end([*self._loops[1:], *self._chores, *(task for lane in self._lanes.values() for task in lane.workers)])
        with contextlib.suppress(StoreError):  # then the leases are voided at the next start
            await self._store.committer.submit(ReturnLeases(self._node))
        for lane in self._lanes.values():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await lane.transport.close()

    # one entry

    async def _deliver(self, lane: Lane, leased: Leased) -> None:
        """Send one entry. Its outcome is written while the worker goes on, so that many share a transaction."""
        await self._unsettled.acquire()
        settling = False
        try:
            if leased.kind == "reply" and not await self._write(lambda: Sending(leased.id, self._node)):
                return  # cancelled, or somebody else's by now
            result = await self._send(lane, leased)
            probe_at = self._look_at(lane, leased, result)
            self._chore(self._settled(lane, leased, result, probe_at))
            settling = True
        finally:
            if not settling:
                self._done_with(leased)

    async def _send(self, lane: Lane, leased: Leased) -> SendResult:
        try:
            return await lane.transport.send(leased)
        except Exception:
            logger.exception("delivery_failed", entry=leased.id, target=lane.name)
            results = same_for_all(leased.recipients, Status.DEFERRED, 0, "internal error")
            # whether a reply left is not known after such a fault
            return SendResult(results, lane.name, uncertain=True)

    async def _settled(self, lane: Lane, leased: Leased, result: SendResult, probe_at: datetime | None) -> None:
        try:
            await self._settle(lane, leased, result, probe_at)
        except Exception:
            logger.exception("outcome_lost", entry=leased.id, target=lane.name)
            self._postpone([leased.id], self._clock() + AFTER_FAULT)
        finally:
            self._done_with(leased)

    def _done_with(self, leased: Leased) -> None:
        self._held.discard(leased.id)
        self._unsettled.release()
        if leased.id in self._suspects:
            self._suspects.discard(leased.id)
            if not self._suspects:  # the next ones need not wait for the next look at the queue
                self._wake.set()

    async def _settle(self, lane: Lane, leased: Leased, result: SendResult, probe_at: datetime | None) -> None:
        """Record the outcome, and with it what follows from it."""
        now = self._clock()
        uncertain = result.uncertain and leased.kind == "reply"
        deferred = [r for r in result.results if r.status is Status.DEFERRED]
        failed = [r for r in result.results if r.status is Status.FAILED]
        again = None
        if deferred and not uncertain:
            again = next_try(leased.created_at, leased.attempts, now, self._settings.delivery, probe_at)
            if again is None:
                failed += deferred
        if failed or deferred:
            self._log(lane, leased, result, again)

        async def outcome() -> str:
            drafts = (
                await self._failures.drafts(leased, failed, result.host, now, whole=again is None) if failed else ()
            )
            attempt = Attempt(leased.id, self._node, result.results, result.host, again, uncertain, drafts, leased)
            state = await self._outcomes.settle(attempt)
            if drafts:
                self._wake.set()
            return state

        await self._insist(outcome)

    def _look_at(self, lane: Lane, leased: Leased, result: SendResult) -> datetime | None:
        """What the result says about the destination; where it is down, when it will be looked at again."""
        if result.down:
            probe_at = lane.went_down()
            self._postpone(lane.give_back(), probe_at + SLACK)
            self._chore(self._write(lambda: HoldBack(lane.name, probe_at + SLACK, leased.id)))
            if not lane.told and lane.down_since and self._clock() - lane.down_since >= TELL_AFTER:
                self._tell_down(lane, result.results)
            return probe_at
        if any(r.code for r in result.results):
            held = lane.came_up()
            if held is not None:
                self._chore(self._resume(lane, held))
        return None

    async def _resume(self, lane: Lane, until: datetime) -> None:
        await self._write(lambda: Resume(lane.name, until, self._clock()))
        self._wake.set()

    def _tell_down(self, lane: Lane, results: tuple[RecipientResult, ...]) -> None:
        lane.told = True
        outgoing = self._settings.outgoing
        if outgoing is None or lane.down_since is None:
            return  # there is no other way to tell it
        name = self._settings.mailbox.name if lane.name == "mailbox" else outgoing.target.name
        why = results[0].text if results else ""
        draft = notices.destination_down(
            name, lane.down_since, why, self._settings, target=other_target(lane.name), now=self._clock()
        )
        self._chore(self._write(lambda: SendDraft(draft)))

    def _log(self, lane: Lane, leased: Leased, result: SendResult, again: datetime | None) -> None:
        worst = next((r for r in result.results if r.status is not Status.DELIVERED), None)
        logger.info(
            "not_delivered",
            entry=leased.id,
            exchange=leased.about,
            target=lane.name,
            code=worst.code if worst else 0,
            text=worst.text if worst else "",
            uncertain=result.uncertain,
            again_at=again.isoformat(timespec="seconds") if again else None,
        )

    # the queue

    async def _poll(self) -> None:
        while True:
            more = False
            try:
                more = await self._claim()
                draft = self._failures.untold(self._clock())
                if draft is not None:
                    await self._store.committer.submit(SendDraft(draft))
            except StoreError as error:
                logger.warning("queue_not_read", why=str(error))
            except Exception:
                logger.exception("queue_not_read")
            if not more:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_interval):
                        await self._wake.wait()
                self._wake.clear()
            with contextlib.suppress(TimeoutError):  # a destination that is slow must not stop the others
                async with asyncio.timeout(POLL):
                    for lane in self._lanes.values():
                        await lane.low.wait()

    async def _claim(self) -> bool:
        """Take what is due; gives whether there is more."""
        now = self._clock()
        calm = asyncio.get_running_loop().time() >= self._suspects_from
        taken = await claim(self._store, self._node, CLAIM, now, lease=LEASE, suspects=calm)
        self.hand_over(leased for leased in taken.leased if leased.id not in self._held)
        for entry in taken.aside:
            logger.error("set_aside", entry=entry)
            draft = await self._failures.set_aside(entry, now)
            await self._store.committer.submit(SendDraft(draft))
        for entry in taken.uncertain:
            logger.warning("reply_uncertain", entry=entry)
        return taken.more and bool(taken.leased)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                await self._store.committer.submit(Renew(self._node, tuple(self._held), LEASE))
            except StoreError as error:
                logger.warning("leases_not_renewed", why=str(error))

    def _postpone(self, ids: list[str], until: datetime) -> None:
        """Put entries back into the queue; what comes in at one moment goes in one transaction."""
        if not ids:
            return
        self._held.difference_update(ids)
        self._suspects.difference_update(ids)
        if not self._postponed:
            self._chore(self._flush())
        self._postponed.setdefault(until, []).extend(ids)

    async def _flush(self) -> None:
        await asyncio.sleep(0.05)
        postponed, self._postponed = self._postponed, {}
        for until, ids in postponed.items():
            await self._write(partial(Postpone, self._node, tuple(ids), until))

    # writing what must be written

    def _chore(self, work: Awaitable[object]) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run(), name="delivery-chore")
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _write(self, unit: Callable[[], Unit[T]]) -> T:
        return await self._insist(lambda: self._store.committer.submit(unit()))

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write again and again while the database is away: what was sent must not be forgotten."""
        wait = 0.2
        while True:
            try:
                return await write()
            except StoreError as error:
                logger.warning("outcome_not_written", why=str(error), again_in=wait)
            await asyncio.sleep(wait)
            wait = min(LONGEST_WAIT, wait * 2)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
