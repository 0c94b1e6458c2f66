"""A proxy before a Dovecot that kills it at a chosen moment: while a command is on its way, or its answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.testing.dovecot import DovecotServer


@dataclass
class Fault:
    """When the server dies: at a command with `word`, before it gets it, or `after` so many bytes of its answer."""

    word: bytes
    after: int = -1  # bytes of the answer that get through; -1: the command itself does not
    hold: float = 0.3  # seconds that the server has to do it before it dies, its answer withheld


@dataclass
class KillingProxy:
    """Listens on loopback; `fault` is made once."""

    server: DovecotServer
    fault: Fault | None = None
    victim: Callable[[], None] | None = None  # who dies instead of the server
    port: int = 0
    kills: int = 0
    connections: int = 0
    _listener: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    up_again: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> KillingProxy:
        self._listener = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        except OSError:
            writer.transport.abort()
            return
        budget: list[int] = []  # bytes of the answer that may still get through, once the fault is armed
        down = asyncio.create_task(self._down(up_reader, writer, budget))
        try:
            while data := await reader.read(65536):
                fault = self.fault
                if fault is not None and fault.word in data:
                    self.fault = None
                    if fault.after < 0:
                        await self._kill()
                        break
                    budget.append(fault.after)
                    up_writer.write(data)
                    await asyncio.sleep(fault.hold)
                    await self._kill()
                    break
                up_writer.write(data)
        except (OSError, asyncio.CancelledError):
            pass  # the end of the test, or of the connection
        finally:
            down.cancel()
            for one in (writer, up_writer):
                one.transport.abort()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if budget:
                    data, budget[0] = data[: budget[0]], max(0, budget[0] - len(data))
                writer.write(data)
            writer.transport.abort()

    async def _kill(self) -> None:
        self.kills += 1
        if self.victim is not None:
            await asyncio.to_thread(self.victim)
            return
        await asyncio.to_thread(self.server.kill)
        self.restart()

    def restart(self) -> None:
        """Let it come up again after a moment."""

        async def start() -> None:
            await asyncio.sleep(0.3)
            await asyncio.to_thread(self.server.start)
            self.up_again.set()

        self._tasks.add(asyncio.create_task(start()))
