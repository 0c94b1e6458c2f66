"""Messages are found, shown and given out as they came, on real databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.errors import NotFound, StoreError
from gateway.model.entry import parse_entry
from gateway.model.exchange import Exchange
from gateway.model.verdict import Action, Outcome, Verdict
from gateway.store.blocks import Block
from gateway.store.engine import Store
from gateway.store.outcome import Attempt, Settle
from gateway.store.search import Query, find, raw, search, show
from gateway.store.status import numbers
from gateway.store.tables import body, message
from tests.integration.databases import store as store
from tests.integration.stores import NODE, Work, accept, acceptance, exchange, now, plan
from tests.integration.test_work import Result


async def come(store: Store, subject: str = "注文について", **more: Any) -> Exchange:
    fields = {name: more.pop(name) for name in ("sender", "ip") if name in more}
    came = exchange(subject, **fields)
    await store.committer.submit(accept(acceptance(came, subject=subject, **more)))
    return came


async def ids(store: Store, query: Query, **more: Any) -> list[str]:
    return [hit.id for hit in await search(store, query, **more)]


@pytest.mark.parametrize("part", ["返金", "ＡＢＣ", "abc", "アイウ", "ｱｲｳ", "番号 12"])
async def test_parts_of_subjects_whatever_their_width_and_case(store: Store, part: str) -> None:
    wanted = await come(store, "【至急】返金のお願い AbC ｱｲｳ 番号 １２３")
    await come(store, "ご注文の確認")
    assert await ids(store, Query(subject=part)) == [wanted.id]
    assert await ids(store, Query(subject="ない言葉")) == []


async def test_by_address_as_sender_recipient_and_domain(store: Store) -> None:
    one = await come(store, sender="taro@mail.example.com")
    await come(store, sender="hanako@example.org")
    for text in ("taro@mail.example.com", "TARO@mail.example.com", "@mail.example.com", "*.example.com"):
        assert await ids(store, Query(address=text, direction="in")) == [one.id]
    assert len(await ids(store, Query(address="shop@shop.example"))) == 2
    assert await ids(store, Query(address="a%@mail.example.com")) == []
    assert await ids(store, Query(address="@ample.com")) == []


async def test_replies_are_found_by_their_recipient(store: Store) -> None:
    came = exchange()
    await store.committer.submit(accept(acceptance(came, reply=plan())))
    hits = await search(store, Query(address="taro@example.com", direction="out"))
    assert [(hit.kind, hit.about) for hit in hits] == [("reply", came.id)]


async def test_by_ip_and_network(store: Store) -> None:
    one = await come(store, ip="121.84.241.7")
    await come(store, ip="198.51.100.1")
    for text in ("121.84.241.7", "121.84.241.***", "121.84.0.0/16"):
        assert await ids(store, Query(ip=text)) == [one.id]
    assert await ids(store, Query(ip="203.0.113.1")) == []


async def test_by_time_verdict_rule_and_state(store: Store) -> None:
    start = now()
    verdict = Verdict(Action(Outcome.QUARANTINE), "脅迫", "rules.yaml:3", "ab" * 32)
    held = await come(store, verdict=verdict, dispatches=())
    passed = await come(store)
    assert await ids(store, Query(then="quarantine")) == [held.id]
    assert await ids(store, Query(rule="脅迫")) == [held.id]
    assert await ids(store, Query(state="queued")) == [passed.id]
    assert await ids(store, Query(since=start - timedelta(seconds=1))) == [passed.id, held.id]
    assert await ids(store, Query(until=start - timedelta(days=1))) == []
    assert await ids(store, Query(since=start - timedelta(1), then="deliver", subject="注文")) == [passed.id]


async def test_by_person(store: Store) -> None:
    entry, network = parse_entry("bad@example.com"), parse_entry("192.0.2.99")
    assert entry
    assert network
    await store.committer.submit(Block((entry, network), "x", person="山田 太郎"))
    one = await come(store, sender="bad@example.com")
    two = await come(store, sender="new@gmail.com", ip="192.0.2.99")
    await come(store, sender="good@example.com")
    assert await ids(store, Query(person="山田　太郎")) == [two.id, one.id]
    with pytest.raises(NotFound):
        await search(store, Query(person="鈴木"))


async def test_by_each_kind_of_identity(store: Store) -> None:
    came = await come(store)
    await come(store, "another")
    hit = await find(store, came.id)
    for what in (came.id, came.id.upper(), str(hit.seq), hit.sha256, hit.message_id, hit.message_id.strip("<>")):
        assert (await find(store, what)).id == came.id
    assert await ids(store, Query(id=came.id)) == [came.id]
    assert await ids(store, Query(id=str(hit.seq))) == [came.id]
    assert await ids(store, Query(sha256=hit.sha256)) == [came.id]
    assert await ids(store, Query(sha256="zz")) == []
    assert await ids(store, Query(message_id=hit.message_id)) == [came.id]
    for nothing in ("nothing", "999999", "0" * 64, "<x@y>", "9" * 40):
        with pytest.raises(NotFound):
            await find(store, nothing)


async def test_pages_hold_every_message_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.search.PAGE", 3)
    came = [await come(store, f"{'返金' if number % 2 else '注文'} {number}") for number in range(12)]
    for query, wanted in ((Query(), came), (Query(subject="返金"), came[1::2])):
        found: list[str] = []
        before = None
        while page := await search(store, query, limit=4, before=before):
            found += [hit.id for hit in page]
            before = page[-1].seq
        assert found == [one.id for one in reversed(wanted)]


async def test_show_gives_all_that_is_known(store: Store) -> None:
    came = exchange()
    done = await store.committer.submit(accept(acceptance(came, reply=plan())))
    deliver = next(leased for leased in done.leased if leased.kind == "deliver")
    await store.committer.submit(Settle([Attempt(deliver.id, NODE, (Result("shop@shop.example"),))]))
    shown = await show(store, came.id)
    assert shown.hit.id == came.id
    assert shown.facts["blocked"]["value"] is False
    assert shown.verdict["rule"] == "default"
    assert shown.reply is not None
    assert [record.kind for record in shown.records] == ["mail.in", "mail.out", "delivery"]
    assert {row.kind for row in shown.queue} == {"deliver", "reply"}
    assert [hit.kind for hit in shown.related] == ["reply"]


async def test_raw_gives_the_bytes_as_they_came(store: Store) -> None:
    came = await come(store, "生のまま")
    assert await raw(store, came.id) == came.raw
    with pytest.raises(NotFound):
        await raw(store, "nothing")


async def change(store: Store, statement: Any) -> None:
    async def work(batch: Any) -> None:
        await batch.execute(statement)

    await store.committer.submit(Work(work))


async def test_altered_bytes_are_not_given_out(store: Store) -> None:
    came, other = await come(store, "aaaa"), await come(store, "bbbb")
    async with store.read() as connection:
        packed = (await connection.execute(body.select().where(body.c.message == other.id))).one().zstd
    await change(store, update(body).where(body.c.message == came.id).values(zstd=packed))
    with pytest.raises(StoreError):
        await raw(store, came.id)
    await change(store, update(body).where(body.c.message == came.id).values(zstd=b"nonsense"))
    with pytest.raises(StoreError):
        await raw(store, came.id)


async def test_deleted_bytes_are_said_to_be_deleted(store: Store) -> None:
    came = await come(store)
    await change(store, body.delete())
    with pytest.raises(NotFound) as gone:
        await raw(store, came.id)
    assert "deleted" in str(gone.value)


async def test_numbers_for_status(store: Store) -> None:
    empty = await numbers(store)
    assert (empty.last_in, empty.last_out, empty.queue, empty.oldest, empty.held) == (None, None, {}, None, 0)
    await come(store)
    verdict = Verdict(Action(Outcome.QUARANTINE), "脅迫", "rules.yaml:3", "ab" * 32)
    await come(store, verdict=verdict, dispatches=())
    done = await store.committer.submit(accept())
    await store.committer.submit(Settle([Attempt(done.leased[0].id, NODE, (Result("shop@shop.example"),))]))
    now_ = await numbers(store)
    assert now_.queue == {"leased": 1}
    assert now_.held == 1
    assert now_.log_size == 4 + empty.log_size
    for at in (now_.last_in, now_.last_out, now_.oldest, now_.log_at):
        assert isinstance(at, datetime)
    await change(store, update(message).values(state="delivered"))
    assert (await numbers(store)).held == 0
