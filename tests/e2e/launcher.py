"""`sekisho run` in which a test can shift the clock and list what is still at work; nothing else differs.

SEKISHO_TEST_CLOCK names a file with seconds that are added to every clock, read again each time; the queue is then
polled often. SEKISHO_TEST_DRAIN is how many seconds a stop may drain, SEKISHO_TEST_FREE a file with the bytes that
the disk has free. On SIGUSR1 the names of all unfinished tasks, and the number of objects that the collector leaves
alone, go into the file that SEKISHO_TEST_STATE names.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import json
import os
import signal
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from gateway.cli import main, run
from gateway.daemon import Daemon

CLOCKED = (
    "gateway.delivery.service",
    "gateway.intake.judge",
    "gateway.model.exchange",
    "gateway.replies.notices",
    "gateway.screening.screener",
    "gateway.store.evidence_log",
)
POLL = 0.2  # seconds


class ShiftedClock(datetime):
    """`datetime` whose `now` is ahead by the seconds in a file."""

    file = Path()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=float(cls.file.read_text() or 0))


class ObservedDaemon(Daemon):
    """The daemon, with its state on SIGUSR1."""

    async def run(self) -> None:
        loop, me = asyncio.get_running_loop(), asyncio.current_task()

        def write() -> None:
            names = sorted(task.get_name() for task in asyncio.all_tasks() if task is not me)
            state = {"tasks": names, "frozen": gc.get_freeze_count()}
            Path(os.environ["SEKISHO_TEST_STATE"]).write_text(json.dumps(state))

        loop.add_signal_handler(signal.SIGUSR1, write)
        await super().run()


def prepare() -> None:
    """Put the test's means in place."""
    daemon: Any = importlib.import_module("gateway.daemon")
    if "SEKISHO_TEST_DRAIN" in os.environ:
        daemon.DRAIN = float(os.environ["SEKISHO_TEST_DRAIN"])
    if "SEKISHO_TEST_FREE" in os.environ:
        daemon.free_bytes = lambda folder: int(Path(os.environ["SEKISHO_TEST_FREE"]).read_text())
    if "SEKISHO_TEST_CLOCK" in os.environ:
        ShiftedClock.file = Path(os.environ["SEKISHO_TEST_CLOCK"])
        for name in CLOCKED:
            importlib.import_module(name).datetime = ShiftedClock  # type: ignore[attr-defined]
        daemon.DeliveryService = functools.partial(daemon.DeliveryService, poll=POLL)
    if "SEKISHO_TEST_STATE" in os.environ:
        run.Daemon = ObservedDaemon  # type: ignore[attr-defined]


if __name__ == "__main__":
    prepare()
    main.main()
