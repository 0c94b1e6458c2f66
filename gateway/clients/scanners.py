"""rspamd and ClamAV as filters ask them: bounded in size, time and number, never raising, left alone while away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module

import structlog

from gateway.clients.breaker import Breaker
from gateway.clients.clamd import scan as ask_clamd
from gateway.clients.service import Unusable
from gateway.model.exchange import Exchange
from gateway.model.lookup import NOT_SET_UP, Scan
from gateway.model.settings import Endpoint, External
from gateway.text import Text

logger = structlog.get_logger()

AT_ONCE = 10  # messages at one scanner; ClamAV's own default of threads

_AWAY = Text("{what} に問い合わせできません（{why}）。", "{what} could not be asked ({why})")
_PAUSED = Text(
    "{what} は応答がないため、しばらく問い合わせません。", "{what} did not answer and is left alone for a while"
)
_BUSY = Text("{what} が混み合っています。", "{what} is busy")
_LATE = Text("時間内に応答がありません", "no answer in time")
_LARGE = Text(
    "メールが大きいため {what} には渡しません（上限 {most} バイト）。",
    "too large to be handed to {what} (over {most} bytes)",
)

Ask = Callable[[Endpoint], Awaitable[Scan]]


class Scanners:
    """The scanners of a config (filters.api.Scanners)."""

    def __init__(self, settings: External) -> None:
        self._settings = settings
        self._rspamd = _Scanner("rspamd", settings.rspamd, settings)
        self._clamd = _Scanner("ClamAV", settings.clamd, settings)
        if settings.rspamd is not None:  # its HTTP library takes 40 ms, which most shops need not wait for
            import_module("gateway.clients.rspamd")

    async def spam(self, exchange: Exchange, ip: str, helo: str) -> Scan:
        """What rspamd says of a message that came from this IP under this name."""
        if self._settings.rspamd is None:
            return Scan(False, note=NOT_SET_UP)
        from gateway.clients.rspamd import Question, check

        envelope = exchange.envelope
        question = Question(exchange.raw, ip, helo, envelope.mail_from, envelope.recipients)
        return await self._rspamd.ask(exchange.size, lambda endpoint: check(endpoint, question))

    async def virus(self, exchange: Exchange) -> Scan:
        """What ClamAV says of a message."""
        return await self._clamd.ask(exchange.size, lambda endpoint: ask_clamd(endpoint, exchange.raw))


class _Scanner:
    """One scanner: asks where it is set up, and says why where there is no answer."""

    def __init__(self, what: str, endpoint: Endpoint | None, settings: External) -> None:
        self._what = what
        self._endpoint = endpoint
        self._settings = settings
        self._breaker = Breaker()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def ask(self, size: int, ask: Ask) -> Scan:
        endpoint, limit = self._endpoint, self._settings.timeout
        if endpoint is None:
            return Scan(False, note=NOT_SET_UP)
        if size > self._settings.max_size:
            return self._unanswered(_LARGE.with_(most=self._settings.max_size))
        if not self._breaker.may_ask():
            return self._unanswered(_PAUSED)
        try:
            async with asyncio.timeout(limit):
                await self._slots.acquire()
        except TimeoutError:
            return self._unanswered(_BUSY)
        try:
            async with asyncio.timeout(limit):
                answer = await ask(endpoint)
        except TimeoutError:
            return self._failed(_LATE, endpoint)
        except Unusable as error:
            return self._failed(error.why, endpoint)
        finally:
            self._slots.release()
        if self._breaker.answered():
            logger.info("scanner_is_back", scanner=self._what, at=endpoint.name)
        return answer

    def _failed(self, why: Text, endpoint: Endpoint) -> Scan:
        if self._breaker.failed():
            logger.warning("scanner_is_away", scanner=self._what, at=endpoint.name, why=why.in_("en"))
        return self._unanswered(_AWAY.with_(why=why))

    def _unanswered(self, note: Text) -> Scan:
        return Scan(False, note=note.with_(what=self._what))
