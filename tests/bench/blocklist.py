"""A million blocked addresses and a million prefixes: time to load, time of a look-up without a hit, memory.

Run: `python -m tests.bench.blocklist [SIZE]`.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.model.network import Network
from gateway.store.blocklist import Blocklist
from gateway.store.engine import open_store


def addresses(size: int) -> Iterator[tuple[str, str]]:
    """Distinct addresses as rows."""
    return (("address", f"customer-{number:07d}@host{number % 5000}.example") for number in range(size))


def networks(size: int) -> Iterator[tuple[str, str]]:
    """Networks of different lengths, spread over the whole space."""
    chance = random.Random(1)
    for _ in range(size):
        length = chance.choice((16, 20, 22, 24, 24, 24, 28, 32, 32, 32))
        first = chance.getrandbits(32) >> (32 - length) << (32 - length)
        yield "network", str(Network(4, first, length))


def fill(path: Path, rows: Iterator[tuple[str, str]]) -> None:
    """Insert rows past the committer, as they would stand after a long import."""
    database = sqlite3.connect(path)
    sql = (
        "INSERT INTO block_entry (id, seq, who, value, watched, reason, created_at) VALUES (?, ?, ?, ?, 0, 'bench', 0)"
    )
    with database:
        database.executemany(sql, ((f"{number:016d}", number, who, value) for number, (who, value) in enumerate(rows)))
    database.close()


def memory() -> float:
    """Resident memory in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def measure(name: str, rows: Iterator[tuple[str, str]]) -> None:
    """Fill a database, load it, ask it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sekisho.db"
        store = await open_store(f"sqlite:///{path}")
        await asyncio.to_thread(fill, path, rows)
        blocklist = Blocklist(store)
        before, started = memory(), time.perf_counter()
        await blocklist.follow()
        took, grown = time.perf_counter() - started, memory() - before
        chance = random.Random(2)
        asked = [f"nobody{chance.random()}@sub.mail.nowhere.example" for _ in range(20_000)]
        started = time.perf_counter()
        for address in asked:
            await blocklist.covering_address(address)
        address_time = (time.perf_counter() - started) / len(asked)
        ips = [".".join(str(chance.randrange(256)) for _ in range(4)) for _ in range(20_000)]
        held = blocklist._networks
        misses = [ip for ip in ips if ip not in held]
        started = time.perf_counter()
        for ip in misses:
            await blocklist.covering_ip(ip)
        ip_time = (time.perf_counter() - started) / max(len(misses), 1)
        print(
            f"{name}: loaded in {took:.2f} s, {grown:.0f} MB more; no hit: address {address_time * 1e6:.1f} µs, "
            f"IP {ip_time * 1e6:.1f} µs ({len(misses)} asked)",
            flush=True,
        )
        await store.close()


def main() -> None:
    """Measure both kinds, each in its own database."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    asyncio.run(measure(f"{size} addresses", addresses(size)))
    asyncio.run(measure(f"{size} networks", networks(size)))


if __name__ == "__main__":
    main()
