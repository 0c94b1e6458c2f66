"""Puts a found mail on record: one that came in is screened, one that the shop sent is logged."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

from gateway.errors import MimeLimit
from gateway.intake.imap import texts
from gateway.intake.imap.acts import act_for
from gateway.intake.imap.envelope import Arrived, arrived, claimed_ids, only_trace, transit_date
from gateway.intake.imap.reader import FolderReader, Found
from gateway.intake.receive import Lying, Receiver
from gateway.mime.message import Message
from gateway.model.acceptance import Draft
from gateway.model.address import fold_address
from gateway.model.mailbox import Act
from gateway.model.settings import Imap, Settings
from gateway.model.verdict import Action
from gateway.replies.compose import loop_mark, message_ids
from gateway.store import imap as records
from gateway.store.engine import Store
from gateway.text import Text

MOST_RECIPIENTS = 100


class Taking:
    """Takes the mails of one account."""

    def __init__(self, account: Imap, settings: Settings, store: Store, receiver: Receiver) -> None:
        self._account = account
        self._settings = settings
        self._store = store
        self._receiver = receiver
        self.inbox: FolderReader | None = None
        self.taken = 0

    async def incoming(self, found: Found) -> None:
        """Screen a mail and remember it, or note that it is on record. Raises `StoreError`."""
        mail = arrived(found.raw, found.place, self._account, self._settings.shop, found.overview.date)
        own = await self._own_copy(found, mail)
        if own and self.inbox is not None:
            return await self.inbox.adopt(found, own)
        old = found.before and not found.state.renumbered

        def claim(action: Action) -> records.Claim:
            return records.Claim(found.place, Act() if old else act_for(action.then, self._account))

        place = found.place
        lying = Lying(
            claim=claim,
            evidence={
                "mailbox": {
                    "account": place.account,
                    "folder": place.folder,
                    "uidvalidity": place.uidvalidity,
                    "uid": place.uid,
                    "flags": sorted(found.overview.flags)[:50],
                }
            },
            unanswered=self._unanswered(found, mail.message),
            old=old,
            hand_on=self._account.actions.deliver == "mailbox",
        )
        try:
            await self._receiver.take(mail.exchange, lying)
            self.taken += 1
        except records.OnRecord as known:
            if not known.same_place and self.inbox is not None:
                await self.inbox.adopt(found, known.message)
        return None

    async def sent(self, found: Found) -> None:
        """Log a mail that the shop sent. Raises `StoreError`."""
        message = Message(found.raw)
        own = await self._copy_of(found, message, _message_id(message))
        if own:
            await self._store.committer.submit(records.Adopt(found.place, found.digest, own))
            return
        try:
            boxes = [box.address for name in ("to", "cc", "bcc") for box in message.addresses(name)]
            senders = message.addresses("from")
            answered = message_ids(" ".join([*message.headers.all("references"), *message.headers.all("in-reply-to")]))
            subject = message.subject
        except MimeLimit:
            boxes, senders, answered, subject = [], (), (), ""
        recipients = tuple(dict.fromkeys(fold_address(address) for address in boxes))[:MOST_RECIPIENTS]
        sender = senders[0].address if senders else ""
        draft = Draft("mail", found.raw, sender, recipients, subject[:1000], target="")
        now = datetime.now(UTC)
        at = min(found.overview.date or now, now)
        unit = records.LogSent(found.place, draft, at, sender=sender, references=answered[-50:])
        await self._store.committer.submit(unit)

    def _unanswered(self, found: Found, message: Message) -> Text | None:
        """Why this mail gets no reply whatever the rules order; None where it may."""
        if found.before:
            return texts.RENUMBERED if found.state.renumbered else texts.OLD
        limit = timedelta(seconds=self._account.reply_within)
        came = [moment for moment in (found.overview.date, transit_date(message)) if moment is not None]
        if came and datetime.now(UTC) - min(came) > limit:
            return texts.LATE.with_(hours=self._account.reply_within // 3600)
        return None

    async def _own_copy(self, found: Found, mail: Arrived) -> str:
        """The message on record that this is a copy of: passed on by us, or written by us; "" where it is none."""
        return await self._copy_of(found, mail.message, _message_id(mail.message) if mail.headed else "")

    async def _copy_of(self, found: Found, message: Message, message_id: str) -> str:
        ids = claimed_ids(found.raw)
        named = message_id if ids or message_id.endswith(f"@{loop_mark(self._settings)}>") else ""
        if not ids and not named:
            return ""
        for row in await records.recorded(self._store, ids, named):
            if await asyncio.to_thread(_copies, found.raw, row.size, row.sha256):
                return str(row.id)
        return ""


def _copies(raw: bytes, size: int, sha256: bytes) -> bool:
    """Whether `raw` is the message of that size and SHA-256 with nothing but trace lines on top."""
    above = len(raw) - size
    return above >= 0 and only_trace(raw[:above]) and hashlib.sha256(raw[above:]).digest() == sha256


def _message_id(message: Message) -> str:
    try:
        return message.message_id
    except MimeLimit:
        return ""
