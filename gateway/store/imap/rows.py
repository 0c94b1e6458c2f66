"""Rows of mail in watched mailboxes: where each lies, what it is on record as, and what is to be done to it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, or_, select

from gateway.model.mailbox import Act, Place
from gateway.store.batch import Batch
from gateway.store.tables import imap_mail

M = imap_mail.c


def same(place: Place) -> Any:
    """The condition for the row of a place."""
    return and_(
        M.account == place.account,
        M.folder == place.folder,
        M.uidvalidity == place.uidvalidity,
        M.uid == place.uid,
    )


def same_row(row: Any) -> Any:
    """The condition for this very row."""
    return same(Place(row.account, row.folder, row.uidvalidity, row.uid))


def at(row: Any, place: Place) -> bool:
    """Whether the row is that of this place."""
    return (row.account, row.folder, row.uidvalidity, row.uid) == (
        place.account,
        place.folder,
        place.uidvalidity,
        place.uid,
    )


def new_row(
    batch: Batch, place: Place, id: str | None, sha256: bytes | None, act: Act, state: str, note: str | None = None
) -> dict[str, Any]:
    """A row to insert; what is to be done is due at once."""
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


async def known(batch: Batch, place: Place, sha256: bytes | None, *, everywhere: bool = False) -> Any:
    """The row of this place, else of the same bytes in the account, else None."""
    await batch.flush()
    where = same(place)
    if sha256 is not None:
        bytes_too = and_(M.account == place.account, M.sha256 == sha256, M.message.is_not(None))
        if everywhere:
            bytes_too = and_(M.sha256 == sha256, M.message.is_not(None))
        where = or_(where, bytes_too)
    rows = (await batch.connection.execute(select(imap_mail).where(where).limit(20))).all()
    exact = [row for row in rows if at(row, place)]
    found = exact or list(rows)
    return found[0] if found else None
