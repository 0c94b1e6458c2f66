"""An IMAP server that says what it is told to, and falls silent where it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

GREETING = "* OK [CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS] ready"
MAIL = b"From: a@b.example\r\nSubject: x\r\n\r\ntext\r\n"


@dataclass
class FakeImap:
    """Answers by command name; `said` maps a name to lines (without CRLF) that come before its OK.

    `mute` is a command at which it says no more; `half` sends only the begin of a mail and then nothing; `close` hangs
    up at a command; `then` is sent on its own after a command's answer.
    """

    mute: str = ""
    half: bool = False
    close: str = ""
    greeting: str = GREETING
    said: dict[str, list[bytes]] = field(default_factory=dict)
    then: dict[str, bytes] = field(default_factory=dict)
    refuse: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> FakeImap:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 24)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if self.mute == "greeting":
                await asyncio.sleep(3600)
            writer.write(self.greeting.encode() + b"\r\n")
            while True:
                line = (await reader.readuntil(b"\r\n")).decode().strip()
                await self._answer(line, reader, writer)
        writer.close()

    async def _answer(self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tag, _, rest = line.partition(" ")
        words = rest.split()
        name = words[1].upper() if words and words[0].upper() == "UID" else (words[0].upper() if words else line)
        self.commands.append(rest or line)
        if line == "DONE":
            if self.mute != "DONE":
                writer.write(f"{self._idle} OK idle done\r\n".encode())
            return
        if name == self.close:
            raise OSError
        if name == self.mute:
            await asyncio.sleep(3600)
        if name == "IDLE":
            self._idle = tag
            writer.write(b"+ idling\r\n" + self.then.get("IDLE", b""))
            return
        for said in self.said.get(name, self._usual(name)):
            writer.write(said + b"\r\n")
        if name == "FETCH" and self.half:
            writer.write(b"* 1 FETCH (UID 1 BODY[] {4000}\r\nFrom: a@b.exam")
            await asyncio.sleep(3600)
        status = self.refuse.get(name, "OK done")
        writer.write(f"{tag} {status}\r\n".encode() + self.then.get(name, b""))

    def _usual(self, name: str) -> list[bytes]:
        return {
            "CAPABILITY": [b"* CAPABILITY " + self.greeting.partition("CAPABILITY ")[2].partition("]")[0].encode()],
            "SELECT": [b"* 1 EXISTS", b"* OK [UIDVALIDITY 7] x", b"* OK [UIDNEXT 2] x"],
            "SEARCH": [b"* SEARCH 1"],
            "FETCH": [b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 40 BODY[] {%d}\r\n%s)" % (len(MAIL), MAIL)],
        }.get(name, [])
