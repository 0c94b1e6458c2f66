"""Bytes in and out, and time: what aiosmtpd does with a stream reader and writer, done lean."""

from __future__ import annotations

import asyncio
import logging

from aiosmtpd.smtp import SMTP

from gateway.intake.smtp.context import Context
from gateway.intake.smtp.data import DataReader
from gateway.intake.smtp.dialogue import Dialogue
from gateway.intake.smtp.phase import Phase
from gateway.model import smtp_reply as table
from gateway.model.envelope import Peer, Tls
from gateway.model.smtp_reply import SmtpReply

for _name in ("mail.log", "mail.debug"):  # aiosmtpd writes addresses at INFO and bodies at DEBUG
    logging.getLogger(_name).disabled = True

INBOX = 64 * 1024  # bytes of commands that may wait while one is at work
LINGER = 1.0  # seconds in which the peer may still read our last word
LINGER_STOPPING = 0.2


class PeerGone(Exception):
    """The connection is closed or the peer sends nothing more."""


class HangUp(Exception):
    """The connection is to end with this reply."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Wire(SMTP):
    """aiosmtpd's protocol with its own way of reading and writing.

    What aiosmtpd does for each connection, line and reply (introspection of all methods, a stream reader and writer,
    one write a reply, cancelling on a disconnect) is replaced here: bytes are collected in `data_received`, the content
    of a message is handled there without waking anybody, replies gather until input is needed and leave in one write,
    and a lost connection is noticed by the conversation when it next waits, so it never breaks into a commit.
    """

    def __init__(self, context: Context, implicit_tls: bool) -> None:
        # SMTP.__init__ is left out on purpose: it inspects every member of the class on each connection.
        self.context = context
        self.policy = context.policy
        self.loop = context.loop
        self.implicit_tls = implicit_tls
        self.phase = Phase.OPENING
        self.peer = Peer("")
        self.tls: Tls | None = None
        self.dialogue = Dialogue()
        self.transport: asyncio.Transport | None = None
        self._counted_ip = ""
        self._inbox = bytearray()
        self._out: list[bytes] = []
        self._data: DataReader | None = None
        self._data_ends = 0.0
        self._waiter: asyncio.Future[None] | None = None
        self._eof = False
        self._lost = False
        self._reading_paused = False
        self._writing_paused = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._timed_out = False

    def data_received(self, data: bytes) -> None:
        """Content goes straight to its reader; commands wait in the inbox."""
        if self._data is None:
            self._inbox += data
            self._wake()
            if len(self._inbox) > INBOX and not self._reading_paused and self.transport is not None:
                self._reading_paused = True
                self.transport.pause_reading()
            return
        self._deadline = min(self._data_ends, self.loop.time() + self.policy.limits.data_stall)
        rest = self._data.feed(data)
        if rest is not None:
            self._inbox += rest
            self._data = None
            self._wake()
        elif self._data.hopeless:
            self._wake()

    def eof_received(self) -> bool:
        """The peer sends nothing more; it may still read."""
        self._eof = True
        self._wake()
        return self.tls is None

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; whoever waits learns it, a commit goes on."""
        self._lost = self._eof = True
        self._wake()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._writing_paused = False
        self._wake()

    async def _read_line(self) -> bytes | None:
        """The next command line without its line end, None for one that is too long.

        The replies so far leave first where the line has not come yet. Raises PeerGone, TimeoutError, and HangUp when
        the server is shutting down.
        """
        limit = self.policy.limits.command_line
        waited = False
        too_long = False
        while True:
            if self.context.stopping:
                raise HangUp(table.SHUTTING_DOWN)
            end = self._inbox.find(b"\n")
            if end >= 0:
                line = bytes(self._inbox[:end])
                del self._inbox[: end + 1]
                if too_long or end > limit:
                    return None
                return line[:-1] if line.endswith(b"\r") else line
            if len(self._inbox) > limit:
                too_long = True
                self._inbox.clear()
            if not waited:
                waited = True
                self._flush()
                self._expect(self.policy.limits.command_timeout)
                while self._writing_paused:
                    await self._more(reading=False)
            await self._more()

    async def _read_data(self) -> DataReader:
        """Everything up to the end of data; the caller releases the reader. Raises PeerGone, TimeoutError, HangUp."""
        limits = self.policy.limits
        reader = DataReader(limits.max_size, limits.line, self.context.memory)
        self.phase = Phase.DATA
        try:
            self._data_ends = self.loop.time() + limits.data_timeout
            early = bytes(self._inbox)
            self._inbox.clear()
            rest = reader.feed(early) if early else None
            if rest is not None:
                self._inbox += rest
            else:
                self._data = reader
                self._expect(min(limits.data_timeout, limits.data_stall))
                while self._data is not None and not reader.hopeless:
                    await self._more()
        except PeerGone:
            self.context.numbers.lost_in_data += 1
            self.context.log.info("client left in the middle of a message", peer=self.peer.ip, size=reader.size)
            reader.release()
            raise
        except BaseException:
            reader.release()
            raise
        finally:
            self._data = None
        if reader.hopeless:
            reader.release()
            raise HangUp(table.TOO_BIG)
        return reader

    async def _more(self, *, reading: bool = True) -> None:
        """Wait for anything to happen: input, its end, room for output, or the deadline."""
        if self._eof:
            raise PeerGone
        if self._timed_out:
            raise TimeoutError
        if reading and self._reading_paused and self.transport is not None:
            self._reading_paused = False
            self.transport.resume_reading()
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._timed_out:
            raise TimeoutError
        if self._lost:
            raise PeerGone

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _reply(self, wire: bytes) -> None:
        """Say something; it leaves with the next `_flush`."""
        self._out.append(wire)
        self.dialogue.server(wire)

    def _flush(self) -> None:
        if self._out:
            wire = self._out[0] if len(self._out) == 1 else b"".join(self._out)
            self._out.clear()
            if not self._lost and self.transport is not None:
                self.transport.write(wire)

    def _expect(self, seconds: float | None) -> None:
        """Give the peer so much time from now; None for as long as it is our turn."""
        if seconds is None:
            self._deadline = float("inf")
            return
        self._deadline = self.loop.time() + seconds
        # A timer that fires too early sets itself again, so a new deadline seldom needs a new timer.
        if self._timer is None or self._deadline < self._timer_at:
            self._set_timer(self._deadline)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._lost or self._deadline == float("inf"):
            return
        if self.loop.time() < self._deadline:
            self._set_timer(self._deadline)
        else:
            self._timed_out = True
            self._wake()

    async def _hang_up(self, reply: SmtpReply) -> None:
        """Say the last word, and leave the peer a moment to read it: closing at once could take it away."""
        if self._lost or self.transport is None or self.transport.is_closing():
            return
        self._reply(reply.wire)
        self._flush()
        self._timed_out = False
        self._data = None
        try:
            if self.tls is None and self.transport.can_write_eof():
                self.transport.write_eof()
            async with asyncio.timeout(LINGER_STOPPING if self.context.stopping else LINGER):
                while True:
                    await self._more()
                    self._inbox.clear()
        except (PeerGone, TimeoutError, OSError):
            pass
