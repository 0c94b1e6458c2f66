"""Retention: mail that is older than `storage.keep` is deleted, unless a case holds it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from gateway.model.record import time_text
from gateway.store.batch import Batch
from gateway.store.deletion import RETENTION, Delete, Deleted, overwrite
from gateway.store.engine import Store
from gateway.store.tables import call, message, reply, sender_origin

CHUNK = 100  # messages in one transaction, so that mail never waits long
REASON = "storage.keep"


async def retain(store: Store, keep: timedelta, now: datetime) -> Deleted:
    """Delete mail and calls of more than `keep` ago; gives what went and how much a case holds. Raises `StoreError`."""
    before, total = now - keep, Deleted()
    said = {"keep": int(keep.total_seconds()), "before": time_text(before)}
    for table, at, place in (
        (message, message.c.received_at, message.c.seq),
        (call, call.c.at, call.c.seq),
    ):
        seq = -1
        while True:
            page = select(table.c.id, place.label("seq")).where(at < before, place > seq).order_by(place).limit(CHUNK)
            async with store.read() as connection:
                rows = (await connection.execute(page)).all()
            if not rows:
                break
            ids, seq = tuple(row.id for row in rows), rows[-1].seq
            total += await store.committer.submit(Delete(ids, RETENTION, REASON, said=said))
            await asyncio.sleep(0)
    await store.committer.submit(_Forget(before))
    return total


@dataclass(frozen=True, slots=True)
class _Forget:
    """Unit: what was only kept to judge newer mail by."""

    before: datetime

    async def apply(self, batch: Batch) -> None:
        """Drop senders' origins and the count of replies from before."""
        await overwrite(batch)
        await batch.execute(delete(sender_origin).where(sender_origin.c.last_at < self.before))
        await batch.execute(delete(reply).where(reply.c.at < self.before))
