"""Delivery into a mailbox by APPEND: at least once, and once where an earlier try can be found there."""

from __future__ import annotations

import asyncio
import hashlib

from gateway.clients.imap.access import Tokens, open_session
from gateway.clients.imap.errors import ImapError, ImapRefused
from gateway.clients.imap.session import ImapSession
from gateway.clients.maildir import envelope_lines
from gateway.clients.oauth import OAuthError
from gateway.clients.transport import SendResult, Status, same_for_all
from gateway.model.acceptance import Leased
from gateway.model.settings import Imap

_CODES = {"OVERQUOTA": 452, "TOOBIG": 552}


class ImapTransport:
    """The way to the inbox of one account; one connection is kept and used by one message at a time."""

    def __init__(self, account: Imap, tokens: Tokens | None = None) -> None:
        self._account = account
        self._tokens = tokens
        self._session: ImapSession | None = None
        self._lock = asyncio.Lock()
        self._name = account.server.name

    async def send(self, leased: Leased) -> SendResult:
        """Put the message into the inbox; what cannot be now is deferred."""
        async with self._lock:
            try:
                await self._deliver(leased)
            except ImapRefused as error:
                code = _CODES.get(error.code, 451)
                status = Status.FAILED if code == 552 else Status.DEFERRED
                return SendResult(same_for_all(leased.recipients, status, code, str(error)), self._name)
            except (ImapError, OAuthError) as error:
                # An APPEND that was not answered may have been done: the next try looks for it first.
                return SendResult(
                    same_for_all(leased.recipients, Status.DEFERRED, 0, str(error)), self._name, down=True
                )
        return SendResult(same_for_all(leased.recipients, Status.DELIVERED, 250, "2.0.0 saved"), self._name)

    async def close(self) -> None:
        """Say goodbye."""
        if self._session is not None:
            await self._session.logout()

    async def _deliver(self, leased: Leased) -> None:
        if self._session is None or not self._session.alive:
            self._session = await open_session(self._account, self._tokens)
        raw = envelope_lines(leased) + leased.raw
        if leased.attempts or leased.crashes:
            digest = await asyncio.to_thread(lambda: hashlib.sha256(raw).digest())
            await self._session.select(self._account.inbox, read_only=True)
            if await self._session.find(len(raw), digest):
                return
        await self._session.append(self._account.inbox, raw, date=leased.created_at)
