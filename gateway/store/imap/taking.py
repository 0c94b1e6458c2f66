"""Each mail in a watched mailbox is put on record once: its place is taken in the transaction that remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, or_, select, update

from gateway.model.exchange import Exchange
from gateway.model.mailbox import Act, Place
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.imap.rows import M, at, known, new_row, same_row
from gateway.store.tables import imap_mail, message

_CHUNK = 200


class OnRecord(Exception):
    """The mail is on record already; `message` is its exchange, `same_place` whether it was met at this very place."""

    def __init__(self, message: str, same_place: bool) -> None:
        super().__init__(message)
        self.message = message
        self.same_place = same_place


@dataclass(frozen=True, slots=True)
class Claim:
    """Done within the transaction that remembers a mail: takes its place, or raises `OnRecord` where it is known."""

    place: Place
    act: Act

    async def __call__(self, batch: Batch, exchange: Exchange) -> None:
        """Look, and write the row."""
        found = await known(batch, self.place, exchange.sha256)
        if found is not None:
            raise OnRecord(found.message or "", at(found, self.place))
        state = "done" if self.act.idle else "pending"
        batch.insert(imap_mail, new_row(batch, self.place, exchange.id, exchange.sha256, self.act, state))


@dataclass(frozen=True, slots=True)
class Adopt:
    """Unit: a mail that is on record turned up at another place; gives what was concluded.

    `carried`: the server numbered the folder anew, and what was to be done is done there. `again`: a backup brought
    back what had been moved away. `returned`: a person took a held mail back into the inbox, which releases it.
    """

    place: Place
    sha256: bytes
    message: str

    async def apply(self, batch: Batch) -> str:
        """Write the row."""
        statement = select(imap_mail).where(M.account == self.place.account, M.sha256 == self.sha256)
        rows = (await batch.execute(statement.order_by(M.at.desc()).limit(50))).all()
        if any(at(row, self.place) for row in rows):
            return "known"
        here = [row for row in rows if row.folder == self.place.folder]
        renumbered = [row for row in here if row.uidvalidity != self.place.uidvalidity]
        act, what = Act(), "known"
        if renumbered and len(renumbered) == len(here):
            old = renumbered[0]
            if old.state == "pending" or (old.state == "done" and old.action == "move" and await self._held(batch)):
                act = Act(old.action, old.target, old.keyword)
                what = "carried" if old.state == "pending" else "again"
            await batch.execute(update(imap_mail).where(same_row(old), M.state == "pending").values(state="carried"))
        elif any(row.state == "done" and row.action == "move" for row in here) and await self._held(batch):
            what = "returned"
            await batch.execute(update(message).where(message.c.id == self.message).values(state="released"))
            record = {"action": "release", "message": self.message, "sha256": self.sha256.hex(), "operator": ""}
            batch.append("quarantine", {**record, "reason": "moved back in the mailbox"}, self.message)
        state = "done" if act.idle else "pending"
        batch.insert(imap_mail, new_row(batch, self.place, self.message, self.sha256, act, state, note=what))
        return what

    async def _held(self, batch: Batch) -> bool:
        statement = select(message.c.state).where(message.c.id == self.message)
        return (await batch.execute(statement)).scalar() in ("held", "rejected")


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Unit: mails that are not screened: drafts, and what the server will not hand out."""

    places: tuple[Place, ...]
    why: str

    async def apply(self, batch: Batch) -> None:
        """Write the rows."""
        for place in self.places:
            if await known(batch, place, None) is None:
                batch.insert(imap_mail, new_row(batch, place, None, None, Act(), "done", note=self.why))


async def known_uids(store: Store, account: str, folder: str, uidvalidity: int, uids: Sequence[int]) -> set[int]:
    """Which of these mails are settled."""
    found: set[int] = set()
    where = and_(M.account == account, M.folder == folder, M.uidvalidity == uidvalidity)
    async with store.read() as connection:
        for start in range(0, len(uids), _CHUNK):
            some = select(M.uid).where(where, M.uid.in_(uids[start : start + _CHUNK]))
            found.update(row.uid for row in (await connection.execute(some)).all())
    return found


async def known_bytes(store: Store, account: str, digests: Sequence[bytes]) -> dict[bytes, str]:
    """Exchanges that are on record in the account, by the SHA-256 of their bytes."""
    found: dict[bytes, str] = {}
    where = and_(M.account == account, M.message.is_not(None))
    async with store.read() as connection:
        for start in range(0, len(digests), _CHUNK):
            some = select(M.sha256, M.message).where(where, M.sha256.in_(digests[start : start + _CHUNK]))
            found.update({row.sha256: row.message for row in (await connection.execute(some)).all()})
    return found


async def recorded(store: Store, identifiers: Sequence[str], message_id: str) -> Sequence[Any]:
    """Messages on record that a mail claims to be a copy of: by our own ids, or a Message-ID that we gave."""
    c = message.c
    named = and_(c.message_id == message_id, c.direction == "out") if message_id else None
    where = or_(c.id.in_(identifiers), named) if named is not None else c.id.in_(identifiers)
    async with store.read() as connection:
        return (await connection.execute(select(c.id, c.sha256, c.size).where(where).limit(10))).all()
