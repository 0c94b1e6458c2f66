"""Where the gateway's time goes under load: py-spy where it is installed, else Python's own cProfile."""

from __future__ import annotations

import pstats
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.bench.contestants import Place, Sekisho, started
from tests.bench.load import MODES, Load, measure

_LINES = 40


def profile(place: Place, load: Load, out: Path) -> list[Path]:
    """Send one load in every mode to a gateway under a profiler and return the files written."""
    out.mkdir(parents=True, exist_ok=True)
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    return _by_spy(spy, place, load, out) if spy else _by_cprofile(place, load, out)


def _by_spy(spy: str, place: Place, load: Load, out: Path) -> list[Path]:
    """py-spy sees all threads and costs little; its folded stacks open in any flame graph viewer."""
    written: list[Path] = []
    with started(Sekisho(), place) as gateway:
        for mode in MODES:
            folded = out / f"profile-{mode}.folded"
            command = [spy, "record", "--pid", str(gateway.roots[0]), "--rate", "250", "--format", "raw"]
            recorder = subprocess.Popen(
                [*command, "--output", str(folded)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                measure(gateway, place, load, mode)
            finally:
                recorder.send_signal(signal.SIGINT)
                recorder.wait(60)
            text = folded.with_suffix(".txt")
            text.write_text(shares(folded.read_text("utf-8")), encoding="utf-8")
            written += [folded, text]
    return written


def shares(folded: str) -> str:
    """Of folded stacks (`outer;inner 12` a line): each function's share, alone and with callees."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    total = sum(own.values()) or 1
    lines = [f"{total} samples"]
    for title, counter in (("own time", own), ("with callees", within)):
        lines += ["", title, *(f"{count / total:6.1%}  {frame}" for frame, count in counter.most_common(_LINES))]
    return "\n".join(lines) + "\n"


def _by_cprofile(place: Place, load: Load, out: Path) -> list[Path]:
    """cProfile sees the event loop's thread alone, and slows it down: read the shares, not the seconds."""
    written: list[Path] = []
    for mode in MODES:
        raw = out / f"profile-{mode}.pstats"
        with started(Sekisho(wrapper=("-m", "cProfile", "-o", str(raw))), place) as gateway:
            measure(gateway, place, load, mode)
        text = raw.with_suffix(".txt")
        with text.open("w", encoding="utf-8") as stream:
            stats = pstats.Stats(str(raw), stream=stream)
            for order in ("tottime", "cumulative"):
                stats.sort_stats(order).print_stats(_LINES)
        written += [raw, text]
    return written
