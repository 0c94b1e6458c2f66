"""Units about entries in our hands: renewed while they are, put off while their destination is down, brought back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, update

from gateway.store.batch import Batch
from gateway.store.tables import queue

_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Renew:
    """Unit: these entries stay ours for `lease` from now on; gives their number.

    An entry that got lost on its way to a worker is not among them: its lease lapses, and it is claimed again.
    """

    node: str
    ids: tuple[str, ...]
    lease: timedelta

    async def apply(self, batch: Batch) -> int:
        """Renew the leases."""
        done = 0
        for start in range(0, len(self.ids), _CHUNK):
            statement = (
                update(queue)
                .where(queue.c.id.in_(self.ids[start : start + _CHUNK]))
                .where(queue.c.owner == self.node, queue.c.state.in_(("leased", "sending")))
                .values(lease_until=batch.clock + self.lease)
            )
            done += int((await batch.execute(statement)).rowcount)
        return done


@dataclass(frozen=True, slots=True)
class Postpone:
    """Unit: entries in our hands go back into the queue untried, due at `until`; gives their number."""

    node: str
    ids: tuple[str, ...]
    until: datetime

    async def apply(self, batch: Batch) -> int:
        """Give the leases back; the claim's mark of a possible crash is taken off."""
        done = 0
        fewer = case((queue.c.crashes > 0, queue.c.crashes - 1), else_=0)
        for start in range(0, len(self.ids), _CHUNK):
            statement = (
                update(queue)
                .where(queue.c.id.in_(self.ids[start : start + _CHUNK]))
                .where(queue.c.owner == self.node, queue.c.state == "leased")
                .values(state="waiting", owner=None, lease_until=None, next_at=self.until, crashes=fewer)
            )
            done += int((await batch.execute(statement)).rowcount)
        return done


@dataclass(frozen=True, slots=True)
class HoldBack:
    """Unit: nothing but `probe` is due at a target before `until`; gives the number of entries put off."""

    target: str
    until: datetime
    probe: str

    async def apply(self, batch: Batch) -> int:
        """Put off what waits."""
        statement = (
            update(queue)
            .where(queue.c.target == self.target, queue.c.state == "waiting")
            .where(queue.c.next_at < self.until, queue.c.id != self.probe)
            .values(next_at=self.until)
        )
        return int((await batch.execute(statement)).rowcount)


@dataclass(frozen=True, slots=True)
class Resume:
    """Unit: what was put off at most until `until` is due `now`; gives the number of entries."""

    target: str
    until: datetime
    now: datetime

    async def apply(self, batch: Batch) -> int:
        """Make it due."""
        statement = (
            update(queue)
            .where(queue.c.target == self.target, queue.c.state == "waiting")
            .where(queue.c.next_at <= self.until, queue.c.next_at > self.now)
            .values(next_at=self.now)
        )
        return int((await batch.execute(statement)).rowcount)
