"""What is written when mail is given up on: a report to its sender where one may go, and a notice to the owner."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from gateway.clients.transport import RecipientResult, Status
from gateway.model.acceptance import Draft, Leased
from gateway.model.fact import UNKNOWN, Fact
from gateway.model.settings import Settings
from gateway.replies import notices
from gateway.replies.reports import Failure, report
from gateway.store.engine import Store
from gateway.store.tables import message, queue

NOTICES_AN_HOUR = 20
HOUR = timedelta(hours=1)
_TOLD = ("deliver", "forward", "reply")  # about notices and reports nobody is told: that could go round for ever
_IN_THREAD = 256 * 1024


class Failures:
    """Writes reports and notices; of notices so many an hour, the rest as one number."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._sent: deque[datetime] = deque()
        self._untold = 0

    async def drafts(
        self, leased: Leased, failed: Sequence[RecipientResult], host: str, now: datetime, *, whole: bool
    ) -> tuple[Draft, ...]:
        """What is to be sent about these recipients; `whole`: the entry itself has failed. Raises `StoreError`."""
        if leased.kind not in _TOLD:
            return ()
        row = await self._row(leased.message)
        told = None
        if leased.kind == "deliver" and row is not None:
            told = await self._report(leased, failed, row, now)
        made = [told] if told else []
        if self._may_tell(now):
            made.append(
                notices.delivery_failed(
                    entry=leased.id if whole else "",
                    about=leased.about or leased.message,
                    subject=row.subject or "" if row is not None else "",
                    results=[(r.recipient, f"{r.code} {r.text}" if r.code else r.text) for r in failed],
                    host=host,
                    reported=told is not None,
                    settings=self._settings,
                    target=other_target(leased.target),
                    now=now,
                )
            )
        return tuple(made)

    def untold(self, now: datetime) -> Draft | None:
        """One notice for all failures that had none, as soon as there may be one again."""
        if not self._untold or not self._may_tell(now, count=False):
            return None
        count, self._untold = self._untold, 0
        return notices.more_failed(count, self._settings, target="", now=now)

    async def set_aside(self, entry: str, now: datetime) -> Draft:
        """The notice about an entry that was set aside."""
        statement = select(message.c.subject).join(queue, queue.c.message == message.c.id).where(queue.c.id == entry)
        async with self._store.read() as connection:
            row = (await connection.execute(statement)).first()
        return notices.set_aside(entry, (row.subject or "") if row else "", self._settings, now)

    def _may_tell(self, now: datetime, *, count: bool = True) -> bool:
        while self._sent and self._sent[0] < now - HOUR:
            self._sent.popleft()
        if len(self._sent) < NOTICES_AN_HOUR:
            self._sent.append(now)
            return True
        self._untold += count
        return False

    async def _row(self, identifier: str) -> Any:
        statement = select(message.c.subject, message.c.facts, message.c.received_at).where(message.c.id == identifier)
        async with self._store.read() as connection:
            return (await connection.execute(statement)).first()

    async def _report(self, leased: Leased, failed: Sequence[RecipientResult], row: Any, now: datetime) -> Draft | None:
        # SPF is left out on purpose: here an envelope sender other than From is never written to.
        facts = {name: _fact(row.facts[name]) for name in ("authenticated", "automatic") if name in row.facts}
        given_up = [Failure(r.recipient, r.code, r.text, expired=r.status is Status.DEFERRED) for r in failed]

        def write() -> Draft | None:
            return report(
                leased.raw,
                mail_from=leased.mail_from,
                failures=given_up,
                facts=facts,
                received_at=row.received_at,
                settings=self._settings,
                now=now,
            )

        return await asyncio.to_thread(write) if len(leased.raw) > _IN_THREAD else write()


def other_target(target: str) -> str:
    """The way by which the owner can hear of a destination that does not take mail."""
    return "mailbox" if target == "outgoing" else "outgoing"


def _fact(kept: dict[str, Any]) -> Fact:
    return Fact(UNKNOWN if kept.get("unknown") else kept.get("value"))
