"""aioimaplib's protocol with a reader of our own: iterative, bounded, byte for byte, and quick to tell a loss.

The library's reader recurses per line, takes `* ` out of responses, drops EXISTS outside IDLE, and fails no command
when the connection goes. What it keeps is used: tags, commands, the table of what is allowed in which state.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from aioimaplib.aioimaplib import AUTH, CONNECTED, NONAUTH, AioImapException, Command, IMAP4ClientProtocol

from gateway.clients.imap.errors import BROKEN, ENDED, GOODBYE
from gateway.clients.imap.response import Answer, Part, code_of, readable
from gateway.text import Text

LONGEST_LINE = 16 * 1024 * 1024  # bytes; SEARCH gives a million UIDs in about half of it
USUAL_BUDGET = 32 * 1024 * 1024  # bytes of responses to one command; fetching sets its own
_LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}$")
_TAGGED = re.compile(rb"[A-P]+[0-9]+ (OK|NO|BAD)\b", re.IGNORECASE)
_COUNT = re.compile(rb"\* ([0-9]{1,10}) (EXISTS|EXPUNGE)$", re.IGNORECASE)
_STATUS = re.compile(rb"\* (OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)


class Protocol(IMAP4ClientProtocol):  # type: ignore[misc]  # the library is untyped
    """The client's end of a connection. `lost` says why it is of no more use, "" while it is."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop)
        self.lost: str | Text = ""
        self.bye = ""
        self.exists = 0
        self.news = asyncio.Event()  # something came into the selected folder, or the connection is lost
        self.idling = asyncio.Event()
        self.budget = USUAL_BUDGET
        self.literal_data: bytes | None = None  # what APPEND sends when the server is ready for it
        self.answers: list[str] = []  # what is said to `+` during AUTHENTICATE
        self._greeted: asyncio.Future[bytes] = loop.create_future()
        self._line = bytearray()
        self._parts: list[Part] = []
        self._literal = bytearray()
        self._need = 0
        self._got = 0

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        """Cut what came into responses; each is a list of lines and literals."""
        at = 0
        self._got += len(data)
        if self._got > self.budget:
            return self.fail("the server sends more than was asked for")
        while at < len(data) and not self.lost:
            if self._need:
                piece = data[at : at + self._need]
                self._literal += piece
                self._need -= len(piece)
                at += len(piece)
                if not self._need:
                    self._parts.append(self._literal)
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                at = len(data)
            else:
                self._line += data[at : end + 1]
                at = end + 1
                self._take_line()
            if len(self._line) > LONGEST_LINE:
                return self.fail("a line without end")
        return None

    def eof_received(self) -> bool:
        """The server will say no more."""
        self.fail(ENDED)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail everything that waits, at once."""
        self.fail(BROKEN)

    # for the session

    async def greeting(self) -> bytes:
        """The server's first line; raises `AioImapException` where it is no welcome."""
        line = await self._greeted
        word = line[2:].split(b" ", 1)[0].upper()
        if word not in (b"OK", b"PREAUTH"):
            raise AioImapException(readable(line[2:]) or "no greeting")
        self.state = AUTH if word == b"PREAUTH" else NONAUTH
        return bytes(line)

    async def run(self, command: Command, budget: int = USUAL_BUDGET) -> Answer:
        """Send one command and give its answer; raises `AioImapException` where the connection is lost."""
        if self.lost:
            raise AioImapException(str(self.lost))
        self.budget, self._got = budget, 0
        response = await self.execute(command)
        lines: list[Any] = response.lines
        return Answer(str(response.result).upper(), lines[-1], tuple(lines[:-1]))

    def send(self, line: str, scrub: str | None = None) -> None:
        """Write one line; nothing of it is logged."""
        if self.lost or self.transport is None:
            raise AioImapException(str(self.lost) or "not connected")
        self.transport.write(line.encode() + b"\r\n")

    @property
    def unread(self) -> bool:
        """Whether the server said something that no line end has closed."""
        return bool(self._line or self._parts or self._need)

    def fail(self, why: str | Text) -> None:
        """The connection is of no more use: close it and tell everybody who waits."""
        self.lost = self.lost or (GOODBYE.with_(said=self.bye) if self.bye else why)
        if self.transport is not None:
            self.transport.abort()
        if not self._greeted.done():
            self._greeted.set_exception(AioImapException(str(self.lost)))
            self._greeted.exception()  # nobody may be waiting for it
        for command in self._pending():
            command._exception = AioImapException(str(self.lost))
            command._event.set()
        self.pending_sync_command = None
        self.pending_async_commands.clear()
        self.news.set()
        self.idling.set()

    # responses

    def _take_line(self) -> None:
        line = bytes(self._line)
        self._line.clear()
        line = line[:-2] if line.endswith(b"\r\n") else line[:-1]
        first = not self._parts
        self._parts.append(line)
        literal = _LITERAL.search(line) if not first or (line[:2] == b"* " and not _STATUS.match(line)) else None
        if literal is not None:
            self._need = int(literal[1])
            if self._need > self.budget:
                return self.fail("the server sends more than was asked for")
            self._literal = bytearray()
            if not self._need:
                self._parts.append(self._literal)
            return None
        parts, self._parts = self._parts, []
        try:
            self._respond(parts)
        except (AioImapException, UnicodeDecodeError, ValueError) as error:
            self.fail(f"not understood: {error}")
        return None

    def _respond(self, parts: Sequence[Part]) -> None:
        line = bytes(parts[0])
        if self.state == CONNECTED and not self._greeted.done():
            self._greeted.set_result(line)
        elif line[:2] == b"* ":
            self._untagged(line, parts)
        elif line[:1] == b"+":
            self._continuation(line)
        elif _TAGGED.match(line):
            self._response_done(line)
        elif line:
            self.fail("the server does not speak IMAP")

    def _untagged(self, line: bytes, parts: Sequence[Part]) -> None:
        counted = _COUNT.match(line)
        if counted is not None:
            number, what = int(counted[1]), counted[2].upper()
            if what == b"EXPUNGE":
                self.exists = max(0, self.exists - 1)
            else:
                if number > self.exists:
                    self.news.set()
                self.exists = number
        elif line[:12].upper() == b"* CAPABILITY":
            self.capabilities = {word.upper() for word in line[12:].decode("ascii", "replace").split()}
        elif line[:5].upper() == b"* BYE":
            self.bye = readable(line[6:]) or "bye"
        for command in self._pending():
            command.append_to_resp(parts)

    def _continuation(self, line: bytes) -> None:
        command = self.pending_sync_command
        if command is not None and command.name == "AUTHENTICATE":
            self.send(self.answers.pop(0) if self.answers else "")
        elif command is not None and command.name == "IDLE":
            self.idling.set()
        elif command is not None and command.name == "APPEND" and self.literal_data is not None:
            data, self.literal_data = self.literal_data, None
            self.transport.write(data)
            self.transport.write(b"\r\n")

    def _response_done(self, line: bytes) -> None:
        code, argument = code_of(line.split(b" ", 2)[2] if line.count(b" ") > 1 else b"")
        if code == "CAPABILITY":
            self.capabilities = {word.upper() for word in argument.decode("ascii", "replace").split()}
        status = _TAGGED.match(line)
        assert status is not None
        super()._response_done(line if line.count(b" ") > 1 else line + b" ")

    def _pending(self) -> list[Command]:
        waiting = list(self.pending_async_commands.values())
        return [self.pending_sync_command, *waiting] if self.pending_sync_command is not None else waiting
