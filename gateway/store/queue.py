"""The queue as a person sees it: what waits, and how to hurry or stop it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select, update

from gateway.errors import NotFound, Refused
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.tables import message, queue
from gateway.text import Text

OPEN = ("waiting", "leased", "sending", "aside")  # not over yet
SHOWN = (*OPEN, "failed", "uncertain")
_CHUNK = 200
_NO_ENTRY = Text("キューに {entry} はありません。", "There is no {entry} in the queue.")
_OVER = Text("{entry} はすでに終わっています（{state}）。", "{entry} is over already ({state}).")
_HELD = Text("{entry} はいま送信中です。", "{entry} is being sent at this moment.")
_ONCE = Text(
    "{entry} は届いたかどうか分からない返信です。二重に送らないため、再送できません。",
    "{entry} is a reply that may have arrived; it is not sent again, so that none goes twice.",
)
_LATER = Text("少し待ってからもう一度お試しください。", "Try again in a moment.")


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One entry of the queue with what tells a person which mail it is."""

    id: str
    message: str
    kind: str
    target: str
    mail_from: str
    recipients: tuple[str, ...]
    state: str
    created_at: datetime
    next_at: datetime
    attempts: int
    crashes: int
    owner: str | None
    last_error: str | None
    subject: str
    size: int


async def list_queue(
    store: Store,
    *,
    states: Sequence[str] = SHOWN,
    message_id: str = "",
    limit: int = 100,
    after: QueueRow | None = None,
) -> tuple[QueueRow, ...]:
    """Entries, oldest first, at most `limit`; the next page follows `after`. `message_id`: those of one exchange."""
    statement: Select[Any] = (
        select(queue, message.c.subject, message.c.size)
        .join(message, message.c.id == queue.c.message)
        .order_by(queue.c.created_at, queue.c.id)
        .limit(limit)
    )
    if message_id:
        about = select(message.c.id).where(or_(message.c.id == message_id, message.c.about == message_id))
        statement = statement.where(queue.c.message.in_(about))
    else:
        statement = statement.where(queue.c.state.in_(states))
    if after is not None:
        statement = statement.where(
            or_(
                queue.c.created_at > after.created_at,
                and_(queue.c.created_at == after.created_at, queue.c.id > after.id),
            )
        )
    async with store.read() as connection:
        return tuple(_row(row) for row in await connection.execute(statement))


@dataclass(frozen=True, slots=True)
class RetryNow:
    """Unit: try entries at once, whatever had stopped them; () for all that wait. Gives their number.

    Raises `NotFound`, and `Refused` for an entry that is over or is a reply that may have gone.
    """

    entries: tuple[str, ...] = ()
    operator: str = ""

    async def apply(self, batch: Batch) -> int:
        """Make the entries due now, with crashes forgotten."""
        if not self.entries:
            done = await batch.execute(
                update(queue).where(queue.c.state == "waiting").values(next_at=batch.clock, crashes=0)
            )
            batch.append("queue", {"action": "retry", "entry": None, "operator": self.operator})
            return int(done.rowcount)
        rows = [await _entry(batch, entry) for entry in self.entries]
        for row in rows:
            if row.state == "uncertain":
                raise Refused(_ONCE.with_(entry=row.id))
            if row.state in ("leased", "sending"):
                raise Refused(_HELD.with_(entry=row.id), _LATER)
            if row.state in ("done", "cancelled"):
                raise Refused(_OVER.with_(entry=row.id, state=row.state))
        for row in rows:
            await _set(batch, row.id, state="waiting", next_at=batch.clock, crashes=0)
            if row.state == "failed" and row.kind != "forward":
                # what it stands for is on its way again
                await batch.execute(
                    update(message)
                    .where(message.c.id == row.message, message.c.state == "failed")
                    .values(state="queued")
                )
            record = {"action": "retry", "entry": row.id, "message": row.message, "operator": self.operator}
            batch.append("queue", record, row.message)
        return len(rows)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Unit: give up on entries; the messages stay on record. Gives their number.

    Raises `NotFound`, and `Refused` for an entry that is over or is being sent.
    """

    entries: tuple[str, ...]
    operator: str = ""
    reason: str = ""

    async def apply(self, batch: Batch) -> int:
        """Cancel the entries."""
        rows = [await _entry(batch, entry) for entry in self.entries]
        for row in rows:
            if row.state in ("leased", "sending"):
                raise Refused(_HELD.with_(entry=row.id), _LATER)
            if row.state in ("done", "cancelled"):
                raise Refused(_OVER.with_(entry=row.id, state=row.state))
        for row in rows:
            await _set(batch, row.id, state="cancelled", owner=None, lease_until=None)
            if row.kind != "forward":
                await _message_failed(batch, row.message)
            record = {
                "action": "cancel",
                "entry": row.id,
                "message": row.message,
                "operator": self.operator,
                "reason": self.reason,
            }
            batch.append("queue", record, row.message)
        return len(rows)


async def _entry(batch: Batch, entry: str) -> Any:
    row = (await batch.execute(select(queue).where(queue.c.id == entry))).first()
    if row is None:
        raise NotFound(_NO_ENTRY.with_(entry=entry))
    return row


async def _set(batch: Batch, entry: str, **values: object) -> None:
    await batch.execute(update(queue).where(queue.c.id == entry).values(**values))


async def _message_failed(batch: Batch, about: str) -> None:
    """A message of which nothing is left to do, and of which not all was done, has failed."""
    statement = select(queue.c.state).where(queue.c.message == about, queue.c.kind != "forward")
    states = {row.state for row in (await batch.execute(statement)).all()}
    if not states & set(OPEN):
        await batch.execute(
            update(message)
            .where(message.c.id == about, message.c.state.in_(("queued", "released")))
            .values(state="failed")
        )


def _row(row: Any) -> QueueRow:
    return QueueRow(
        row.id,
        row.message,
        row.kind,
        row.target,
        row.mail_from,
        tuple(row.recipients),
        row.state,
        row.created_at,
        row.next_at,
        row.attempts,
        row.crashes,
        row.owner,
        row.last_error,
        row.subject or "",
        row.size,
    )
