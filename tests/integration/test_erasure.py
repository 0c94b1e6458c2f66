"""Deleting one person leaves no trace in the files, and the log still verifies."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from gateway.errors import NotFound, Refused
from gateway.evidence.checkpoint import seal
from gateway.evidence.deletions import deletions
from gateway.evidence.key_files import load_keys
from gateway.evidence.log_records import leaf_hashes
from gateway.evidence.proven import proofs
from gateway.evidence.sealed import checkpoint_now
from gateway.evidence.verify import Verification, verify
from gateway.model.entry import parse_entry
from gateway.store import blocks, erasure
from gateway.store.cases import AddCase, Hold
from gateway.store.deletion import Delete, ranges
from gateway.store.engine import Store, open_store
from gateway.store.outcome import Attempt, Settle
from gateway.store.tables import block_entry, body, log, message, metadata, queue, sender_origin
from gateway.store.traces import Traces
from tests.integration.stores import NODE, Work, accept, acceptance, exchange, plan
from tests.servers.postgresql import PostgresqlServer

WHO = "taro.yamada@example.com"
OTHER = "hanako@example.com"
SECRET = "himitsu-no-kotoba"  # stands in the mail's text alone
NOTE = "Kuremu-no-naiyou"  # stands in the reason of the block


@pytest.fixture(params=["sqlite", "postgresql"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SimpleNamespace]:
    server: PostgresqlServer | None = None
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/sekisho.db"
    else:
        from gateway.store.maintenance import upgrade

        server = request.getfixturevalue("postgresql")
        url = server.new_database()
        await upgrade(url)
    store = await open_store(url)
    shop = SimpleNamespace(store=store, folder=tmp_path, server=server, embedded=server is None)
    await fill(store)
    await seal(store, tmp_path / "checkpoint.key", tmp_path / "checkpoints.txt")
    yield shop
    await store.close()


async def fill(store: Store) -> None:
    for sender in (WHO, OTHER):
        for number in range(12):
            words = f"{SECRET if sender == WHO else 'futsuu'} {number}"
            asked = plan(to=sender) if number == 0 else None
            taken = await store.committer.submit(accept(acceptance(exchange(words, sender=sender), reply=asked)))
            for leased in taken.leased:
                results = tuple(
                    SimpleNamespace(recipient=r, status="delivered", code=250, text="ok") for r in leased.recipients
                )
                await store.committer.submit(Settle([Attempt(leased.id, NODE, results, "mail.example:24")]))
    for value in (WHO, OTHER):
        entry = parse_entry(value)
        assert entry is not None
        await blocks.block(store, [entry], NOTE if value == WHO else "x", person="山田" if value == WHO else "花子")


async def verified(shop: Any) -> Verification:
    keys = [load_keys(shop.folder / "checkpoint.key").public]
    return await verify(shop.store, keys, shop.folder / "checkpoints.txt")


async def erase(store: Store, who: str, reason: str = "本人の請求（2026-11-20）") -> erasure.Erased:
    found = await erasure.find(store, await erasure.traces_of(store, who))
    return await erasure.erase(store, found, reason, "clerk")


async def everything(shop: Any) -> bytes:
    """All that is in the database's files, deleted rows and free pages included."""
    if shop.embedded:
        return b"".join(path.read_bytes() for path in sorted(shop.folder.iterdir()) if "key" not in path.name)
    async with shop.store.read() as connection:
        await connection.execute(text("CHECKPOINT"))
        oid = await connection.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
    base = shop.server._data / "base" / str(oid)
    return b"".join(path.read_bytes() for path in base.rglob("*") if path.is_file())


@pytest.mark.parametrize("who", [WHO, "山田", "Taro.Yamada@EXAMPLE.com"])
async def test_nothing_of_an_erased_person_is_left_in_any_file(shop: Any, who: str) -> None:
    before = await everything(shop)
    assert WHO.encode() in before
    assert NOTE.encode() in before
    size = (await verified(shop)).size
    leaves = await leaf_hashes(shop.store, 0, size)
    erased = await erase(shop.store, who)
    assert erased.counts["messages"] == 12 + 1  # with the reply
    assert erased.counts["block_entry"] == 1
    left = await everything(shop)
    for trace in (WHO, NOTE, "山田" if who == "山田" else WHO, SECRET):
        assert not re.search(re.escape(trace.encode()), left, re.IGNORECASE), trace
    assert OTHER.encode() in left
    found = await verified(shop)
    assert found.fault is None
    assert found.deleted >= 12 * 2 + 1
    assert await leaf_hashes(shop.store, 0, size) == leaves
    async with shop.store.read() as connection:
        assert (await connection.scalar(select(func.count()).select_from(message))) == 13
        assert (await connection.scalar(select(func.count()).select_from(body))) == 13
        assert (await connection.scalar(select(func.count()).select_from(sender_origin))) == 1
        assert (await connection.scalar(select(func.count()).select_from(block_entry))) == 1


async def test_a_mention_under_base64_in_somebody_elses_mail_is_found(shop: Any) -> None:
    coded = base64.encodebytes(f"{WHO} さまの件です。".encode()).decode()
    raw = f"From: {OTHER}\nContent-Transfer-Encoding: base64\n\n{coded}".replace("\n", "\r\n").encode()
    came = replace(exchange("x", sender=OTHER), raw=raw)
    await shop.store.committer.submit(accept(acceptance(came)))
    found = await erasure.find(shop.store, await erasure.traces_of(shop.store, WHO))
    assert came.id in found.messages
    assert found.others == 1


async def test_the_record_of_a_deletion_says_what_and_who_and_not_whose(shop: Any) -> None:
    await erase(shop.store, WHO)
    (first, *_) = await deletions(shop.store)
    assert (first.rule, first.operator, first.reason) == ("erasure", "clerk", "本人の請求（2026-11-20）")
    assert first.counts["messages"] == 13
    assert first.counts["mail.in"] == 12
    async with shop.store.read() as connection:
        said = (await connection.execute(select(log.c.record).where(log.c.seq == first.seq))).scalar_one()
    assert WHO not in said
    emptied = [seq for low, high in first.records for seq in range(low, high + 1)]
    assert len(emptied) == first.counts["records"]


async def test_a_hold_stops_an_erasure_until_it_is_released(shop: Any) -> None:
    await shop.store.committer.submit(AddCase("山田の件", {"address": [WHO]}, hold=True))
    before = (await verified(shop)).deleted
    with pytest.raises(Refused, match="山田の件"):
        await erase(shop.store, WHO)
    assert (await verified(shop)).deleted == before
    await erase(shop.store, OTHER)  # somebody else's is not held
    assert await shop.store.committer.submit(Hold("山田の件", on=False, reason="終わった"))
    await erase(shop.store, WHO)
    assert not re.search(re.escape(WHO.encode()), await everything(shop), re.IGNORECASE)
    assert (await verified(shop)).fault is None


async def test_a_hold_stops_a_deletion_of_what_lies_in_its_period_alone(shop: Any) -> None:
    now = datetime.now(UTC)
    await shop.store.committer.submit(AddCase("時期", {}, since=now - timedelta(hours=1), hold=True))
    with pytest.raises(Refused):
        await erase(shop.store, WHO)
    async with shop.store.read() as connection:
        ids = tuple((await connection.execute(select(message.c.id))).scalars())
    gone = await shop.store.committer.submit(Delete(ids, "retention", "storage.keep"))
    assert (gone.messages, gone.held) == (0, len(ids))


async def test_a_reason_that_names_the_person_is_refused(shop: Any) -> None:
    with pytest.raises(Refused):
        await erase(shop.store, WHO, f"{WHO} の請求")


async def test_mail_of_others_that_names_the_person_goes_too_and_similar_addresses_stay(shop: Any) -> None:
    similar = (
        "xtaro.yamada@example.com",
        "taro.yamada@example.com.example",
        "taro.yamada@example.co",
        "taro-yamada@example.com",
    )
    for sender in similar:
        await shop.store.committer.submit(accept(acceptance(exchange("hi", sender=sender))))
    told = await shop.store.committer.submit(accept(acceptance(exchange(f"{WHO} さんから聞きました", sender=OTHER))))
    found = await erasure.find(shop.store, await erasure.traces_of(shop.store, WHO))
    assert found.others == 1
    assert found.blocked == 1
    await settle_all(shop.store)
    await erasure.erase(shop.store, found, "請求", "clerk")
    async with shop.store.read() as connection:
        left = set((await connection.execute(select(message.c.sender))).scalars())
        assert (await connection.scalar(select(message.c.id).where(message.c.seq == told.seq))) is None
    assert set(similar) <= left
    assert WHO not in left
    assert (await verified(shop)).fault is None


async def settle_all(store: Store) -> None:
    async def work(batch: Any) -> None:
        await batch.execute(update(queue).values(state="done", owner=None))

    await store.committer.submit(Work(work))


async def test_mail_that_is_being_sent_is_not_erased_under_the_senders_hands(shop: Any) -> None:
    await shop.store.committer.submit(accept(acceptance(exchange("now", sender=WHO))))
    with pytest.raises(Refused, match="being sent"):
        await erase(shop.store, WHO)
    await settle_all(shop.store)
    await erase(shop.store, WHO)
    assert not re.search(re.escape(WHO.encode()), await everything(shop), re.IGNORECASE)


async def test_proofs_of_deleted_records_still_lead_to_the_root(shop: Any) -> None:
    await erase(shop.store, WHO)
    checkpoint = await checkpoint_now(shop.store, shop.folder / "checkpoint.key", shop.folder / "checkpoints.txt")
    size = checkpoint.checkpoint.size
    for one in await proofs(shop.store, range(size), checkpoint):
        assert (one.record.text is None) == (one.record.record is None)
    assert (await verified(shop)).fault is None


async def test_what_is_deleted_without_a_record_is_still_found(shop: Any) -> None:
    async def work(batch: Any) -> None:
        await batch.execute(update(log).where(log.c.seq == 3).values(salt=None, record=None))

    await erase(shop.store, OTHER)
    await shop.store.committer.submit(Work(work))
    assert "3" in str((await verified(shop)).fault)


async def test_nobody_is_not_found(shop: Any) -> None:
    with pytest.raises(NotFound):
        await erasure.traces_of(shop.store, "誰か")
    found = await erasure.find(shop.store, await erasure.traces_of(shop.store, "nobody@example.org"))
    assert not found.anything


async def test_erasing_while_mail_comes_in(shop: Any) -> None:
    async def more() -> None:
        for number in range(60):
            await shop.store.committer.submit(accept(acceptance(exchange(str(number), sender=OTHER))))

    await asyncio.gather(more(), erase(shop.store, WHO))
    assert not re.search(re.escape(WHO.encode()), await everything(shop), re.IGNORECASE)
    assert (await verified(shop)).fault is None


def test_every_table_is_looked_through() -> None:
    from gateway.store import erased_rows

    left_out = {table.name for table in erased_rows._LOOKED_THROUGH}
    assert left_out == {"log", "message", "body", "log_state", "checkpoint", "anchor"}
    assert left_out < {table.name for table in metadata.sorted_tables}


def test_traces_are_whole_addresses_and_numbers() -> None:
    found = Traces(("a..b@docomo.ne.jp", "taro@xn--eckwd4c7c.jp"), ("09012345678",), ("abcdefgh23456723",)).pattern
    for said in (
        "From: a..b@docomo.ne.jp",
        json.dumps({"x": '"a..b"@docomo.ne.jp'}),
        '"a..b"@DOCOMO.NE.JP',
        "taro@xn--eckwd4c7c.jp",
        "taro@ドメイン.jp",
        "090-1234-5678",
        "(090)1234 5678",
        "id abcdefgh23456723.",
    ):
        assert found.search(said), said
    for said in ("a.b@docomo.ne.jp", "xa..b@docomo.ne.jp", "a..b@docomo.ne.jp.example", "109012345678", "0901234567"):
        assert not found.search(said), said


def test_ranges() -> None:
    assert ranges([5, 1, 2, 3, 9, 9]) == [[1, 3], [5, 5], [9, 9]]
    assert ranges([]) == []
