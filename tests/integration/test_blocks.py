"""The blacklist on real databases: history, idempotence, bulk, and the index that follows it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.errors import StoreError
from gateway.model.entry import Entry, parse_entry
from gateway.store.blocklist import Blocklist
from gateway.store.blocks import CHUNK, Block, Blocked, Unblock, block, list_blocks, unblock
from gateway.store.engine import Store
from gateway.store.tables import log, person
from gateway.text import Text
from tests.integration.databases import store as store
from tests.integration.stores import now


def entries(*texts: str) -> tuple[Entry, ...]:
    found = tuple(entry for text in texts if (entry := parse_entry(text)))
    assert len(found) == len(texts)
    return found


async def records(store: Store, kind: str) -> list[dict[str, Any]]:
    async with store.read() as connection:
        rows = await connection.execute(select(log.c.record).where(log.c.kind == kind).order_by(log.c.seq))
        return [json.loads(row.record) for row in rows]


async def test_block_and_unblock_keep_the_history(store: Store) -> None:
    done = await store.committer.submit(
        Block(entries("bad@example.com"), "返品詐欺", person="山田 太郎", operator="店長")
    )
    assert done == Blocked(added=1)
    assert (await store.committer.submit(Unblock(entries("bad@example.com"), "和解", "店長"))).ended == 1
    assert await list_blocks(store, now=now()) == ()
    (row,) = await list_blocks(store)
    assert (row.value, row.reason, row.person, row.end_reason) == ("bad@example.com", "返品詐欺", "山田 太郎", "和解")
    assert row.ended_at is not None
    (made,) = await records(store, "block")
    assert (made["entry"], made["operator"], made["person"]["name"]) == ("bad@example.com", "店長", "山田 太郎")
    (ended,) = await records(store, "unblock")
    assert ended["ids"] == [row.id]


async def test_blocking_again_changes_nothing_or_replaces(store: Store) -> None:
    one = Block(entries("bad@example.com"), "A")
    assert await store.committer.submit(one) == Blocked(added=1)
    assert await store.committer.submit(one) == Blocked(unchanged=1)
    assert len(await records(store, "block")) == 1
    until = now() + timedelta(days=3)
    assert await store.committer.submit(Block(entries("bad@example.com"), "B", until)) == Blocked(changed=1)
    (active,) = await list_blocks(store, now=now())
    assert (active.reason, active.until) == ("B", until)
    old = next(row for row in await list_blocks(store) if row.ended_at)
    assert (old.reason, old.end_reason) == ("A", "changed")
    assert (await records(store, "block"))[1]["replaces"] == [old.id]
    assert await list_blocks(store, now=until + timedelta(seconds=1)) == ()


async def test_unblocking_who_is_not_blocked_does_nothing(store: Store) -> None:
    assert await store.committer.submit(Unblock(entries("bad@example.com"), "x")) == Blocked(unchanged=1)
    assert await records(store, "unblock") == []


async def test_one_person_for_one_name(store: Store) -> None:
    await store.committer.submit(Block(entries("a@example.com"), "x", person="山田　太郎"))
    await store.committer.submit(Block(entries("b@example.com", "192.0.2.0/24"), "x", person=" 山田 太郎 "))
    async with store.read() as connection:
        assert len((await connection.execute(select(person))).all()) == 1
    assert {row.value for row in await list_blocks(store, person_name="山田 太郎")} == {
        "a@example.com",
        "b@example.com",
        "192.0.2.0/24",
    }


async def test_many_entries_in_chunks_and_pages(store: Store) -> None:
    many = [parse_entry(f"c{number}@example.com") for number in range(2 * CHUNK + 10)]
    seen: list[int] = []
    done = await block(store, [e for e in many if e], "x", progress=seen.append)
    assert done == Blocked(added=2 * CHUNK + 10)
    assert seen == [CHUNK, 2 * CHUNK, 2 * CHUNK + 10]
    found: set[str] = set()
    after = None
    while page := await list_blocks(store, now=now(), limit=400, after=after):
        assert not found & {row.value for row in page}
        found |= {row.value for row in page}
        after = page[-1]
    assert len(found) == 2 * CHUNK + 10
    assert (await unblock(store, [e for e in many if e], "x")).ended == 2 * CHUNK + 10
    assert await list_blocks(store, now=now()) == ()


async def test_parts_of_entries_and_reasons_are_found(store: Store) -> None:
    await store.committer.submit(Block(entries("a%b@example.com", "axb@example.com"), "返品詐欺"))
    assert {row.value for row in await list_blocks(store, text="a%b")} == {"a%b@example.com"}
    assert len(await list_blocks(store, text="返品")) == 2


@pytest.mark.parametrize("loaded", [False, True])
async def test_who_is_covered_most_exact_first(store: Store, loaded: bool) -> None:
    await store.committer.submit(
        Block(
            entries("bad@mail.example.com", "@mail.example.com", "*.example.com", "121.84.241.***", "2001:db8::/32"),
            "x",
        )
    )
    await store.committer.submit(Block(entries("121.84.241.7"), "y", watched=True))
    await store.committer.submit(Block(entries("old@example.org"), "x", now() - timedelta(seconds=1)))
    index = Blocklist(store)
    if loaded:
        await index.follow()
    assert index.loaded is loaded

    async def address(text: str) -> list[str]:
        return [entry.entry for entry in await index.covering_address(text)]

    async def ip(text: str) -> list[str]:
        return [entry.entry for entry in await index.covering_ip(text)]

    assert await address("bad@mail.example.com") == ["bad@mail.example.com", "@mail.example.com", "*.example.com"]
    assert await address("other@mail.example.com") == ["@mail.example.com", "*.example.com"]
    assert await address("a@example.com") == []
    assert await address("old@example.org") == []
    assert await ip("121.84.241.7") == ["121.84.241.7", "121.84.241.0/24"]
    assert (await index.covering_ip("121.84.241.7"))[0].watched
    assert await ip("121.84.242.7") == []
    assert await ip("2001:db8::1") == ["2001:db8::/32"]
    assert await ip("2001:db9::1") == []
    assert await ip("nonsense") == []


async def test_a_no_asks_no_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.committer.submit(Block(entries("bad@example.com", "192.0.2.0/24"), "x"))
    index = Blocklist(store)
    await index.follow()

    def never() -> None:
        raise AssertionError("asked")

    monkeypatch.setattr(store, "read", never)
    assert list(await index.covering_address("good@example.com")) == []
    assert list(await index.covering_ip("198.51.100.1")) == []
    assert list(await index.covering_any(["good@example.com"], 5)) == []
    with pytest.raises(AssertionError):
        await index.covering_address("bad@example.com")


async def test_the_index_follows_what_others_block(store: Store) -> None:
    index = Blocklist(store, poll=0.02)
    await index.start()
    await asyncio.wait_for(index.ready(), 5)
    try:
        await store.committer.submit(Block(entries("bad@example.com", "192.0.2.0/24"), "x"))

        async def covered(wanted: bool) -> None:
            while bool(await index.covering_address("bad@example.com")) is not wanted:
                await asyncio.sleep(0.01)
            while bool(await index.covering_ip("192.0.2.9")) is not wanted:
                await asyncio.sleep(0.01)

        await asyncio.wait_for(covered(True), 5)
        await store.committer.submit(Unblock(entries("bad@example.com", "192.0.2.0/24"), "x"))
        await asyncio.wait_for(covered(False), 5)
        await store.committer.submit(Block(entries("bad@example.com", "192.0.2.0/24"), "again"))
        await asyncio.wait_for(covered(True), 5)
    finally:
        await index.stop()


async def test_entries_of_one_transaction_are_followed_over_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.blocklist.PAGE", 7)
    index = Blocklist(store)
    await index.follow()
    await asyncio.gather(
        *(store.committer.submit(Block(entries(f"a{n}@example.com", f"b{n}@example.com"), "x")) for n in range(30))
    )
    await index.follow()
    for number in range(30):
        assert await index.covering_address(f"a{number}@example.com")
        assert await index.covering_address(f"b{number}@example.com")


@pytest.mark.parametrize("error", [StoreError(Text("x", "x")), RuntimeError("a defect")])
async def test_while_changes_cannot_be_followed_the_database_is_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """While the changes of others are not known, a no from memory would be a guess."""
    index = Blocklist(store, poll=0.01)
    await index.start()
    await asyncio.wait_for(index.ready(), 5)

    async def away() -> list[Any]:
        raise error

    monkeypatch.setattr(index, "_newer", away)
    async with asyncio.timeout(5):
        while index.loaded:
            await asyncio.sleep(0.01)
    await store.committer.submit(Block(entries("bad@example.com"), "x"))
    assert await index.covering_address("bad@example.com")
    await index.stop()
