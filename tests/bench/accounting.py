"""CPU time and memory of a tree of processes, children that have ended included."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_TICK = os.sysconf("SC_CLK_TCK")


def tree(roots: Sequence[int]) -> list[int]:
    """The living processes of the trees under `roots`."""
    found: list[int] = []
    for root in roots:
        try:
            process = psutil.Process(root)
            found += [root, *(child.pid for child in process.children(recursive=True))]
        except psutil.NoSuchProcess:
            continue
    return found


def cpu_seconds(roots: Sequence[int]) -> float:
    """User and system time that the trees have used; what an ended child used counts with the parent that reaped it."""
    ticks = 0
    for pid in tree(roots):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(int(value) for value in fields[11:15])  # utime stime cutime cstime
    return ticks / _TICK


def memory_bytes(roots: Sequence[int]) -> tuple[int, int]:
    """Resident and proportional set size of the trees: RSS counts a shared page in every process, PSS once."""
    resident = proportional = 0
    for pid in tree(roots):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        for line in rollup.splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                resident += int(rest.split()[0]) * 1024
            elif name == "Pss":
                proportional += int(rest.split()[0]) * 1024
    return resident, proportional


@dataclass
class Peak:
    """The highest values seen while sampling, in bytes."""

    rss: int = 0
    pss: int = 0


@contextmanager
def sampling(roots: Sequence[int], interval: float = 0.5) -> Iterator[Peak]:
    """Sample memory in a thread until the block ends; each sample costs about a millisecond for every process."""
    peak = Peak()
    done = threading.Event()

    def sample() -> None:
        while True:
            rss, pss = memory_bytes(roots)
            peak.rss, peak.pss = max(peak.rss, rss), max(peak.pss, pss)
            if done.wait(interval):
                return

    thread = threading.Thread(target=sample, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def settle(roots: Sequence[int], *, longest: float = 5.0, idle: float = 0.03) -> None:
    """Wait until the trees use less than `idle` of one CPU, or for `longest` seconds."""
    end = time.monotonic() + longest
    before = cpu_seconds(roots)
    while time.monotonic() < end:
        time.sleep(0.4)
        now = cpu_seconds(roots)
        if (now - before) / 0.4 <= idle:
            return
        before = now
