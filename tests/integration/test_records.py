"""What filters look up, on real databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from filters.api import Records
from gateway.model.entry import parse_entry
from gateway.model.origin import Origin, Trust
from gateway.store.blocks import Block
from gateway.store.engine import Store
from gateway.store.records import StoreRecords
from tests.integration.databases import store as store
from tests.integration.stores import accept, acceptance, exchange, now


async def come(store: Store, sender: str, ip: str, trust: Trust = Trust.PEER) -> None:
    came = exchange(sender=sender, ip=ip)
    await store.committer.submit(accept(acceptance(came, origin=Origin(ip, "peer", trust), dispatches=())))


async def blocked(store: Store, text: str, watched: bool = False) -> None:
    entry = parse_entry(text)
    assert entry
    await store.committer.submit(Block((entry,), "迷惑行為", person="山田", watched=watched))


def records(store: Store) -> StoreRecords:
    made = StoreRecords(store)
    kept: Records = made  # what filters ask for
    assert kept
    return made


async def test_blocks_name_entry_reason_and_person(store: Store) -> None:
    await blocked(store, "bad@example.com")
    made = records(store)
    (entry,) = await made.blocks(address="bad@example.com")
    assert (entry.entry, entry.reason, entry.person, entry.watched) == ("bad@example.com", "迷惑行為", "山田", False)
    assert list(await made.blocks(address="good@example.com", ip="192.0.2.1")) == []
    await blocked(store, "192.0.2.0/24")
    both = await made.blocks(address="bad@example.com", ip="192.0.2.1")
    assert [entry.entry for entry in both] == ["bad@example.com", "192.0.2.0/24"]


async def test_start_loads_the_blacklist(store: Store) -> None:
    await blocked(store, "bad@example.com")
    made = records(store)
    await made.start()
    await asyncio.wait_for(made.ready(), 10)
    assert made.blocklist.loaded
    assert await made.blocks(address="bad@example.com")
    await made.stop()


async def test_seen_counts_mails_of_a_sender_at_an_ip(store: Store) -> None:
    for _ in range(3):
        await come(store, "taro@example.com", "192.0.2.7")
    await come(store, "taro@example.com", "192.0.2.8")
    seen = await records(store).seen("taro@example.com", "192.0.2.7")
    assert seen is not None
    assert seen.mails == 3
    assert seen.first <= seen.last <= now()
    assert await records(store).seen("taro@example.com", "192.0.2.9") is None


async def test_who_else_wrote_from_there_and_is_blocked(store: Store) -> None:
    await come(store, "bad@mail.example.com", "192.0.2.7")
    await come(store, "good@example.org", "192.0.2.7")
    await come(store, "bad@mail.example.com", "198.51.100.1")
    made = records(store)
    assert list(await made.blocked_at("192.0.2.7", "new@gmail.com")) == []
    await blocked(store, "*.example.com")
    assert [e.entry for e in await made.blocked_at("192.0.2.7", "new@gmail.com")] == ["*.example.com"]
    assert list(await made.blocked_at("192.0.2.7", "bad@mail.example.com")) == []
    assert list(await made.blocked_at("203.0.113.1", "new@gmail.com")) == []


async def test_a_shared_or_claimed_origin_blames_nobody(store: Store) -> None:
    await come(store, "bad@example.com", "192.0.2.7", Trust.SHARED)
    await come(store, "bad@example.com", "192.0.2.8", Trust.CLAIMED)
    await blocked(store, "bad@example.com")
    assert list(await records(store).blocked_at("192.0.2.7", "new@gmail.com")) == []
    assert list(await records(store).blocked_at("192.0.2.8", "new@gmail.com")) == []


async def test_senders_at_an_ip_are_counted_up_to_a_limit(store: Store) -> None:
    for number in range(5):
        await come(store, f"s{number}@example.com", "192.0.2.7")
    assert await records(store).senders_at("192.0.2.7", 31) == 5
    assert await records(store).senders_at("192.0.2.7", 3) == 3
    assert await records(store).senders_at("192.0.2.9", 3) == 0


async def test_mails_from_a_sender_since(store: Store) -> None:
    for _ in range(3):
        await come(store, "taro@example.com", "192.0.2.7")
    await come(store, "hanako@example.com", "192.0.2.7")
    made = records(store)
    assert await made.mails_from("taro@example.com", now() - timedelta(hours=1)) == 3
    assert await made.mails_from("taro@example.com", now() + timedelta(hours=1)) == 0
