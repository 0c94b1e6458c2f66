"""Tells the owner what needs a person about a mailbox: each kind of thing once, and again only after a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog

from gateway.errors import StoreError
from gateway.intake.imap import texts
from gateway.model.settings import Imap, Settings
from gateway.replies.notices import notice
from gateway.store.engine import Store
from gateway.store.gateway_events import SendDraft
from gateway.text import Text

logger = structlog.get_logger()

AGAIN = timedelta(days=1)


class Teller:
    """Notices about one account."""

    def __init__(self, account: Imap, settings: Settings, store: Store) -> None:
        self._account = account
        self._settings = settings
        self._store = store
        self._told: dict[str, datetime] = {}

    async def tell(self, what: Text, body: Text, *, about: str = "", **values: object) -> None:
        """Put a notice on its way unless the same was told within a day. Never raises."""
        key, now = f"{what.en}|{about}", datetime.now(UTC)
        logger.warning("imap_needs_a_person", account=self._account.name, what=what.en, **_plain(values))
        if key in self._told and now - self._told[key] < AGAIN:
            return
        named = {"account": self._account.name, "server": self._account.server.name}
        draft = notice(texts.SUBJECT.with_(what=what, **named), body.with_(**named, **values), self._settings, now=now)
        try:
            await self._store.committer.submit(SendDraft(draft))
            self._told[key] = now
        except StoreError as error:
            logger.warning("notice_not_kept", why=str(error))

    def mended(self, what: Text) -> None:
        """It works again: the next time is told at once."""
        for key in [key for key in self._told if key.startswith(f"{what.en}|")]:
            del self._told[key]


def _plain(values: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
