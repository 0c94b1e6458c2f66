"""One connection to a mailbox: a deadline for every step, one command at a time, and none is used after a doubt."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Awaitable
from typing import Self, TypeVar

from aioimaplib.aioimaplib import AUTH, NONAUTH, AioImapException, Command

from gateway.clients.imap.errors import (
    NO_ANSWER,
    NO_CONNECTION,
    NO_PASSWORD,
    NO_STARTTLS,
    ImapLogin,
    ImapLost,
    ImapRefused,
    reason,
)
from gateway.clients.imap.names import quoted
from gateway.clients.imap.protocol import USUAL_BUDGET, Protocol
from gateway.clients.imap.response import Answer, readable

TIMEOUT = 30.0  # seconds for one step
IDLE_AT_MOST = 9 * 60.0  # seconds; RFC 2177 asks for less than 29 minutes, NAT boxes for less than ten

T = TypeVar("T")


class Connection:
    """Logs in and waits; made by `connect`. Methods raise `ImapLost`, and `ImapRefused` where the server says no."""

    def __init__(self, protocol: Protocol, host: str, timeout: float) -> None:
        self._protocol = protocol
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self.host = host

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        starttls: str = "auto",
        implicit_tls: bool = True,
        timeout: float = TIMEOUT,
    ) -> Self:
        """Connect, and go over to TLS: from the first byte, or by STARTTLS (`auto`, `required`, `never`)."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, protocol = await loop.create_connection(Protocol, host, port, ssl=tls if implicit_tls else None)
        except TimeoutError as error:
            raise ImapLost(host, NO_CONNECTION) from error
        except (OSError, ssl.CertificateError) as error:
            raise ImapLost(host, reason(error)) from error
        session = cls(protocol, host, timeout)
        try:
            await session._bounded(protocol.greeting(), timeout)
            await session.ask_capabilities()
            if not implicit_tls and starttls != "never":
                await session._starttls(tls, required=starttls == "required")
        except BaseException:
            session.close()
            raise
        return session

    @property
    def alive(self) -> bool:
        """Whether the connection can be used."""
        return not self._protocol.lost

    def has(self, capability: str) -> bool:
        """Whether the server announced a capability."""
        return capability.upper() in self._protocol.capabilities

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server announced, in capitals."""
        return frozenset(self._protocol.capabilities)

    async def login(self, user: str, password: str) -> None:
        """Log in by LOGIN, or AUTHENTICATE PLAIN where that must be; raises `ImapLogin`."""
        if self._protocol.state != NONAUTH:
            return
        plain = self.has("AUTH=PLAIN") and (self.has("LOGINDISABLED") or not (user + password).isascii())
        if plain:
            coded = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
            await self._enter(user, self._sasl("PLAIN", coded))
        elif self.has("LOGINDISABLED"):
            raise ImapLogin(self.host, user, NO_PASSWORD)
        else:
            await self._enter(user, self._command("LOGIN", quoted(user), quoted(password)))

    async def xoauth2(self, user: str, token: str) -> None:
        """Log in by an OAuth 2 access token (XOAUTH2); raises `ImapLogin`. A refusal is answered, so it never hangs."""
        coded = base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode("ascii")
        await self._enter(user, self._sasl("XOAUTH2", coded))

    async def ask_capabilities(self) -> None:
        """Ask for the capabilities; they change with TLS and with the login."""
        await self._run(self._command("CAPABILITY"))

    async def noop(self) -> None:
        """Let the server tell what is new."""
        await self._run(self._command("NOOP"))

    async def wait_for_news(self, seconds: float) -> bool:
        """IDLE (RFC 2177) until something comes into the folder, at most `seconds`; True where something did."""
        protocol = self._protocol
        async with self._lock:
            if protocol.news.is_set():
                self._check()
                return True
            protocol.idling.clear()
            command = asyncio.ensure_future(protocol.run(self._command("IDLE")))
            acknowledged = asyncio.ensure_future(protocol.idling.wait())
            try:
                await asyncio.wait({command, acknowledged}, timeout=self._timeout, return_when="FIRST_COMPLETED")
                if not protocol.idling.is_set() and not command.done():
                    protocol.fail(NO_ANSWER.with_(seconds=self._timeout))
                if not command.done() and not protocol.lost:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(min(seconds, IDLE_AT_MOST)):
                            await protocol.news.wait()
                    if not protocol.lost:
                        protocol.send("DONE")
                self._accept("IDLE", await self._bounded(command, self._timeout))
            except BaseException:
                protocol.fail("IDLE was broken off")
                raise
            finally:
                acknowledged.cancel()
                command.cancel()
                await asyncio.gather(command, acknowledged, return_exceptions=True)
            return protocol.news.is_set()

    def wake(self) -> None:
        """End the wait for news of another task."""
        self._protocol.news.set()

    async def logout(self) -> None:
        """Say goodbye and close; never raises."""
        if self.alive:
            with contextlib.suppress(ImapLost, ImapRefused):
                await self._run(self._command("LOGOUT"), seconds=min(5.0, self._timeout))
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._protocol.fail("closed")

    def _command(self, name: str, *words: str, uid: bool = False, key: str = "") -> Command:
        protocol = self._protocol
        prefix = "UID" if uid else None
        return Command(name, protocol.new_tag(), *words, prefix=prefix, untagged_resp_name=key or None)

    def _sasl(self, mechanism: str, first: str) -> Command:
        if self.has("SASL-IR"):
            self._protocol.answers = []
            return self._command("AUTHENTICATE", mechanism, first)
        self._protocol.answers = [first]
        return self._command("AUTHENTICATE", mechanism)

    async def _enter(self, user: str, command: Command) -> None:
        before = self.capabilities
        try:
            answer = await self._run(command)
        except ImapRefused as error:
            if error.code == "UNAVAILABLE":  # RFC 5530: a fault of the server's, not of ours
                raise ImapLost(self.host, error.why) from error
            raise ImapLogin(self.host, user, error.why) from error
        self._protocol.state = AUTH
        if "CAPABILITY" not in answer.codes() and self.capabilities == before:
            await self.ask_capabilities()

    async def _starttls(self, tls: ssl.SSLContext | None, *, required: bool) -> None:
        if not self.has("STARTTLS") or tls is None:
            if required:
                raise ImapLost(self.host, NO_STARTTLS)
            return
        await self._run(self._command("STARTTLS"))
        if self._protocol.unread:
            self._protocol.fail("data before the TLS handshake")  # what came in the clear is an injection
            raise ImapLost(self.host, self._protocol.lost)
        loop = asyncio.get_running_loop()
        upgrade = loop.start_tls(self._protocol.transport, self._protocol, tls, server_hostname=self.host)
        try:
            self._protocol.transport = await self._bounded(upgrade, self._timeout)
        except (OSError, ssl.CertificateError) as error:
            self._protocol.fail(reason(error))
            raise ImapLost(self.host, self._protocol.lost) from error
        self._protocol.capabilities = set()  # what was announced in the clear counts for nothing (RFC 3501 §6.2.1)
        await self.ask_capabilities()

    async def _run(self, command: Command, *, seconds: float = 0.0, budget: int = USUAL_BUDGET) -> Answer:
        """Run one command alone; a connection that does not answer in time is thrown away."""
        async with self._lock:
            self._check()
            answer = await self._bounded(self._protocol.run(command, budget), seconds or self._timeout)
        return self._accept(command.name, answer)

    def _accept(self, name: str, answer: Answer) -> Answer:
        if answer.status != "OK":
            raise ImapRefused(name, answer.code, readable(answer.text))
        return answer

    async def _bounded(self, work: Awaitable[T], seconds: float) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError as error:
            self._protocol.fail(NO_ANSWER.with_(seconds=seconds))
            raise ImapLost(self.host, self._protocol.lost) from error
        except AioImapException as error:
            self._protocol.fail(str(error))
            raise ImapLost(self.host, self._protocol.lost) from error
        except asyncio.CancelledError:
            self._protocol.fail("broken off")  # the answer would be taken for that of the next command
            raise

    def _check(self) -> None:
        if self._protocol.lost:
            raise ImapLost(self.host, self._protocol.lost)
