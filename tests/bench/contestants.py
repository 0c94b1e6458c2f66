"""Who is measured: each contestant starts its processes in a folder, takes mail on a port and hands it on to a sink."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.servers.postfix import run_postfix
from tests.servers.process import free_port, running, tail
from tests.servers.rspamd import run_rspamd
from tests.servers.sink import Sink, run_sink

RECIPIENT = "shop@shop.example"


@dataclass(frozen=True)
class Place:
    """Where a contestant runs: a parent for its folders on a real disk, its sink, and the name server to ask."""

    parent: Path
    sink: Sink
    name_server: tuple[str, int]


@dataclass(frozen=True)
class Started:
    """A contestant that takes mail on `port`; all its work is done under the process ids `roots`."""

    port: int
    roots: tuple[int, ...]
    log: Path | None = None

    def log_tail(self) -> str:
        """The end of its log, for messages of failure."""
        return tail(self.log) if self.log else ""


class Contestant(Protocol):
    """A name for the table, and a way to run."""

    @property
    def name(self) -> str:
        """The name in tables."""

    def start(self, place: Place) -> Iterator[Started]:
        """Start, yield once, stop (wrapped by `contextmanager`)."""


@dataclass(frozen=True)
class PostfixAlone:
    """Postfix as Debian ships it: queue on disk, relaying to the sink. It logs to syslog, whose work is not counted."""

    name: str = "Postfix"
    settings: Mapping[str, str] = field(default_factory=dict)

    def start(self, place: Place) -> Iterator[Started]:
        """One instance."""
        with run_postfix(place.sink.port, self.settings, parent=place.parent, log=False) as postfix:
            yield Started(postfix.port, (postfix.pid,))


@dataclass(frozen=True)
class PostfixRspamd:
    """Postfix with rspamd as milter on a unix socket, with the rules its package ships and Redis; all of them counted.

    Mail comes from loopback, for which rspamd leaves out SPF, DMARC and block lists: it has less to do than in earnest.
    """

    name: str = "Postfix + rspamd"
    settings: Mapping[str, str] = field(default_factory=dict)

    def start(self, place: Place) -> Iterator[Started]:
        """Postfix, rspamd and Redis."""
        with ExitStack() as stack:
            rspamd = stack.enter_context(run_rspamd(name_server=place.name_server, parent=place.parent))
            settings = {"smtpd_milters": rspamd.milter, "milter_default_action": "tempfail", **self.settings}
            postfix = stack.enter_context(run_postfix(place.sink.port, settings, parent=place.parent, log=False))
            yield Started(postfix.port, (postfix.pid, *rspamd.pids), rspamd.folder / "rspamd.log")


@dataclass(frozen=True)
class Sekisho:
    """The gateway with the rules that `sekisho init` writes, SQLite on disk, mailbox and outgoing mail by SMTP."""

    name: str = "Sekisho"
    wrapper: tuple[str, ...] = ()  # a profiler's command line in front of `-m gateway run`

    def start(self, place: Place) -> Iterator[Started]:
        """`sekisho init`, our config over it, `sekisho run`."""
        from tests.servers.process import server_folder

        with server_folder("sekisho", place.parent) as folder, run_sink(dump=False) as replies:
            port = free_port()
            config = write_shop(folder, port, place, replies.port)
            command = [sys.executable, *self.wrapper, "-m", "gateway", "-c", str(config), "run"]
            log = folder / "sekisho.log"
            with running(command, log, ("127.0.0.1", port), timeout=60) as process:
                yield Started(port, (process.pid,), log)


def write_shop(folder: Path, port: int, place: Place, outgoing: int) -> Path:
    """A shop as `sekisho init` writes it, with a config that listens on `port` and delivers into the sinks."""
    shop = folder / "shop"
    made = subprocess.run([sys.executable, "-m", "gateway", "init", str(shop)], capture_output=True, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"sekisho init: {made.stdout.decode()}{made.stderr.decode()}")
    host, dns_port = place.name_server
    config = shop / "config.yaml"
    config.write_text(
        f"shop:\n  name: Bench\n  contact: support@shop.example\n  addresses: [{RECIPIENT}]\n"
        "  owner: owner@shop.example\n  language: en\n"
        f"storage:\n  database: sqlite:///{folder}/sekisho.db\n"
        f'smtp:\n  listen: ["127.0.0.1:{port}"]\n'
        f"mailbox: smtp://127.0.0.1:{place.sink.port}\n"
        f"outgoing: smtp://127.0.0.1:{outgoing}\n"
        f'dns: {{servers: ["{host}:{dns_port}"]}}\n'
        "rules: rules.yaml\ntemplates: templates/\n"
    )
    return config


CONTESTANTS: tuple[Contestant, ...] = (
    Sekisho(),
    PostfixAlone(),
    PostfixAlone("Postfix, in_flow_delay=0", {"in_flow_delay": "0"}),
    PostfixRspamd(),
)
MEASURE = "Postfix + rspamd"  # the contestant that ratios refer to


@contextmanager
def started(contestant: Contestant, place: Place) -> Iterator[Started]:
    """Run a contestant until the block ends."""
    yield from contestant.start(place)
