"""One connection to a mail server as bytes: bounded replies in order, writing with flow control, the switch to TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import NamedTuple, cast

MAX_REPLY = 64 * 1024  # bytes of unread reply; far above any EHLO answer


class Reply(NamedTuple):
    """A server's reply: its code and the text of its lines (RFC 5321 §4.2)."""

    code: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether it is a positive completion."""
        return 200 <= self.code < 300


class Lost(Exception):
    """The connection is of no more use: closed, broken, silent for too long, or speaking something else than SMTP."""


class Wire(asyncio.Protocol):
    """The client's end of a connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.lost: str = ""  # why the connection is of no more use; "" while it is

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut what came into lines and these into replies."""
        self._buffer += data
        if len(self._buffer) + len(self._replies) * 16 > MAX_REPLY or len(self._lines) > 500:
            return self._fail("reply too long")
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        for line in lines:
            code = line[:3]
            if not (code.isdigit() and len(code) == 3 and bytes(line[3:4]) in (b"", b" ", b"-", b"\r")):
                return self._fail("not an SMTP reply")
            self._lines.append(line[4:].strip().decode("utf-8", "replace"))
            if line[3:4] != b"-":
                self._replies.append(Reply(int(code), "\n".join(self._lines)))
                self._lines = []
        if self._replies:
            self._wake()
        return None

    def eof_received(self) -> bool:
        """The server will say no more: close."""
        self._fail("closed by the server")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._fail(f"connection lost: {exc}" if exc else "connection lost")

    def pause_writing(self) -> None:
        """The peer reads slower than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on writing."""
        self._writable.set()

    # for the session

    async def reply(self, timeout: float) -> Reply:
        """The next reply within `timeout` seconds; raises `Lost`."""
        if not self._replies:
            await self._wait(timeout)
        return self._replies.popleft()

    def write(self, data: bytes) -> None:
        """Write commands or a piece of a message; raises `Lost`."""
        if self.lost or self._transport is None:
            raise Lost(self.lost)
        self._transport.write(data)

    async def drain(self, timeout: float) -> None:
        """Let others run, and wait until the server has taken most of what was written; raises `Lost`."""
        if self._writable.is_set():
            await asyncio.sleep(0)
        else:
            try:
                async with asyncio.timeout(timeout):
                    await self._writable.wait()
            except TimeoutError:
                self._fail("the server takes no more data")
        if self.lost:
            raise Lost(self.lost)

    async def start_tls(self, context: ssl.SSLContext, hostname: str, timeout: float) -> None:
        """Go on over TLS. What came in the clear after the go-ahead is an injection and ends it (RFC 3207 §6)."""
        if self.pending:
            self._fail("data before the TLS handshake")
            raise Lost(self.lost)
        assert self._transport is not None
        try:
            upgraded = await asyncio.get_running_loop().start_tls(
                self._transport, self, context, server_hostname=hostname, ssl_handshake_timeout=timeout
            )
        except (OSError, ssl.CertificateError) as error:
            self._fail(f"TLS: {error}")
            raise Lost(self.lost) from error
        if upgraded is None:
            raise Lost("connection lost")
        self._transport = upgraded

    @property
    def pending(self) -> bool:
        """Whether there is anything unread, which between two commands there must not be."""
        return bool(self._replies or self._lines or self._buffer)

    @property
    def peer(self) -> str:
        """The server's address, "" once closed."""
        name = self._transport.get_extra_info("peername") if self._transport else None
        return str(name[0]) if isinstance(name, tuple) else ""

    def abort(self) -> None:
        """Close at once."""
        self._fail("closed")

    async def _wait(self, timeout: float) -> None:
        if self.lost:
            raise Lost(self.lost)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._waiter
        except TimeoutError:
            self._fail(f"no answer within {timeout:g} s")
        finally:
            self._waiter = None
        if not self._replies:
            raise Lost(self.lost)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, why: str) -> None:
        self.lost = self.lost or why
        self._writable.set()
        if self._transport is not None:
            self._transport.abort()
        self._wake()
