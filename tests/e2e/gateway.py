"""`sekisho run` as a process: its config, its start and end, what it logs, and what it has on record."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import yaml
from sqlalchemy import func, select

from gateway.config import scaffold
from gateway.evidence.key_files import load_key
from gateway.evidence.verify import Verification, verify
from gateway.store import schema
from gateway.store.body import unpack
from gateway.store.engine import Store, database_url, make_engine
from gateway.store.tables import body, log, message, queue
from tests.servers.process import tail, wait_until

HOSTNAME = "mx.shop.example"
OPEN = ("waiting", "leased", "sending")
START = 60.0  # seconds that a start may take on a busy machine

T = TypeVar("T")


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `more` laid over it, section by section; None takes a key away."""
    made = dict(base)
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(made.get(key), Mapping):
            made[key] = merged(made[key], value)
        elif value is None:
            made.pop(key, None)
        else:
            made[key] = value
    return made


@dataclass
class Gateway:
    """One gateway in a folder of its own; it may be started again and again on the same data."""

    folder: Path
    dns: int = 0
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    starts: int = 0
    environ: dict[str, str] = field(default_factory=dict)
    preexec: Callable[[], None] | None = None
    _from: int = 0  # where in the log this run begins

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def rules(self) -> Path:
        return self.folder / "rules.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "gateway.log"

    @property
    def settings(self) -> dict[str, Any]:
        kept: dict[str, Any] = yaml.safe_load(self.config.read_text("utf-8"))
        return kept

    @property
    def database(self) -> str:
        url: str = self.settings["storage"]["database"]
        name = url.removeprefix("sqlite:///")
        return url if name == url else f"sqlite:///{self.folder / name}"

    def write(self, rules: str | None = None, **settings: Any) -> None:
        """Make the folder as `sekisho init` does, with these settings laid over a config for tests."""
        scaffold.write(self.folder, "ja")
        base = {
            "shop": {
                "name": "和み工房",
                "contact": "support@shop.example",
                "addresses": ["shop@shop.example", "@order.shop.example"],
                "owner": "owner@shop.example",
                "language": "ja",
                "timezone": "Asia/Tokyo",
            },
            "storage": {"database": "sqlite:///data/sekisho.db", "minimum_free": "1MB"},
            "smtp": {"listen": ["127.0.0.1:0"], "hostname": HOSTNAME},
            "mailbox": "maildir:maildir",
            "delivery": {"first_retry": "1s", "longest_retry": "4h"},
            "replies": {"per_day": 1000000},
            "dns": {"servers": [f"127.0.0.1:{self.dns}"]},
            "rules": "rules.yaml",
            "templates": "templates/",
        }
        self.config.write_text(yaml.safe_dump(merged(base, settings), allow_unicode=True), encoding="utf-8")
        if rules is not None:
            self.rules.write_text(rules, encoding="utf-8")

    def set(self, **settings: Any) -> None:
        """Change settings in the config file."""
        self.config.write_text(yaml.safe_dump(merged(self.settings, settings), allow_unicode=True), encoding="utf-8")

    def start(self, *, wait: bool = True) -> Gateway:
        """Start it and wait for its ready line; RuntimeError with its log where it ends instead."""
        module = "tests.e2e.launcher" if self.environ else "gateway"
        self._from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "-c", str(self.config), "run"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environ},
                cwd=Path(__file__).parents[2],
                preexec_fn=self.preexec,
            )
        self.starts += 1
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Return when this run has logged `ready`."""

        def ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended with {self.process.returncode}\n{tail(self.log)}")
            return bool(self.events("ready"))

        wait_until(ready, "the gateway is ready", timeout=START, detail=lambda: tail(self.log))
        self.port = int(self.events("ready")[0]["listen"][0].rpartition(":")[2])

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, timeout: float = 45.0) -> int:
        """SIGTERM, and its exit code; TimeoutError where it does not end."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise TimeoutError(f"the gateway did not end\n{tail(self.log)}") from None

    def said(self) -> str:
        """What this run wrote on standard error so far."""
        with self.log.open("rb") as stream:
            stream.seek(self._from)
            return stream.read().decode("utf-8", "replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of this run with this event."""
        found = []
        for line in self.said().splitlines():
            if line.startswith("{") and line.endswith("}"):
                with contextlib.suppress(ValueError):
                    parsed = json.loads(line)
                    if parsed.get("event") == name:
                        found.append(parsed)
        return found

    def wait_event(self, name: str, count: int = 1, timeout: float = 20.0) -> list[dict[str, Any]]:
        """The events of this name as soon as there are `count`."""
        wait_until(
            lambda: len(self.events(name)) >= count,
            f"{name} in the log",
            timeout=timeout,
            detail=lambda: tail(self.log),
        )
        return self.events(name)

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        assert self.process is not None
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def state(self) -> dict[str, Any]:
        """Its unfinished asyncio tasks by name, and more (see the launcher); needs SEKISHO_TEST_STATE in `environ`."""
        file = Path(self.environ["SEKISHO_TEST_STATE"])
        file.unlink(missing_ok=True)
        self.signal(signal.SIGUSR1)
        wait_until(lambda: file.exists() and file.read_text().endswith("}"), "the state")
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    @property
    def tasks(self) -> list[str]:
        """The unfinished asyncio tasks by name."""
        names: list[str] = self.state()["tasks"]
        return names

    # what is on record

    def with_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Run `work` on this gateway's database, whether it runs or not."""

        async def run() -> T:
            url = database_url(self.database)
            store = Store(url, make_engine(url))  # the gateway has made and checked it
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def rows(self, statement: Any) -> list[Any]:
        """The rows that a query gives."""

        async def work(store: Store) -> list[Any]:
            async with store.read() as connection:
                return list((await connection.execute(statement)).all())

        return self.with_store(work)

    def messages(self, direction: str = "in") -> list[Any]:
        """The messages on record in the order of the log."""
        return self.rows(select(message).where(message.c.direction == direction).order_by(message.c.seq))

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The log records of a kind, in order."""
        return [
            json.loads(row.record)
            for row in self.rows(select(log.c.record).where(log.c.kind == kind).order_by(log.c.seq))
        ]

    def stored(self, identifier: str) -> bytes:
        """The bytes on record of a message."""
        row = self.rows(select(body.c.zstd, message.c.size).join(message).where(message.c.id == identifier))[0]
        return bytes(unpack(row.zstd, row.size))

    def waiting(self, *states: str) -> int:
        """How many queue entries are in one of these states: by default those that are not over yet."""
        wanted = states or (*OPEN, "aside")
        statement = select(func.count()).select_from(queue).where(queue.c.state.in_(wanted))
        return int(self.rows(statement)[0][0])

    def sekisho(self, *arguments: str) -> str:
        """Run a command on this gateway's config; what it prints. CalledProcessError where it fails."""
        command = [sys.executable, "-m", "gateway", "-c", str(self.config), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2], timeout=300)
        return done.stdout.decode()

    def wait_drained(self, timeout: float = 60.0, *, aside: bool = False) -> None:
        """Return when nothing is left to send; `aside`: but what was set aside for a person to look at."""
        shown = select(queue.c.kind, queue.c.state, queue.c.attempts, queue.c.crashes, queue.c.last_error).where(
            queue.c.state.in_((*OPEN, "aside"))
        )
        end = time.monotonic() + timeout
        while self.waiting(*OPEN, *(() if aside else ("aside",))):
            if time.monotonic() > end:
                raise TimeoutError(f"not drained: {self.rows(shown.limit(20))}\n{tail(self.log, 15)}")
            time.sleep(0.1)

    def verify(self, *others: Gateway) -> Verification:
        """What `sekisho verify` finds; `others` share the database."""
        gateways = (self, *others)
        keys = [load_key(one.folder / "data" / "checkpoint.key").public_key() for one in gateways]
        return self.with_store(lambda store: verify(store, keys, self.folder / "data" / "checkpoints.txt"))

    def delivered(self) -> dict[str, list[bytes]]:
        """What lies in the Maildir, by exchange id; the two lines of final delivery are taken off."""
        return by_id(
            path.read_bytes().partition(b"Delivered-To: ")[2].partition(b"\r\n")[2]
            for path in sorted((self.folder / "maildir" / "new").glob("*"))
        )


def by_id(delivered: Any) -> dict[str, list[bytes]]:
    """Relayed messages by the id in our trace headers; what has none is under its own bytes."""
    found: dict[str, list[bytes]] = {}
    for raw in delivered:
        trace, mark, _ = raw.partition(b"X-Sekisho-Id: ")
        identifier = raw[len(trace) + len(mark) :].partition(b"\r\n")[0].decode("ascii", "replace") if mark else ""
        found.setdefault(identifier, []).append(raw)
    return found


def below_trace(relayed: bytes) -> bytes:
    """The message as it came: what stands below our own trace headers."""
    assert relayed.startswith(b"Received: from "), relayed[:200]
    top, mark, rest = relayed.partition(b"\r\nX-Sekisho-Id: ")
    assert mark, relayed[:500]
    assert f"by {HOSTNAME}".encode() in top
    return rest.partition(b"\r\n")[2]


def upgraded(url: str) -> str:
    """The URL of a database that has its tables now, as by `sekisho db upgrade`."""

    async def upgrade() -> None:
        engine = make_engine(database_url(url))
        await schema.upgrade_engine(engine)
        await engine.dispose()

    asyncio.run(upgrade())
    return url


@contextlib.contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    """The gateway started for a block; at its end it must stop in order."""
    gateway.start()
    try:
        yield gateway
    except BaseException:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.kill()
        raise
    else:
        assert gateway.stop() == 0, tail(gateway.log)
        assert "Traceback" not in gateway.said(), tail(gateway.log)
