"""Mail that the shop itself has sent, out of its folders of sent mail, joined to the exchange that it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, select

from gateway.model.acceptance import Draft
from gateway.model.mail_record import clean, message_columns, outgoing
from gateway.model.mailbox import Act, Place
from gateway.store import body as bodies
from gateway.store.batch import Batch
from gateway.store.imap.rows import known, new_row
from gateway.store.tables import body, imap_mail, message

JOIN_WITHIN = timedelta(days=90)  # a sent mail without References is joined to what its addressee wrote so lately


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
        if await known(batch, self._place, self._sha256, everywhere=True) is not None:
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
        batch.insert(imap_mail, new_row(batch, place, self._draft.id, self._sha256, Act(), "done"))
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
