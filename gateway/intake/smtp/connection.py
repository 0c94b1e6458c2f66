"""One connection: admission, PROXY, TLS, and its end; the conversation itself is in session.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from gateway.intake.smtp.phase import Phase
from gateway.intake.smtp.proxy import ProxyGate, parse_proxy
from gateway.intake.smtp.wire import HangUp, PeerGone, Wire
from gateway.model import smtp_reply as table
from gateway.model.envelope import Peer, Tls
from gateway.model.network import Network, canonical_ip
from gateway.model.smtp_reply import SmtpReply

HANDSHAKE = 30.0  # seconds for TLS
PROXY_HEADER = 10.0  # seconds
GOODBYE = 3.0  # seconds until a connection that is closed, but not read by its peer, is cut


def within(ip: str, networks: tuple[Network, ...]) -> bool:
    """Whether the IP lies in one of the networks."""
    return bool(networks) and any(ip in network for network in networks)


class Connection(Wire):
    """A connection from its admission to its end; only its own conversation ends its task, never the peer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or answer 421 before anything is spent on it."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is not registered as one
        self.transport = transport
        self.context.numbers.connections += 1
        name = transport.get_extra_info("peername")
        local = transport.get_extra_info("sockname")
        if not name:  # gone before we looked
            transport.abort()
            return
        ip = canonical_ip(name[0])
        self.peer = Peer(ip, name[1], local=f"{canonical_ip(local[0])}:{local[1]}" if local else "")
        proxied = within(ip, self.policy.proxies)
        refusal = self.context.connections.enter()
        if refusal is None and not proxied:
            refusal = self._enter_from(ip)
            if refusal is not None:
                self.context.connections.leave()
        if refusal is not None:
            self._refuse(refusal, transport)
            return
        self.context.sessions.add(self)
        header: asyncio.Future[bytes | None] | None = None
        if proxied:
            header = self.loop.create_future()
            transport.set_protocol(ProxyGate(_arrived(header, transport)))
        task = self.loop.create_task(self._run(header))
        self.context.tasks.add(task)

    def _enter_from(self, ip: str) -> SmtpReply | None:
        if within(ip, self.policy.relays):  # the shop's own front servers bring everybody's mail
            return None
        refusal = self.context.connections.enter_from(ip, self.loop.time())
        if refusal is None:
            self._counted_ip = ip
        return refusal

    def _refuse(self, reply: SmtpReply, transport: asyncio.Transport) -> None:
        self.context.numbers.connections_refused += 1
        self._lost = True
        if not self.implicit_tls:
            transport.write(reply.wire)
        transport.close()

    async def _run(self, header: asyncio.Future[bytes | None] | None) -> None:
        try:
            if header is not None:
                await self._open_proxied(header)
            if self.implicit_tls:
                await self._start_tls()
            self.phase = Phase.COMMAND
            self._reply(self.policy.greeting)
            await self._handle_client()
        except PeerGone:
            pass
        except HangUp as hang_up:
            await self._hang_up(hang_up.reply)
        except TimeoutError:
            self.context.numbers.timeouts += 1
            await self._hang_up(table.TIMEOUT)
        except Exception as error:
            self.context.numbers.failures += 1
            self.context.log.error("smtp session failed", peer=self.peer.ip, error=type(error).__name__, exc_info=True)
            await self._hang_up(table.BROKEN)
        finally:
            self._close()

    async def _handle_client(self) -> None:
        raise PeerGone  # the conversation is the subclass's

    async def _open_proxied(self, header: asyncio.Future[bytes | None]) -> None:
        """Read the PROXY header that is required from this network; the client it names is the peer from here on."""
        assert self.transport is not None
        try:
            async with asyncio.timeout(PROXY_HEADER):
                found = await header
        except TimeoutError:
            found = None
        client = await parse_proxy(found) if found else None
        if client is None:
            self.context.numbers.connections_refused += 1
            self.context.log.warning("connection without a proper PROXY header", proxy=self.peer.ip)
            raise PeerGone
        self.transport.set_protocol(self)
        self.transport.resume_reading()
        proxy = self.peer.ip
        self.peer = Peer(client.ip or proxy, client.port or self.peer.port, proxy=proxy, local=self.peer.local)
        refusal = self._enter_from(self.peer.ip) if client.ip else None
        if refusal is not None:
            self.context.numbers.connections_refused += 1
            if self.implicit_tls:
                raise PeerGone
            raise HangUp(refusal)

    async def _start_tls(self) -> None:
        """Put TLS under the session; whatever came before it in clear is dropped (CVE-2011-0411)."""
        assert self.transport is not None
        assert self.context.certificates is not None
        self._flush()
        self._inbox.clear()
        self._reading_paused = False
        self._expect(None)
        self.phase = Phase.OPENING
        try:
            transport = await self.loop.start_tls(
                self.transport,
                self,
                self.context.certificates.context(self.loop.time()),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE,
                ssl_shutdown_timeout=GOODBYE,
            )
        except (OSError, RuntimeError) as error:  # RuntimeError: the transport was closed meanwhile
            self.context.numbers.tls_failed += 1
            reason = getattr(error, "reason", None) or "connection lost"
            self.context.log.info("tls handshake failed", peer=self.peer.ip, reason=reason)
            raise PeerGone from None
        if transport is None:
            raise PeerGone
        self.transport = transport
        self.context.numbers.tls_sessions += 1
        cipher = transport.get_extra_info("cipher") or ("", "", 0)
        version = transport.get_extra_info("ssl_object").version() or ""
        self.tls = Tls(version, cipher[0], cipher[2] or 0)
        self.phase = Phase.COMMAND

    def _close(self) -> None:
        """Count the connection out and let go of everything; called once, by the task that ran it."""
        self._expect(None)
        if self._timer is not None:
            self._timer.cancel()
        if self._counted_ip:
            self.context.connections.leave_from(self._counted_ip)
        self.context.connections.leave()
        self.context.sessions.discard(self)
        task = asyncio.current_task()
        if task is not None:
            self.context.tasks.discard(task)
        if self.transport is not None:
            self._flush()
            self.transport.close()
            if self._writing_paused or self.tls is not None:
                self.loop.call_later(GOODBYE, self.transport.abort)

    def end(self) -> None:
        """The server stops: whoever waits for a command is told at once, others after their message."""
        if self.phase == Phase.OPENING:
            self.abort()
        elif self.phase == Phase.COMMAND:
            self._wake()

    def abort(self) -> None:
        """Cut the connection; a commit that is going on is not broken."""
        if self.transport is not None:
            self.transport.abort()


def _arrived(future: asyncio.Future[bytes | None], transport: asyncio.Transport) -> Callable[[bytes | None], None]:
    def done(header: bytes | None) -> None:
        if not future.done():
            if not transport.is_closing():
                transport.pause_reading()  # what follows belongs to the next protocol
            future.set_result(header)

    return done
