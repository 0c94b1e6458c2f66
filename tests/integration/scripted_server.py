"""A mail server that does what a test says, misbehaviour included: `break` closes, `hang` says nothing more."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.model.settings import Target

Reply = str | Callable[[str], str]


@dataclass
class Scripted:
    """Replies by verb; a callable gets the rest of the line. `end` answers the final dot (for LMTP: each recipient).

    `taken` holds every message whose final dot came in, with its recipients; `commands` every command line.
    """

    lmtp: bool = False
    extensions: list[str] = field(default_factory=lambda: ["PIPELINING", "8BITMIME", "SIZE 100000000"])
    replies: dict[str, Reply] = field(default_factory=dict)
    end: Reply = "250 2.0.0 kept"
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    injection: bytes = b""
    host: str = "127.0.0.1"
    port: int = 0
    taken: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Scripted:
        await self.listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def listen(self) -> None:
        context = self.tls if self.implicit_tls else None
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=context, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def target(self, **more: object) -> Target:
        """The target that leads here."""
        scheme = "lmtp" if self.lmtp else "smtps" if self.implicit_tls else "smtp"
        return Target(scheme, self.host, self.port, **more)  # type: ignore[arg-type]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, _Break):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mail_from, recipients = "", []
        await self._say(writer, "GREETING", "", "220 scripted.example")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.commands.append(line)
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "LHLO", "HELO"):
                lines = ["scripted.example", *self.extensions]
                said = "\r\n".join(f"250{'-' if n < len(lines) - 1 else ' '}{text}" for n, text in enumerate(lines))
                await self._say(writer, verb, rest, said)
            elif verb == "STARTTLS" and self.tls is not None:
                writer.write(b"220 go\r\n" + self.injection)
                await writer.drain()
                with contextlib.suppress(ConnectionError):
                    await writer.start_tls(self.tls)
            elif verb == "MAIL":
                mail_from, recipients = rest, []
                await self._say(writer, verb, rest, "250 2.1.0 ok")
            elif verb == "RCPT":
                said = await self._say(writer, verb, rest, "250 2.1.5 ok")
                if said.startswith("2"):
                    recipients.append(rest.removeprefix("TO:").strip("<>"))
            elif verb == "DATA":
                default = "354 go on" if recipients else "503 5.5.1 no recipients"
                if (await self._say(writer, verb, rest, default)).startswith("354"):
                    await self._data(reader, writer, mail_from, recipients)
            else:
                await self._say(writer, verb, rest, "221 bye" if verb == "QUIT" else "250 ok")
                if verb == "QUIT":
                    return

    async def _data(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mail_from: str, recipients: list[str]
    ) -> None:
        lines: list[bytes] = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                raise _Break
            lines.append(line[1:] if line.startswith(b".") else line)
        self.taken.append((mail_from, tuple(recipients), b"".join(lines)))
        for recipient in recipients if self.lmtp else [",".join(recipients)]:
            await self._say(writer, "END", recipient, self.end(recipient) if callable(self.end) else self.end)

    async def _say(self, writer: asyncio.StreamWriter, verb: str, rest: str, default: str) -> str:
        reply = self.replies.get(verb, default)
        said = reply(rest) if callable(reply) else reply
        if said == "break":
            raise _Break
        if said == "hang":
            await asyncio.sleep(3600)
        writer.write(said.encode() + b"\r\n")
        await writer.drain()
        if said.startswith("421"):
            raise _Break
        return said


class _Break(Exception):
    """Close the connection."""
