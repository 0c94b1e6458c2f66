"""How far each watched folder was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, select, update

from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.tables import imap_folder


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


async def folder_state(store: Store, account: str, folder: str) -> FolderState | None:
    """How far a folder was read, None before the first contact."""
    c = imap_folder.c
    async with store.read() as connection:
        row = (await connection.execute(select(imap_folder).where(c.account == account, c.folder == folder))).first()
    return FolderState(**row._mapping) if row is not None else None
