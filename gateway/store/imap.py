"""What is on record about mail in watched mailboxes: each is screened once, and what is to be done there is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, or_, select, update

from gateway.model.acceptance import Draft
from gateway.model.exchange import Exchange
from gateway.model.mail_record import clean, message_columns, outgoing
from gateway.model.mailbox import Act, Place
from gateway.store import body as bodies
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.tables import body, imap_account, imap_folder, imap_mail, message

DAY = timedelta(days=1)
JOIN_WITHIN = timedelta(days=90)  # a sent mail without References is joined to what its addressee wrote so lately
UNDER_WAY = timedelta(minutes=10)  # longer than any act takes: each of its steps has a deadline
_CHUNK = 200
_M = imap_mail.c


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
        found = await _known(batch, self.place, exchange.sha256)
        if found is not None:
            raise OnRecord(found.message or "", _at(found, self.place))
        state = "done" if self.act.idle else "pending"
        batch.insert(imap_mail, _row(batch, self.place, exchange.id, exchange.sha256, self.act, state))


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
        statement = select(imap_mail).where(_M.account == self.place.account, _M.sha256 == self.sha256)
        rows = (await batch.execute(statement.order_by(_M.at.desc()).limit(50))).all()
        if any(_at(row, self.place) for row in rows):
            return "known"
        here = [row for row in rows if row.folder == self.place.folder]
        renumbered = [row for row in here if row.uidvalidity != self.place.uidvalidity]
        act, what = Act(), "known"
        if renumbered and len(renumbered) == len(here):
            old = renumbered[0]
            if old.state == "pending" or (old.state == "done" and old.action == "move" and await self._held(batch)):
                act = Act(old.action, old.target, old.keyword)
                what = "carried" if old.state == "pending" else "again"
            await batch.execute(update(imap_mail).where(_is(old), _M.state == "pending").values(state="carried"))
        elif any(row.state == "done" and row.action == "move" for row in here) and await self._held(batch):
            what = "returned"
            await batch.execute(update(message).where(message.c.id == self.message).values(state="released"))
            record = {"action": "release", "message": self.message, "sha256": self.sha256.hex(), "operator": ""}
            batch.append("quarantine", {**record, "reason": "moved back in the mailbox"}, self.message)
        state = "done" if act.idle else "pending"
        batch.insert(imap_mail, _row(batch, self.place, self.message, self.sha256, act, state, note=what))
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
            if await _known(batch, place, None) is None:
                batch.insert(imap_mail, _row(batch, place, None, None, Act(), "done", note=self.why))


class LogSent:
    """Unit: a mail out of a folder of sent mail, logged as `out`; gives its id, "" where it is on record already."""

    def __init__(self, place: Place, draft: Draft, at: datetime, *, sender: str, references: Sequence[str]) -> None:
        self._place = place
        self._draft = draft
        self._at = at
        self._sender = sender
        self._references = tuple(clean(r) for r in references)[:50]
        self._sha256 = b""
        self._packed = b""
        self.weight = len(draft.raw)

    async def prepare(self) -> None:
        """Compress and hash, before the transaction."""
        self._sha256 = hashlib.sha256(self._draft.raw).digest()
        self._packed = await bodies.pack(self._draft.raw)

    async def apply(self, batch: Batch) -> str:
        """Write it, joined to the exchange that it answers."""
        if await _known(batch, self._place, self._sha256, everywhere=True) is not None:
            return ""
        about = await self._about(batch)
        place = self._place
        record = outgoing(self._draft, self._sha256, self._at, about)
        record["source"] = "imap"
        record["mailbox"] = {
            "account": clean(place.account),
            "folder": clean(place.folder),
            "uidvalidity": place.uidvalidity,
            "uid": place.uid,
        }
        seq = batch.append("mail.out", record, self._draft.id)
        batch.insert(message, {**message_columns(record), "seq": seq, "state": "sent"})
        batch.insert(body, {"message": self._draft.id, "zstd": self._packed})
        batch.insert(imap_mail, _row(batch, place, self._draft.id, self._sha256, Act(), "done"))
        return self._draft.id

    async def _about(self, batch: Batch) -> str:
        """The exchange that is answered: by its Message-ID, else the latest mail of an addressee."""
        came = and_(message.c.direction == "in", message.c.kind == "mail")
        newest = select(message.c.id).where(came).order_by(message.c.received_at.desc()).limit(1)
        if self._references:
            # the last one named is what is answered; the ones before it are the thread
            rows = (
                await batch.execute(
                    select(message.c.id, message.c.message_id).where(came, message.c.message_id.in_(self._references))
                )
            ).all()
            order = {name: place for place, name in enumerate(self._references)}
            if rows:
                return str(max(rows, key=lambda row: order.get(row.message_id, -1)).id)
        people = [clean(r) for r in self._draft.recipients[:20]]
        if people:
            lately = and_(message.c.received_at > self._at - JOIN_WITHIN, message.c.received_at <= self._at)
            found = (await batch.execute(newest.where(message.c.sender.in_(people), lately))).scalar()
            return str(found or "")
        return ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Unit: this node watches the account for `span`; False where another one does. `force` where there is no other."""

    account: str
    node: str
    span: timedelta
    force: bool = False

    async def apply(self, batch: Batch) -> bool:
        """Take or renew it."""
        row = (await batch.execute(select(imap_account).where(imap_account.c.name == self.account))).first()
        until = batch.clock + self.span
        if row is None:
            batch.insert(imap_account, {"name": self.account, "owner": self.node, "lease_until": until, "state": {}})
            return True
        mine = row.owner in (None, self.node) or row.lease_until is None or row.lease_until < batch.clock
        if not (mine or self.force):
            return False
        mine_now = {"owner": self.node, "lease_until": until}
        await batch.execute(update(imap_account).where(imap_account.c.name == self.account).values(**mine_now))
        return True


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Unit: this node no longer watches the account."""

    account: str
    node: str

    async def apply(self, batch: Batch) -> None:
        """Give the lease back."""
        mine = and_(imap_account.c.name == self.account, imap_account.c.owner == self.node)
        await batch.execute(update(imap_account).where(mine).values(owner=None, lease_until=None))


@dataclass(frozen=True, slots=True)
class AccountState:
    """Unit: what `status` says of an account."""

    account: str
    state: Mapping[str, Any]

    async def apply(self, batch: Batch) -> None:
        """Replace what was said before."""
        same = imap_account.c.name == self.account
        await batch.execute(update(imap_account).where(same).values(state=dict(self.state)))


@dataclass(frozen=True, slots=True)
class FolderState:
    """How far a folder was read."""

    account: str
    folder: str
    uidvalidity: int
    next_uid: int
    first_uid: int
    since: datetime | None
    renumbered: bool
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Begin:
    """Unit: a folder is read from here on, at first contact and after the server numbered it anew."""

    state: FolderState

    async def apply(self, batch: Batch) -> None:
        """Replace what was known of it."""
        s = self.state
        where = and_(imap_folder.c.account == s.account, imap_folder.c.folder == s.folder)
        await batch.execute(delete(imap_folder).where(where))
        batch.insert(imap_folder, {name: getattr(s, name) for name in FolderState.__slots__})


@dataclass(frozen=True, slots=True)
class Progress:
    """Unit: everything below `next_uid` is settled; `seen` where the folder was read to the end."""

    account: str
    folder: str
    uidvalidity: int
    next_uid: int
    seen: bool = False

    async def apply(self, batch: Batch) -> None:
        """Never backwards, and never for another numbering."""
        c = imap_folder.c
        where = and_(c.account == self.account, c.folder == self.folder, c.uidvalidity == self.uidvalidity)
        await batch.execute(update(imap_folder).where(where, c.next_uid < self.next_uid).values(next_uid=self.next_uid))
        if self.seen:
            await batch.execute(update(imap_folder).where(where).values(seen_at=batch.clock))


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
            row = (await batch.execute(select(imap_mail).where(_same(result.place)))).first()
            if row is None or row.state != "pending":
                continue
            values: dict[str, Any] = {"state": result.state}
            if result.new_uid:
                values["new_uid"] = result.new_uid
            if result.note:
                values["note"] = clean(result.note)
            if result.next_at is not None:
                values["next_at"] = result.next_at
            await batch.execute(update(imap_mail).where(_same(result.place)).values(**values))
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
        taken = {"attempts": _M.attempts + 1, "next_at": batch.clock + UNDER_WAY}
        for place in self.places:
            due = and_(_same(place), _M.state == "pending", _M.action != "none", _M.next_at <= batch.clock)
            if (await batch.execute(update(imap_mail).where(due).values(**taken))).rowcount:
                ours.append(place)
        return frozenset(ours)


@dataclass(frozen=True, slots=True)
class DueAgain:
    """Unit: a new session begins: what an earlier one has tried on the account, and not settled, is due at once."""

    account: str

    async def apply(self, batch: Batch) -> None:
        """Set the time."""
        tried = and_(_M.account == self.account, _M.state == "pending", _M.attempts > 0)
        await batch.execute(update(imap_mail).where(tried).values(next_at=batch.clock))


async def account_states(store: Store) -> Mapping[str, Mapping[str, Any]]:
    """What each watcher last said of its account; nobody is connected whose lease has run out."""
    async with store.read() as connection:
        rows = (await connection.execute(select(imap_account))).all()
    now = datetime.now(UTC)
    lives = {row.name: row.owner is not None and row.lease_until is not None and row.lease_until > now for row in rows}
    return {row.name: {**row.state, "connected": bool(row.state.get("connected")) and lives[row.name]} for row in rows}


async def folder_state(store: Store, account: str, folder: str) -> FolderState | None:
    """How far a folder was read, None before the first contact."""
    c = imap_folder.c
    async with store.read() as connection:
        row = (await connection.execute(select(imap_folder).where(c.account == account, c.folder == folder))).first()
    return FolderState(**row._mapping) if row is not None else None


async def known_uids(store: Store, account: str, folder: str, uidvalidity: int, uids: Sequence[int]) -> set[int]:
    """Which of these mails are settled."""
    found: set[int] = set()
    where = and_(_M.account == account, _M.folder == folder, _M.uidvalidity == uidvalidity)
    async with store.read() as connection:
        for start in range(0, len(uids), _CHUNK):
            some = select(_M.uid).where(where, _M.uid.in_(uids[start : start + _CHUNK]))
            found.update(row.uid for row in (await connection.execute(some)).all())
    return found


async def oldest_pending(store: Store, account: str, folder: str) -> datetime | None:
    """Since when something is still to be done in a folder."""
    where = and_(_M.account == account, _M.folder == folder, _M.state == "pending")
    async with store.read() as connection:
        return (await connection.execute(select(_M.at).where(where).order_by(_M.at).limit(1))).scalar()


async def pending(store: Store, account: str, now: datetime, limit: int = _CHUNK) -> Sequence[Any]:
    """Rows of acts that are due, oldest first."""
    where = and_(_M.account == account, _M.state == "pending", _M.next_at <= now)
    async with store.read() as connection:
        return (await connection.execute(select(imap_mail).where(where).order_by(_M.at, _M.uid).limit(limit))).all()


async def known_bytes(store: Store, account: str, digests: Sequence[bytes]) -> dict[bytes, str]:
    """Exchanges that are on record in the account, by the SHA-256 of their bytes."""
    found: dict[bytes, str] = {}
    where = and_(_M.account == account, _M.message.is_not(None))
    async with store.read() as connection:
        for start in range(0, len(digests), _CHUNK):
            some = select(_M.sha256, _M.message).where(where, _M.sha256.in_(digests[start : start + _CHUNK]))
            found.update({row.sha256: row.message for row in (await connection.execute(some)).all()})
    return found


async def size_and_digest(store: Store, id: str) -> tuple[int, bytes] | None:
    """Size and SHA-256 of a message on record."""
    async with store.read() as connection:
        row = (await connection.execute(select(message.c.size, message.c.sha256).where(message.c.id == id))).first()
    return (row.size, row.sha256) if row is not None else None


async def recorded(store: Store, identifiers: Sequence[str], message_id: str) -> Sequence[Any]:
    """Messages on record that a mail claims to be a copy of: by our own ids, or a Message-ID that we gave."""
    c = message.c
    named = and_(c.message_id == message_id, c.direction == "out") if message_id else None
    where = or_(c.id.in_(identifiers), named) if named is not None else c.id.in_(identifiers)
    async with store.read() as connection:
        return (await connection.execute(select(c.id, c.sha256, c.size).where(where).limit(10))).all()


async def place_of(batch: Batch, id: str) -> Any:
    """The newest row of a message in a watched mailbox, one that was moved before others; None where there is none."""
    statement = select(imap_mail).where(_M.message == id, _M.state.in_(("done", "pending")))
    rows = (await batch.execute(statement.order_by(_M.at.desc()).limit(20))).all()
    return next((row for row in rows if row.action == "move"), rows[0] if rows else None)


async def give_back(batch: Batch, row: Any, seq: int) -> None:
    """A held mail is released: it is moved back to where it came from, or not moved at all where that was not begun.

    Where it lies by then is found out by its bytes: the place has UIDVALIDITY 0 and the number of a log record.
    """
    if row.state == "pending":
        state = "pending" if row.keyword else "done"
        await batch.execute(update(imap_mail).where(_is(row)).values(action="none", state=state))
        if not row.attempts:
            return  # else it may be under way at this moment, or done without our knowing
    elif row.action != "move":
        return  # it was left where it is
    place = Place(row.account, row.target, 0, seq)
    batch.insert(imap_mail, _row(batch, place, row.message, row.sha256, Act("move", row.folder), "pending"))


async def _known(batch: Batch, place: Place, sha256: bytes | None, *, everywhere: bool = False) -> Any:
    """The row of this place, else of the same bytes in the account, else None."""
    await batch.flush()
    same = _same(place)
    if sha256 is not None:
        bytes_too = and_(_M.account == place.account, _M.sha256 == sha256, _M.message.is_not(None))
        if everywhere:
            bytes_too = and_(_M.sha256 == sha256, _M.message.is_not(None))
        same = or_(same, bytes_too)
    rows = (await batch.connection.execute(select(imap_mail).where(same).limit(20))).all()
    exact = [row for row in rows if _at(row, place)]
    found = exact or list(rows)
    return found[0] if found else None


def _same(place: Place) -> Any:
    return and_(
        _M.account == place.account,
        _M.folder == place.folder,
        _M.uidvalidity == place.uidvalidity,
        _M.uid == place.uid,
    )


def _is(row: Any) -> Any:
    return _same(Place(row.account, row.folder, row.uidvalidity, row.uid))


def _at(row: Any, place: Place) -> bool:
    return (row.account, row.folder, row.uidvalidity, row.uid) == (
        place.account,
        place.folder,
        place.uidvalidity,
        place.uid,
    )


def _row(
    batch: Batch, place: Place, id: str | None, sha256: bytes | None, act: Act, state: str, note: str | None = None
) -> dict[str, Any]:
    return {
        "account": place.account,
        "folder": place.folder,
        "uidvalidity": place.uidvalidity,
        "uid": place.uid,
        "message": id,
        "sha256": sha256,
        "action": act.what,
        "target": act.target,
        "keyword": act.keyword,
        "state": state,
        "at": batch.clock,
        "next_at": batch.clock,
        "note": note,
    }


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
