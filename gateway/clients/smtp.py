"""Handing mail on by SMTP or LMTP over connections that are kept open and used again."""

from __future__ import annotations

import time

from gateway.clients.session import Session, Transaction, Unavailable
from gateway.clients.transport import SendResult, Status, same_for_all
from gateway.model.acceptance import Leased
from gateway.model.settings import Target

MAX_AGE = 300.0  # seconds
MAX_USES = 500
CHECK_AFTER = 20.0  # seconds of idling after which the server is asked whether it is still there


class SmtpTransport:
    """One target by `smtp`, `smtps` or `lmtp`. As many connections are open as messages are on their way at a time."""

    def __init__(self, target: Target, hostname: str, timeout: float) -> None:
        self._target = target
        self._hostname = hostname
        self._timeout = timeout
        self._idle: list[Session] = []

    async def send(self, leased: Leased) -> SendResult:
        """Hand over one message; a connection that turns out to be closed before anything was said is replaced once."""
        try:
            session = await self._kept() or await self._fresh()
            done = await session.transact(leased.mail_from, leased.recipients, leased.raw)
            if not done.started and not done.uncertain and session.uses > 1:
                session.abort()
                session = await self._fresh()
                done = await session.transact(leased.mail_from, leased.recipients, leased.raw)
        except Unavailable as error:
            results = same_for_all(leased.recipients, Status.DEFERRED, error.code, error.text)
            return SendResult(results, self._target.name, down=True)
        self._put_back(session)
        return SendResult(done.results, session.host, done.uncertain, down=_is_down(done))

    async def close(self) -> None:
        """QUIT on every idle connection."""
        idle, self._idle = self._idle, []
        for session in idle:
            await session.quit()

    async def _kept(self) -> Session | None:
        while self._idle:
            session = self._idle.pop()  # the one used last: the others may grow old and go
            now = time.monotonic()
            if not session.alive:
                continue
            if session.uses >= MAX_USES or now - session.opened > MAX_AGE:
                await session.quit()
            elif now - session.used < CHECK_AFTER or await session.check():
                return session
            else:
                session.abort()
        return None

    async def _fresh(self) -> Session:
        session = Session(self._target, self._hostname, self._timeout)
        await session.open()
        return session

    def _put_back(self, session: Session) -> None:
        if session.alive:
            self._idle.append(session)


def _is_down(done: Transaction) -> bool:
    """Whether the server broke off rather than judged the message: then others need not try it now."""
    return not done.started and all(result.status is Status.DEFERRED for result in done.results)
