"""What was acknowledged is there, whole and once, after a process was killed in the midst of its work."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import func, select

from gateway.evidence.key_files import load_key
from gateway.evidence.verify import verify
from gateway.store.engine import open_store
from gateway.store.tables import body, log, log_state, message, queue, reply

LOAD = """
import asyncio, itertools, os, sys
from gateway.evidence.checkpoint import make_checkpoint
from gateway.evidence.key_files import load_key
from gateway.store.engine import open_store
from tests.integration.stores import accept, acceptance, exchange, plan
from pathlib import Path

folder, round_number = Path(sys.argv[1]), sys.argv[2]

async def main():
    store = await open_store(f"sqlite:///{folder}/sekisho.db")
    store.claim_gateway("node")
    key = load_key(folder / "log.key")
    numbers = itertools.count()

    async def send():
        for number in numbers:
            came = exchange(f"{round_number}-{number}" + "x" * 4000)
            await store.committer.submit(accept(acceptance(came, reply=plan(f"c{number % 7}@example.com"))))
            os.write(1, (came.id + "\\n").encode())

    async def seal():
        while True:
            await asyncio.sleep(0.05)
            await make_checkpoint(store, key, folder / "checkpoints.txt")

    await asyncio.gather(*[send() for _ in range(20)], seal())

asyncio.run(main())
"""


async def test_kill_9_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for number in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", LOAD, str(tmp_path), str(number)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            time.sleep(random.uniform(0.05, 0.6))
        finally:
            process.kill()
            process.wait()
        lines = [first, *process.stdout.read().splitlines(keepends=True)]
        process.stdout.close()
        acknowledged += [line.decode().strip() for line in lines if line.endswith(b"\n")]
        assert len(lines) > 1

        store = await open_store(f"sqlite:///{tmp_path}/sekisho.db")
        found = await verify(store, [load_key(tmp_path / "log.key").public_key()], tmp_path / "checkpoints.txt")
        assert found.holds, found.fault
        async with store.read() as connection:
            kept = list((await connection.execute(select(message.c.id).where(message.c.direction == "in"))).scalars())
            counts = [
                await connection.scalar(select(func.count()).select_from(table))
                for table in (log, message, body, queue)
            ]
            replies = (await connection.execute(select(reply.c.address))).scalars().all()
            size = await connection.scalar(select(log_state.c.size))
        await store.close()
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept))
        assert counts == [size] * 4  # every mail has its record, body and queue entry, or none of them
        assert len(replies) == len(set(replies))  # one a day for each address, also across the crashes
