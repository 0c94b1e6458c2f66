"""What is still to be done to mail in a watched mailbox, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, select, update

from gateway.model.mail_record import clean
from gateway.model.mailbox import Act, Place
from gateway.store.batch import Batch
from gateway.store.body import unpack
from gateway.store.engine import Store
from gateway.store.imap.rows import M, new_row, same, same_row
from gateway.store.tables import body, imap_mail, message

UNDER_WAY = timedelta(minutes=10)  # longer than any act takes: each of its steps has a deadline
_CHUNK = 200


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an act: `state` done, gone, failed or pending (again at `next_at`)."""

    place: Place
    state: str
    new_uid: int = 0
    note: str = ""
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Acted:
    """Unit: record what became of acts in the mailbox; deliveries by a move are evidence, too."""

    results: tuple[Done, ...]

    async def apply(self, batch: Batch) -> None:
        """Update the rows."""
        for result in self.results:
            row = (await batch.execute(select(imap_mail).where(same(result.place)))).first()
            if row is None or row.state != "pending":
                continue
            values: dict[str, Any] = {"state": result.state}
            if result.new_uid:
                values["new_uid"] = result.new_uid
            if result.note:
                values["note"] = clean(result.note)
            if result.next_at is not None:
                values["next_at"] = result.next_at
            await batch.execute(update(imap_mail).where(same(result.place)).values(**values))
            if result.state != "pending" and row.message and row.action != "none":
                batch.append("delivery", _record(row, result), row.message)


@dataclass(frozen=True, slots=True)
class Attempting:
    """Unit: these acts are about to be tried; gives those that are nobody else's at this moment and still to be done.

    Two that move one mail at the same time would both succeed and leave two of it. The attempt is counted, so that a
    retry looks first what was done.
    """

    places: tuple[Place, ...]

    async def apply(self, batch: Batch) -> frozenset[Place]:
        """Take them out of what is due, until their outcome is known or `DueAgain` gives them back."""
        ours = []
        taken = {"attempts": M.attempts + 1, "next_at": batch.clock + UNDER_WAY}
        for place in self.places:
            due = and_(same(place), M.state == "pending", M.action != "none", M.next_at <= batch.clock)
            if (await batch.execute(update(imap_mail).where(due).values(**taken))).rowcount:
                ours.append(place)
        return frozenset(ours)


@dataclass(frozen=True, slots=True)
class DueAgain:
    """Unit: a new session begins: what an earlier one has tried on the account, and not settled, is due at once."""

    account: str

    async def apply(self, batch: Batch) -> None:
        """Set the time."""
        tried = and_(M.account == self.account, M.state == "pending", M.attempts > 0)
        await batch.execute(update(imap_mail).where(tried).values(next_at=batch.clock))


async def pending(store: Store, account: str, now: datetime, limit: int = _CHUNK) -> Sequence[Any]:
    """Rows of acts that are due, oldest first."""
    where = and_(M.account == account, M.state == "pending", M.next_at <= now)
    async with store.read() as connection:
        return (await connection.execute(select(imap_mail).where(where).order_by(M.at, M.uid).limit(limit))).all()


async def oldest_pending(store: Store, account: str, folder: str) -> datetime | None:
    """Since when something is still to be done in a folder."""
    where = and_(M.account == account, M.folder == folder, M.state == "pending")
    async with store.read() as connection:
        return (await connection.execute(select(M.at).where(where).order_by(M.at).limit(1))).scalar()


async def size_and_digest(store: Store, id: str) -> tuple[int, bytes] | None:
    """Size and SHA-256 of a message on record."""
    async with store.read() as connection:
        row = (await connection.execute(select(message.c.size, message.c.sha256).where(message.c.id == id))).first()
    return (row.size, row.sha256) if row is not None else None


async def original(store: Store, id: str) -> bytes | None:
    """The bytes of a message on record, None where they were deleted after their time."""
    columns = select(message.c.size, body.c.zstd).join(body, body.c.message == message.c.id)
    async with store.read() as connection:
        row = (await connection.execute(columns.where(message.c.id == id))).first()
    return await asyncio.to_thread(unpack, row.zstd, row.size) if row is not None else None


async def place_of(batch: Batch, id: str) -> Any:
    """The newest row of a message in a watched mailbox, one that was moved before others; None where there is none."""
    statement = select(imap_mail).where(M.message == id, M.state.in_(("done", "pending")))
    rows = (await batch.execute(statement.order_by(M.at.desc()).limit(20))).all()
    return next((row for row in rows if row.action == "move"), rows[0] if rows else None)


async def give_back(batch: Batch, row: Any, seq: int) -> None:
    """A held mail is released: it is moved back to where it came from, or not moved at all where that was not begun.

    Where it lies by then is found out by its bytes: the place has UIDVALIDITY 0 and the number of a log record.
    """
    if row.state == "pending":
        state = "pending" if row.keyword else "done"
        await batch.execute(update(imap_mail).where(same_row(row)).values(action="none", state=state))
        if not row.attempts:
            return  # else it may be under way at this moment, or done without our knowing
    elif row.action != "move":
        return  # it was left where it is
    place = Place(row.account, row.target, 0, seq)
    batch.insert(imap_mail, new_row(batch, place, row.message, row.sha256, Act("move", row.folder), "pending"))


def _record(row: Any, result: Done) -> dict[str, Any]:
    """The record `delivery` of an act: where the mail lay, and where it lies now."""
    return {
        "entry": "",
        "message": row.message,
        "kind": "mailbox",
        "action": row.action,
        "account": clean(row.account),
        "folder": clean(row.folder),
        "uidvalidity": row.uidvalidity,
        "uid": row.uid,
        "target": clean(row.target),
        "new_uid": result.new_uid,
        "state": result.state,
        "text": clean(result.note),
    }
