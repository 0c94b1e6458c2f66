"""Where the gateway's time goes under load: py-spy where it is installed, else Python's own cProfile."""

from __future__ import annotations

import pstats
import shutil
import signal
import subprocess
import sys
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
    written: list[Path] = []
    with started(Sekisho(), place) as gateway:
        for mode in MODES:
            target = out / f"profile-{mode}.svg"
            command = [spy, "record", "--pid", str(gateway.roots[0]), "--rate", "250", "--output", str(target)]
            recorder = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                measure(gateway, place, load, mode)
            finally:
                recorder.send_signal(signal.SIGINT)
                recorder.wait(60)
            written.append(target)
    return written


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
