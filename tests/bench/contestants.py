"""Who is measured: each contestant starts its processes in a folder, takes mail on a port and hands it on to a sink."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.servers.gateway import RECIPIENT, run_gateway
from tests.servers.postfix import run_postfix
from tests.servers.process import tail
from tests.servers.rspamd import run_rspamd
from tests.servers.sink import Sink, run_sink

__all__ = ["CONTESTANTS", "MEASURE", "RECIPIENT", "Contestant", "Place", "Sekisho", "Started", "started"]


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
        with ExitStack() as stack:
            replies = stack.enter_context(run_sink(dump=False))
            host, port = place.name_server
            gateway = stack.enter_context(
                run_gateway(
                    f"smtp://127.0.0.1:{place.sink.port}",
                    outgoing=f"smtp://127.0.0.1:{replies.port}",
                    extra=f'dns: {{servers: ["{host}:{port}"]}}\n',
                    parent=place.parent,
                    wrapper=self.wrapper,
                )
            )
            yield Started(gateway.port, (gateway.pid,), gateway.log)


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
