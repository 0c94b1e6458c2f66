"""One measured run: mail in by smtp-source, out into smtp-sink, and what it cost in between."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from statistics import median

from tests.bench.accounting import cpu_seconds, sampling, settle
from tests.bench.contestants import RECIPIENT, Place, Started
from tests.servers.sink import smtp_source

MODES = {"each": "a connection each", "reused": "connections reused"}


@dataclass(frozen=True)
class Load:
    """How much is sent: messages in a run, bytes of a message, sessions in parallel."""

    messages: int = 2000
    size: int = 4096
    sessions: int = 20


@dataclass(frozen=True)
class Result:
    """Messages a second until the last was accepted and until the sink had it; CPU ms a message; peak memory in MB."""

    accepted: float
    drained: float
    cpu_ms: float
    rss_mb: float
    pss_mb: float


def measure(contestant: Started, place: Place, load: Load, mode: str) -> Result:
    """Send one load and follow it to the sink; an error with the contestant's log where mail does not arrive."""
    before = place.sink.count
    settle(contestant.roots)
    cpu = cpu_seconds(contestant.roots)
    with sampling(contestant.roots) as peak:
        begun = time.monotonic()
        try:
            took = smtp_source(
                contestant.port,
                load.messages,
                sender="customer@mail.example",
                recipient=RECIPIENT,
                sessions=load.sessions,
                length=load.size,
                reuse=mode == "reused",
                timeout=600,
            )
            place.sink.wait_for(before + load.messages, timeout=300)
        except (RuntimeError, TimeoutError) as error:
            raise type(error)(f"{error}\n{contestant.log_tail()}") from None
        drained = place.sink.last - begun
        settle(contestant.roots)
    used = cpu_seconds(contestant.roots) - cpu
    return Result(
        accepted=load.messages / took,
        drained=load.messages / drained,
        cpu_ms=used * 1000 / load.messages,
        rss_mb=peak.rss / 2**20,
        pss_mb=peak.pss / 2**20,
    )


def medians(results: list[Result]) -> dict[str, float]:
    """The median of every column over the rounds."""
    rows = [asdict(result) for result in results]
    return {name: median(row[name] for row in rows) for name in rows[0]}
