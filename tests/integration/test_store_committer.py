"""The committer on real databases: groups, isolation, failures, and recovery from them."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from gateway.errors import Refused, StoreError
from gateway.model.merkle import Frontier
from gateway.store import committer as committing
from gateway.store import evidence_log
from gateway.store.batch import Batch
from gateway.store.engine import Store, open_store
from gateway.store.maintenance import upgrade
from gateway.store.tables import log, log_block, log_state, person, sender_origin, setting
from gateway.text import Text
from tests.integration.stores import Work, note, now
from tests.servers.postgresql import PostgresqlServer


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "sqlite":
        opened = await open_store(f"sqlite:///{tmp_path}/sekisho.db")
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.new_database()
        await upgrade(url)
        opened = await open_store(url)
    yield opened
    await opened.close()


@pytest.fixture
async def file_store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/sekisho.db", commit_timeout=20)
    yield opened
    await opened.close()


async def count(store: Store, table: Any) -> int:
    async with store.read() as connection:
        found: int = await connection.scalar(select(func.count()).select_from(table)) or 0
        return found


def name_person(id: str, *, fail: Exception | None = None, write: bool = False) -> Work:
    async def work(batch: Batch) -> int:
        batch.insert(person, {"id": id, "name": id, "created_at": batch.now})
        seq = batch.append("notice", {"person": id})
        if write:
            await batch.execute(update(person).where(person.c.id == id).values(note="seen"))
        if fail is not None:
            raise fail
        return seq

    return Work(work)


async def test_units_that_wait_together_are_committed_together(store: Store) -> None:
    numbers = await asyncio.gather(*[store.committer.submit(note(str(i))) for i in range(300)])
    assert numbers == list(range(300))
    assert store.committer.transactions == 3  # 128 at most in each
    assert store.committer.units == 300
    assert await count(store, log) == 300
    assert await count(store, log_block) == 1


async def test_log_state_is_the_frontier_of_the_leaves(store: Store) -> None:
    for size in (3, 260, 5):
        await asyncio.gather(*[store.committer.submit(note()) for _ in range(size)])
    async with store.read() as connection:
        leaves = (await connection.execute(select(log.c.leaf).order_by(log.c.seq))).scalars().all()
        state = (await connection.execute(select(log_state))).one()
        newest = await connection.scalar(select(func.max(log.c.at)))
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert (state.size, state.frontier, state.at) == (268, frontier.pack(), newest)


async def test_a_failing_unit_is_left_out_and_the_others_go_through(store: Store) -> None:
    boom = Refused(Text("だめ", "no"))
    units = [name_person("a"), name_person("b", fail=boom), name_person("c", fail=boom, write=True), name_person("d")]
    results = await asyncio.gather(*[store.committer.submit(u) for u in units], return_exceptions=True)
    assert results == [0, boom, boom, 1]
    assert store.committer.transactions == 1
    async with store.read() as connection:
        assert (await connection.execute(select(person.c.id).order_by(person.c.id))).scalars().all() == ["a", "d"]
    assert await count(store, log) == 2


async def test_a_row_that_the_database_refuses_does_not_take_the_others_with_it(store: Store) -> None:
    await store.committer.submit(name_person("twice"))
    units = [name_person("a"), name_person("twice"), name_person("b", write=True)]
    results = await asyncio.gather(*[store.committer.submit(u) for u in units], return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], StoreError)
    assert results[2] == 2
    assert await count(store, person) == 3
    assert await count(store, log) == 3


async def test_a_failing_query_in_one_unit_does_not_poison_the_others(store: Store) -> None:
    async def broken(batch: Batch) -> None:
        await batch.execute(text("SELECT nothing FROM nowhere"))

    work = [name_person("a"), Work(broken), name_person("b")]
    results = await asyncio.gather(*[store.committer.submit(w) for w in work], return_exceptions=True)
    assert isinstance(results[1], StoreError)
    assert results[::2] == [0, 1]
    assert await count(store, person) == 2
    assert await store.committer.submit(name_person("c")) >= 0


async def test_execute_sees_what_was_inserted_before(store: Store) -> None:
    async def look(batch: Batch) -> list[str]:
        batch.insert(person, {"id": "own", "name": "own", "created_at": batch.now})
        return list((await batch.execute(select(person.c.id).order_by(person.c.id))).scalars().all())

    results = await asyncio.gather(store.committer.submit(name_person("earlier")), store.committer.submit(Work(look)))
    assert results[1] == ["earlier", "own"]


async def test_a_sender_at_an_ip_counts_on(store: Store) -> None:
    first = now()

    def seen(at: datetime, trust: str) -> Work:
        async def work(batch: Batch) -> None:
            row = {"sender": "a@b.example", "ip": "192.0.2.1", "first_at": at, "last_at": at, "mails": 1}
            batch.insert(sender_origin, {**row, "trust": trust})

        return Work(work)

    times = [first, first + timedelta(hours=2), first + timedelta(hours=1)]
    await asyncio.gather(*[store.committer.submit(seen(at, "peer")) for at in times])
    await store.committer.submit(seen(first - timedelta(hours=1), "shared"))
    async with store.read() as connection:
        row = (await connection.execute(select(sender_origin))).one()
    assert (row.mails, row.first_at, row.last_at, row.trust) == (4, first - timedelta(hours=1), times[1], "shared")


async def test_a_submitter_that_hangs_up_does_not_cancel_the_commit(store: Store) -> None:
    """aiosmtpd: a client's disconnect cancels the handler in the midst of its await."""
    task = asyncio.create_task(store.committer.submit(name_person("a")))
    other = asyncio.create_task(store.committer.submit(name_person("b")))
    await asyncio.sleep(0)
    task.cancel()
    assert await other == 1
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(store, person) == 2


async def test_the_logs_clock_never_runs_backwards(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) - timedelta(days=1)

    await store.committer.submit(note())
    monkeypatch.setattr(evidence_log, "datetime", Yesterday)
    times = []

    async def look(batch: Batch) -> None:
        batch.append("notice", {})
        times.append((batch.now, batch.clock))

    await store.committer.submit(Work(look))
    monkeypatch.undo()
    async with store.read() as connection:
        first, second = (await connection.execute(select(log.c.at).order_by(log.c.seq))).scalars().all()
    assert second == first
    assert times[0][0] == first
    assert times[0][1] < now() - timedelta(hours=23)


async def test_close_commits_what_waits_and_then_refuses(store: Store) -> None:
    waiting = [asyncio.create_task(store.committer.submit(note())) for _ in range(10)]
    await asyncio.sleep(0)
    await store.committer.close()
    assert await asyncio.gather(*waiting) == list(range(10))
    with pytest.raises(StoreError):
        await store.committer.submit(note())


async def test_too_much_waiting_work_is_turned_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committing, "WAITING", 5)
    tasks = [asyncio.create_task(store.committer.submit(note())) for _ in range(8)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(r, StoreError) for r in results) == 3
    assert await count(store, log) == 5


async def test_large_units_are_not_gathered_into_one_transaction(store: Store) -> None:
    def heavy() -> Work:
        unit = note()
        unit.weight = 40 * 1024 * 1024  # type: ignore[attr-defined]
        return unit

    await asyncio.gather(*[store.committer.submit(heavy()) for _ in range(3)])
    assert store.committer.transactions == 3


async def test_a_lock_held_by_another_program_is_an_error_in_time_and_then_forgotten(
    file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await file_store.committer.submit(note())
    other = sqlite3.connect(str(file_store.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    results = await asyncio.gather(*[file_store.committer.submit(note()) for _ in range(3)], return_exceptions=True)
    assert time.monotonic() - started < 12
    assert all(isinstance(r, StoreError) and r.text == committing_locked() for r in results)
    other.execute("ROLLBACK")
    other.close()
    assert await file_store.committer.submit(note()) == 1
    assert await count(file_store, log) == 2


def committing_locked() -> Text:
    from gateway.store.failures import LOCKED

    return LOCKED


async def test_a_full_disk_keeps_nothing_and_work_goes_on_by_itself_afterwards(file_store: Store) -> None:
    """A file-size limit (EFBIG), set and lifted while the store is open."""
    await file_store.committer.submit(name_person("before"))
    assert file_store.path is not None
    wal = file_store.path.with_name(file_store.path.name + "-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(wal, file_store.path.stat().st_size) + 100_000, hard))
    try:
        big = [fill(i, 80_000) for i in range(4)]
        results = await asyncio.gather(*[file_store.committer.submit(w) for w in big], return_exceptions=True)
        assert all(isinstance(r, StoreError) for r in results)
        again = await asyncio.gather(file_store.committer.submit(fill(9, 2_000_000)), return_exceptions=True)
        assert isinstance(again[0], StoreError)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await count(file_store, person) == 1
    assert await file_store.committer.submit(name_person("after")) == 1
    assert await file_store.committer.submit(fill(1, 300_000)) == 2


def fill(number: int, size: int) -> Work:
    async def work(batch: Batch) -> int:
        row = {"id": f"big{number}", "name": "x" * size, "note": str(number), "created_at": batch.now}
        batch.insert(person, row)
        return batch.append("notice", {"number": number})

    return Work(work)


async def nothing_left(store: Store) -> None:
    """No task waits for a connection that was thrown away, and none but the writer's is out of the pool."""
    await asyncio.sleep(0.2)
    assert len(asyncio.all_tasks()) == 1
    assert store.engine.pool.checkedout() == 1  # type: ignore[attr-defined]


async def test_a_commit_that_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/sekisho.db", commit_timeout=0.5)
    try:
        release = asyncio.Event()

        async def hang(batch: Batch) -> None:
            batch.insert(setting, {"name": "hung", "value": 1, "at": now()})
            await batch.flush(writes=True)
            await release.wait()

        started = time.monotonic()
        results = await asyncio.gather(
            store.committer.submit(Work(hang)), store.committer.submit(note()), return_exceptions=True
        )
        assert time.monotonic() - started < 5
        assert all(isinstance(r, StoreError) and r.text == committing.HUNG for r in results)
        for _ in range(50):  # the connection that was thrown away lets go of the lock in the background
            try:
                assert await store.committer.submit(note()) == 0
                break
            except StoreError:
                await asyncio.sleep(0.1)
        else:
            pytest.fail("the store did not recover")
        assert await count(store, setting) == 0
        await nothing_left(store)
    finally:
        await store.close()


async def test_a_database_whose_thread_hangs_is_given_up_in_time(tmp_path: Path) -> None:
    """The driver's thread stuck in a call, as on a disk that does not answer."""
    store = await open_store(f"sqlite:///{tmp_path}/sekisho.db", commit_timeout=0.5)
    try:
        await store.committer.submit(note())
        writer: Any = store.committer._writer
        stuck = asyncio.create_task(writer._driver.in_thread(lambda raw: time.sleep(3)))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        with pytest.raises(StoreError):
            await store.committer.submit(note())
        assert time.monotonic() - started < 2
        assert await store.committer.submit(note()) == 1  # on a new connection, at once
        await stuck
        await nothing_left(store)
    finally:
        await store.close()


async def test_postgresql_that_restarts_is_used_again(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    await upgrade(url)
    store = await open_store(url)
    try:
        assert await store.committer.submit(note()) == 0
        assert await count(store, log) == 1
        postgresql.stop()
        try:
            results = await asyncio.gather(store.committer.submit(note()), count(store, log), return_exceptions=True)
        finally:
            postgresql.start()
        assert all(isinstance(r, StoreError) for r in results)
        assert await store.committer.submit(note()) == 1
        assert await count(store, log) == 2
        # idle while it restarts: nobody notices
        postgresql.stop()
        postgresql.start()
        assert await count(store, log) == 2
        assert await store.committer.submit(note()) == 2
        await nothing_left(store)
    finally:
        await store.close()


async def test_two_gateways_on_one_postgresql_append_to_one_log_without_gaps(postgresql: PostgresqlServer) -> None:
    """bigserial leaves gaps after a rollback; numbers given under the lock do not."""
    url = postgresql.new_database()
    await upgrade(url)
    stores = [await open_store(url) for _ in range(2)]
    try:
        for store in stores:
            store.claim_gateway("node")
        boom = Refused(Text("だめ", "no"))

        async def load(store: Store, who: str) -> list[Any]:
            made: list[Any] = []
            for i in range(15):
                work = [name_person(f"{who}{i}-{j}", fail=boom if j == 2 else None) for j in range(4)]
                made += await asyncio.gather(*[store.committer.submit(w) for w in work], return_exceptions=True)
            return [m for m in made if m is not boom]

        numbers = await asyncio.gather(load(stores[0], "a"), load(stores[1], "b"))
        assert sorted(numbers[0] + numbers[1]) == list(range(90))
        async with stores[0].read() as connection:
            times = (await connection.execute(select(log.c.at).order_by(log.c.seq))).scalars().all()
        assert list(times) == sorted(times)
    finally:
        for store in stores:
            await store.close()


async def test_times_are_utc_with_microseconds_from_both_databases(store: Store) -> None:
    """SQLite returns naive datetimes: an own UTC type."""
    at = datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)

    async def work(batch: Batch) -> None:
        batch.insert(setting, {"name": "at", "value": {"a": ["あ"]}, "at": at})

    await store.committer.submit(Work(work))
    async with store.read() as connection:
        row = (await connection.execute(select(setting))).one()
    assert (row.at, row.value) == (at, {"a": ["あ"]})
    assert row.at.tzinfo is UTC


@pytest.mark.parametrize("write", [False, True])
async def test_two_programs_that_append_to_one_file_keep_one_log(tmp_path: Path, write: bool) -> None:
    """What a committer remembers of the log's end is looked at again: another program may have appended meanwhile."""
    stores = [await open_store(f"sqlite:///{tmp_path}/sekisho.db") for _ in range(2)]
    seqs: list[int] = []
    for turn in range(30):
        for number, store in enumerate(stores):
            seqs.append(await store.committer.submit(name_person(f"p{turn}-{number}", write=write)))
    both = [store.committer.submit(name_person(f"b{i}-{n}")) for i in range(20) for n, store in enumerate(stores)]
    seqs += await asyncio.gather(*both)
    assert sorted(seqs) == list(range(100))
    async with stores[0].read() as connection:
        rows = (await connection.execute(select(log.c.leaf).order_by(log.c.seq))).all()
        state = (await connection.execute(select(log_state.c.size, log_state.c.frontier))).one()
    frontier = Frontier()
    for row in rows:
        frontier.append(row.leaf)
    assert (state.size, state.frontier) == (100, frontier.pack())
    for store in stores:
        await store.close()
