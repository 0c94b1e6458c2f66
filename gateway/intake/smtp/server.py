"""The SMTP server: its listeners in our own event loop, start, stop with a drain, reload."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import structlog

from gateway.errors import SekishoError
from gateway.intake.smtp.context import Context, Policy, Receive
from gateway.intake.smtp.limits import Connections, Memory
from gateway.intake.smtp.phase import Phase
from gateway.intake.smtp.session import Session
from gateway.intake.smtp.tls import Certificates
from gateway.model.settings import Listen, Settings, Smtp
from gateway.model.smtp_reply import SmtpReply
from gateway.text import Text

BACKLOG = 1024

_NO_LISTENER = Text("{address} で待ち受けられません: {why}", "cannot listen on {address}: {why}")
_NO_LISTENER_MEND = Text(
    "smtp.listen のアドレスを確かめ、同じポートを使っているプログラムを終了してください。"
    "1023 番以下のポートには権限が要ります（docs/sekisho.service）。",
    "check the address in smtp.listen, and end the program that has the port; "
    "ports below 1024 need a capability (docs/sekisho.service)",
)


class ListenError(SekishoError):
    """An address of `smtp.listen` cannot be had."""


def _always() -> SmtpReply | None:
    return None


class SmtpServer:
    """Listens, and gives each message to `receive`, whose reply the peer gets.

    `ready_to_accept` is asked at each MAIL; a reply it gives (disk full, say) refuses the transaction before its
    content comes. `start` raises ListenError where an address cannot be had and TlsError where the certificate cannot
    be used.
    """

    def __init__(
        self,
        settings: Settings,
        receive: Receive,
        *,
        ready_to_accept: Callable[[], SmtpReply | None] = _always,
        log: Any = None,
    ) -> None:
        self._smtp = _smtp(settings)
        self._policy = Policy.of(settings, self._smtp)
        self._receive = receive
        self._ready = ready_to_accept
        self._log = log or structlog.get_logger("smtp")
        self._context: Context | None = None
        self._servers: list[asyncio.Server] = []
        self._addresses: tuple[Listen, ...] = ()

    async def start(self) -> None:
        """Open all listeners, or none."""
        loop = asyncio.get_running_loop()
        limits = self._policy.limits
        context = Context(
            loop=loop,
            policy=self._policy,
            receive=self._receive,
            ready_to_accept=self._ready,
            connections=Connections(limits),
            memory=Memory(limits.memory),
            log=self._log,
            certificates=Certificates(self._smtp.tls, self._log) if self._smtp.tls else None,
        )
        bound: list[Listen] = []
        if context.certificates is None and any(listen.implicit_tls for listen in self._smtp.listen):
            raise ValueError("implicit TLS needs smtp.tls")
        try:
            for listen in self._smtp.listen:
                tls = listen.implicit_tls
                server = await _listen(loop, _factory(context, tls), listen)
                self._servers.append(server)
                names = (sock.getsockname() for sock in server.sockets)
                bound.extend(Listen(name[0], name[1], tls) for name in names)
        except BaseException:
            self._close_listeners()
            raise
        self._context = context
        self._addresses = tuple(bound)

    @property
    def addresses(self) -> tuple[Listen, ...]:
        """Where the server really listens."""
        return self._addresses

    async def stop(self, drain: float) -> None:
        """Stop listening; messages on their way may end within `drain` seconds, everybody else gets 421.

        A commit that takes longer still is not broken; its peer is cut off and will send the message again.
        """
        self._close_listeners()
        context = self._context
        if context is None:
            return
        context.stopping = True
        for session in list(context.sessions):
            session.end()
        if context.tasks:
            await asyncio.wait(set(context.tasks), timeout=max(drain, 0.25))
        for session in list(context.sessions):
            session.abort()
        late = set(context.tasks)
        if late:
            await asyncio.wait(late, timeout=1.0)
        if context.tasks:
            self._log.warning("smtp stopped with messages still at work", messages=len(context.tasks))

    def reload_tls(self) -> bool:
        """Read the certificate again now; False where it is unusable and the old one stays."""
        context = self._context
        return context.certificates.reload() if context and context.certificates else True

    def update(self, settings: Settings) -> None:
        """Take new settings for new sessions; other listen addresses and certificate paths need a restart."""
        smtp = _smtp(settings)
        if smtp.listen != self._smtp.listen or smtp.tls != self._smtp.tls:
            self._log.warning("smtp.listen and smtp.tls take effect at the next start")
        self._policy = Policy.of(settings, smtp)
        if self._context is not None:
            self._context.policy = self._policy
            self._context.connections.limits = smtp.limits
            self._context.memory.limit = smtp.limits.memory

    def numbers(self) -> dict[str, int]:
        """What happened since the start, and what goes on now."""
        context = self._context
        if context is None:
            return {}
        phases = [session.phase for session in context.sessions]
        return {
            **asdict(context.numbers),
            "sessions": len(phases),
            "in_data": phases.count(Phase.DATA),
            "in_commit": phases.count(Phase.COMMIT),
            "memory": context.memory.used,
        }

    def _close_listeners(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()


async def _listen(loop: asyncio.AbstractEventLoop, factory: Callable[[], Session], at: Listen) -> asyncio.Server:
    try:
        return await loop.create_server(factory, at.host, at.port, backlog=BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise ListenError(_NO_LISTENER.with_(address=f"{at.host}:{at.port}", why=why), _NO_LISTENER_MEND) from error


def _smtp(settings: Settings) -> Smtp:
    if settings.smtp is None:
        raise ValueError("no smtp section in the settings")
    return settings.smtp


def _factory(context: Context, implicit_tls: bool) -> Callable[[], Session]:
    return lambda: Session(context, implicit_tls)
