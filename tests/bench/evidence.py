"""Proofs and verification of a log of a million records: `python -m tests.bench.evidence [RECORDS]`."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil

from gateway.evidence.checkpoint import make_checkpoint
from gateway.evidence.key_files import load_key
from gateway.evidence.verify import verify
from gateway.model.merkle import BLOCK, Frontier, consistent, leaf_hash, root_from_inclusion
from gateway.model.record import canonical_json, leaf_text
from gateway.store.engine import Store, open_store
from gateway.store.proofs import Prover, consistency, inclusion, leaf
from gateway.store.types import from_micros

RECORDS = 1_000_000
ROUNDS = 200
_START = 1_790_000_000_000_000  # microseconds
_PAGE = 20_000


def measure(records: int = RECORDS, folder: Path = Path("/var/tmp")) -> dict[str, Any]:
    """Times of proofs in milliseconds, records a second of `verify`, and its memory.

    The first proof of a process reads the hashes of all blocks; they are kept then.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        return asyncio.run(_measure(Path(place), records))


async def _measure(folder: Path, records: int) -> dict[str, Any]:
    url = f"sqlite:///{folder}/sekisho.db"
    await (await open_store(url)).close()
    began = time.perf_counter()
    await asyncio.to_thread(fill, folder / "sekisho.db", records)
    filled = time.perf_counter() - began
    store = await open_store(url)
    try:
        key = load_key(folder / "key")
        made = await make_checkpoint(store, key, folder / "checkpoints.txt")
        assert made is not None
        numbers = await _proofs(store, records, made.checkpoint.root)
        before = psutil.Process().memory_info().rss
        began = time.perf_counter()
        found = await verify(store, [key.public_key()], folder / "checkpoints.txt")
        took = time.perf_counter() - began
        assert found.holds
        assert found.size == records
        grown = (psutil.Process().memory_info().rss - before) / 1e6
        return {
            "records": records,
            "filled_per_s": round(records / filled),
            **numbers,
            "verify_s": round(took, 1),
            "verify_per_s": round(records / took),
            "verify_grows_mb": round(grown, 1),
        }
    finally:
        await store.close()


async def _proofs(store: Store, records: int, root: bytes) -> dict[str, float]:
    chance, prover = random.Random(1), Prover(store)
    pairs = [tuple(sorted(chance.sample(range(1, records + 1), 2))) for _ in range(ROUNDS)]
    seqs = [chance.randrange(records) for _ in range(ROUNDS)]
    for seq in seqs[:3]:
        path = await inclusion(store, seq, records)
        assert root_from_inclusion(seq, records, await leaf(store, seq), path) == root
    for old, new in pairs[:3]:
        assert consistent(old, new, await prover.root(old), await prover.root(new), await prover.consistency(old, new))

    async def first(seq: int) -> None:
        await Prover(store).inclusion(seq, records)

    return {
        "first_proof_ms": await _median(first, [(seq,) for seq in seqs]),
        "inclusion_ms": await _median(inclusion, [(store, seq, records) for seq in seqs]),
        "consistency_ms": await _median(consistency, [(store, *pair) for pair in pairs]),
    }


async def _median(work: Callable[..., Coroutine[Any, Any, Any]], rounds: list[Any]) -> float:
    """The median in milliseconds: one slow read of the disk does not count."""
    times = []
    for arguments in rounds:
        began = time.perf_counter()
        await work(*arguments)
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 2)


def fill(path: Path, records: int) -> None:
    """Write records as the gateway writes them, many times faster."""
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA synchronous = OFF")
    frontier, blocks = Frontier(), []
    for first in range(0, records, _PAGE):
        rows = []
        for seq in range(first, min(first + _PAGE, records)):
            salt, at = os.urandom(32), _START + seq
            record = canonical_json({"entry": f"{seq:016d}", "results": [{"code": 250, "text": "2.0.0 Ok"}], "n": seq})
            leaf = leaf_hash(leaf_text(seq, from_micros(at), "delivery", salt, record))
            rows.append((seq, at, "delivery", leaf, salt, record))
            if (block := frontier.append(leaf)) is not None:
                blocks.append((seq // BLOCK, block))
        raw.executemany("INSERT INTO log (seq, at, kind, leaf, salt, record) VALUES (?, ?, ?, ?, ?, ?)", rows)
    raw.executemany("INSERT INTO log_block VALUES (?, ?)", blocks)
    end = (frontier.size, frontier.pack(), _START + records - 1)
    raw.execute("UPDATE log_state SET size = ?, frontier = ?, at = ?", end)
    raw.commit()
    raw.close()


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS), indent=2))
