"""Mail goes when its time is over, what a case holds stays, and the log verifies all the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from gateway.evidence.checkpoint import seal
from gateway.evidence.deletions import deletions
from gateway.evidence.key_files import load_keys
from gateway.evidence.log_records import records_about
from gateway.evidence.verify import verify
from gateway.model.fact import Fact
from gateway.store.calls import AddCall
from gateway.store.cases import AddCase, Hold
from gateway.store.engine import Store
from gateway.store.retention import CHUNK, retain
from gateway.store.tables import body, call, message, message_order, queue, recording, sender_origin
from gateway.text import plain
from tests.integration.databases import store as store
from tests.integration.stores import Work, accept, acceptance, exchange, plan

KEEP = timedelta(days=7 * 365)
OLD = timedelta(days=8 * 365)


async def fill(store: Store, count: int = 12) -> list[str]:
    """Mail of two customers, in turns, with a reply about the first."""
    ids = []
    for number in range(count):
        came = exchange(str(number), sender=("taro" if number % 2 else "hanako") + "@example.com")
        ids.append(came.id)
        facts = {"order": Fact((str(1000 + number),), plain("x"))}
        reply = plan(to="a@b.example") if number == 0 else None
        await store.committer.submit(accept(acceptance(came, reply=reply, facts=facts)))

    async def sent(batch: Any) -> None:
        await batch.execute(update(queue).values(state="done", owner=None))

    await store.committer.submit(Work(sent))
    return ids


async def count(store: Store, table: Any) -> int:
    async with store.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def holds(store: Store, tmp_path: Path) -> None:
    await seal(store, tmp_path / "keys" / "checkpoint.key", tmp_path / "keys" / "checkpoints.txt")
    found = await verify(
        store, [load_keys(tmp_path / "keys" / "checkpoint.key").public], tmp_path / "keys" / "checkpoints.txt"
    )
    assert found.fault is None


async def test_old_mail_goes_and_young_mail_stays(store: Store, tmp_path: Path) -> None:
    await fill(store)
    await holds(store, tmp_path)
    gone = await retain(store, KEEP, datetime.now(UTC))
    assert (gone.messages, gone.seq) == (0, None)
    assert await count(store, message) == 13
    later = datetime.now(UTC) + OLD
    gone = await retain(store, KEEP, later)
    assert (gone.messages, gone.held) == (13, 0)
    for table in (message, body, queue, message_order, sender_origin):
        assert await count(store, table) == 0
    (record,) = await deletions(store)
    assert (record.rule, record.reason, record.counts["messages"]) == ("retention", "storage.keep", 13)
    await holds(store, tmp_path)
    assert (await retain(store, KEEP, later)).messages == 0  # and nothing twice
    assert len(await deletions(store)) == 1


async def test_a_hold_keeps_everything_of_its_case(store: Store, tmp_path: Path) -> None:
    ids = await fill(store)
    await store.committer.submit(AddCase("花子", {"address": ["hanako@example.com"]}, hold=True))
    await store.committer.submit(AddCase("太郎", {"address": ["taro@example.com"]}))  # no hold
    later = datetime.now(UTC) + OLD
    gone = await retain(store, KEEP, later)
    assert (gone.messages, gone.held) == (6, 7)  # the reply about hers is held, too
    assert await count(store, message) == 7
    assert all(one.record is not None for one in await records_about(store, ids[0::2]))
    assert all(one.record is None for one in await records_about(store, ids[1::2]))
    await holds(store, tmp_path)
    await store.committer.submit(Hold("花子", on=False, reason="和解"))
    assert (await retain(store, KEEP, later)).messages == 7
    await holds(store, tmp_path)


async def test_a_hold_by_message_order_and_period(store: Store, tmp_path: Path) -> None:
    ids = await fill(store, 4)
    await store.committer.submit(AddCase("一", {"message": [ids[3]]}, hold=True))
    await store.committer.submit(AddCase("二", {"order": ["1001"]}, hold=True))
    await store.committer.submit(AddCase("三", {"order": ["1001"]}, until=datetime(2001, 1, 1, tzinfo=UTC), hold=True))
    await retain(store, KEEP, datetime.now(UTC) + OLD)
    async with store.read() as connection:
        left = set((await connection.execute(select(message.c.id))).scalars())
    assert left == {ids[1], ids[3]}
    await holds(store, tmp_path)


async def test_more_than_one_chunk_is_deleted(store: Store, tmp_path: Path) -> None:
    await fill(store, CHUNK + 5)
    assert (await retain(store, KEEP, datetime.now(UTC) + OLD)).messages == CHUNK + 6
    assert len(await deletions(store)) == 2
    await holds(store, tmp_path)


async def test_calls_go_with_their_recordings(store: Store, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for number, at in (("09011112222", now - OLD), ("09033334444", now - OLD), ("09055556666", now)):
        await store.committer.submit(
            AddCall(at, number, "怒鳴る", person=number, file=("a.wav", b"RIFF" + number.encode()))
        )
    await store.committer.submit(AddCase("電話", {"phone": ["09033334444"]}, hold=True))
    gone = await retain(store, KEEP, now)
    assert (gone.counts["calls"], gone.counts["recordings"], gone.held) == (1, 1, 1)
    assert await count(store, call) == await count(store, recording) == 2
    await holds(store, tmp_path)
