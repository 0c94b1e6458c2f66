"""`python -m tests.bench`: all contestants in turns, round after round, then a table and a JSON file."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from rich.console import Console

from tests.bench.contestants import CONTESTANTS, Contestant, Place, Started, started
from tests.bench.evidence import measure as measure_evidence
from tests.bench.lists import measure_lists
from tests.bench.load import MODES, Load, Result, measure
from tests.bench.profile import profile
from tests.bench.replay import measure_replay
from tests.bench.report import show, summary, write
from tests.servers.process import free_port, wait_until
from tests.servers.sink import run_sink

WARM_UP = 200  # messages sent before the first round, not counted


def main() -> int:
    """Measure as the options say."""
    options = _options()
    console = Console(stderr=True)
    load = Load(options.messages, options.size, options.sessions)
    chosen = [one for one in CONTESTANTS if not options.only or any(word in one.name.lower() for word in options.only)]
    if _in_memory(options.folder):
        console.print(f"{options.folder} is in memory: name a folder on a real disk with --folder", style="red")
        return 2
    with name_server() as address:
        if options.profile:
            with run_sink(dump=False) as sink:
                for path in profile(Place(options.folder, sink, address), load, options.out):
                    print(path)
            return 0
        results = rounds(chosen, load, options.rounds, options.folder, address, console)
    report = summary(load, results)
    if options.lists:
        console.print("lists of a million …")
        report["lists"] = measure_lists()
        subprocess.run([sys.executable, "-m", "tests.bench.blocklist"], check=True)  # the memory of a fresh process
    if options.evidence:
        console.print(f"an evidence log of {options.evidence} records …")
        report["evidence"] = measure_evidence(options.evidence, options.folder)
    if options.replay:
        console.print(f"replay of {options.replay} logged messages …")
        report["replay"] = measure_replay(options.folder, options.replay)
    if options.bundle:
        console.print("a bundle of 500 exhibits …")
        subprocess.run([sys.executable, "-m", "tests.bench.bundle"], check=True)
    wide = Console()
    show(report, wide if wide.is_terminal else Console(width=120))
    target = options.out / "bench.json"
    write(report, target)
    print(target)
    return 0


def rounds(
    chosen: Sequence[Contestant], load: Load, count: int, folder: Path, address: tuple[str, int], console: Console
) -> dict[str, dict[str, list[Result]]]:
    """All chosen contestants side by side, one at a time under load, in another order each round."""
    results: dict[str, dict[str, list[Result]]] = {one.name: {mode: [] for mode in MODES} for one in chosen}
    with ExitStack() as stack:
        field: list[tuple[str, Started, Place]] = []
        for one in chosen:
            console.print(f"starting {one.name} …")
            place = Place(folder, stack.enter_context(run_sink(dump=False)), address)
            running = stack.enter_context(started(one, place))
            measure(running, place, Load(WARM_UP, load.size, load.sessions), "each")
            field.append((one.name, running, place))
        for number in range(count):
            for mode in MODES:
                for name, running, place in field[number % len(field) :] + field[: number % len(field)]:
                    result = measure(running, place, load, mode)
                    results[name][mode].append(result)
                    console.print(
                        f"round {number + 1}/{count} {mode:6} {name:26} accepted {result.accepted:7.0f}/s "
                        f"drained {result.drained:7.0f}/s CPU {result.cpu_ms:5.2f} ms PSS {result.pss_mb:5.0f} MB",
                        highlight=False,
                        soft_wrap=True,
                    )
    return results


@contextmanager
def name_server() -> Iterator[tuple[str, int]]:
    """The name server that knows no name, as a process of its own."""
    port = free_port()
    process = psutil.Popen([sys.executable, "-m", "tests.bench.nameserver", str(port)])
    try:
        wait_until(lambda: _bound(process), "the name server listens")
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(10)


def _bound(process: psutil.Popen) -> bool:
    return bool(process.net_connections("udp"))


def _in_memory(folder: Path) -> bool:
    mounts = [part for part in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(part.mountpoint)]
    return bool(mounts) and max(mounts, key=lambda part: len(part.mountpoint)).fstype in {"tmpfs", "ramfs"}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=2000, help="messages in a run (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all contestants (default %(default)s)")
    parser.add_argument("--size", type=int, default=4096, help="bytes of a message (default %(default)s)")
    parser.add_argument("--sessions", type=int, default=20, help="sessions in parallel (default %(default)s)")
    parser.add_argument("--only", nargs="+", type=str.lower, help="contestants whose names hold one of these words")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="a folder on a real disk (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where results go (default %(default)s)")
    parser.add_argument("--no-lists", dest="lists", action="store_false", help="leave out the lists of a million")
    parser.add_argument(
        "--evidence", type=int, default=1_000_000, help="records to prove and verify (%(default)s; 0: none)"
    )
    parser.add_argument("--no-bundle", dest="bundle", action="store_false", help="leave out the bundle")
    parser.add_argument(
        "--replay", type=int, default=100_000, help="messages on record for replay (%(default)s; 0: none)"
    )
    parser.add_argument("--profile", action="store_true", help="profile the gateway instead, name the files written")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
