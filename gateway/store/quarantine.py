"""Mail that is held until a person decides: released as it came, or refused; never screened again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from gateway.errors import NotFound, Refused
from gateway.model.exchange import new_id
from gateway.model.mail_record import clean
from gateway.store import imap
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.search import Hit, Query, search
from gateway.store.tables import body, message, queue
from gateway.text import Text

_NO_MESSAGE = Text("{id} というメールの記録はありません。", "There is no message {id} on record.")
_NOT_HELD = Text("{id} は保留されていません（{state}）。", "{id} is not held ({state}).")
_GONE = Text("{id} の原文は保存期間を過ぎて削除されました。", "The original of {id} was deleted after its time.")


async def list_held(store: Store, *, limit: int = 50, before: int | None = None) -> tuple[Hit, ...]:
    """Held mail, newest first; the next page is `before` the `seq` of the last one. Raises `StoreError`."""
    return await search(store, Query(state="held", direction="in"), limit=limit, before=before)


async def count_held(store: Store) -> int:
    """How many messages are held. Raises `StoreError`."""
    statement = select(func.count()).select_from(message).where(message.c.state == "held")
    async with store.read() as connection:
        return int((await connection.execute(statement)).scalar_one())


@dataclass(frozen=True, slots=True)
class Release:
    """Unit: deliver a held message to its original recipients, as it came. Gives the id of the queue entry.

    A message in a watched mailbox is moved back to the inbox instead; then there is no entry, and "" is given.

    Raises `NotFound`, and `Refused` where it is not held or its bytes are gone.
    """

    id: str
    operator: str = ""
    reason: str = ""

    async def apply(self, batch: Batch) -> str:
        """Put it into the queue, due at once."""
        row = await _held(batch, self.id)
        if (await batch.execute(select(body.c.message).where(body.c.message == row.id))).first() is None:
            raise Refused(_GONE.with_(id=row.id))
        await _decide(batch, row, "released")
        mailbox = await imap.place_of(batch, row.id)
        if mailbox is not None:  # it lies in a watched mailbox: there it goes back to the inbox
            seq = _append(batch, "release", row, self.operator, self.reason)
            await imap.give_back(batch, mailbox, seq)
            return ""
        entry = new_id()
        batch.insert(
            queue,
            {
                "id": entry,
                "message": row.id,
                "kind": "deliver",
                "target": "mailbox",
                "mail_from": row.mail_from,
                "recipients": row.recipients,
                "state": "waiting",
                "created_at": batch.clock,
                "next_at": batch.clock,
            },
        )
        _append(batch, "release", row, self.operator, self.reason, entry=entry)
        return entry


@dataclass(frozen=True, slots=True)
class Refuse:
    """Unit: never deliver a held message; it stays on record. Raises `NotFound`, and `Refused` where it is not held."""

    id: str
    operator: str = ""
    reason: str = ""

    async def apply(self, batch: Batch) -> None:
        """Close the case of this message."""
        row = await _held(batch, self.id)
        await _decide(batch, row, "refused")
        _append(batch, "refuse", row, self.operator, self.reason)


async def _held(batch: Batch, id: str) -> Any:
    columns = (message.c.id, message.c.state, message.c.mail_from, message.c.recipients, message.c.sha256)
    row = (await batch.execute(select(*columns).where(message.c.id == id))).first()
    if row is None:
        raise NotFound(_NO_MESSAGE.with_(id=id))
    if row.state != "held":
        raise Refused(_NOT_HELD.with_(id=id, state=row.state))
    return row


async def _decide(batch: Batch, row: Any, state: str) -> None:
    await batch.execute(update(message).where(message.c.id == row.id).values(state=state))


def _append(batch: Batch, action: str, row: Any, operator: str, reason: str, **more: str) -> int:
    record = {
        "action": action,
        "message": row.id,
        "sha256": row.sha256.hex(),
        "operator": clean(operator),
        "reason": clean(reason),
        **more,
    }
    return batch.append("quarantine", record, row.id)
