"""Orders and persons on record, on both databases, from the message to the third complaint."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from filters.api import Lookups
from filters.complaints import digest
from filters.offline import InLine, NoDns
from filters.registry import FILTERS
from gateway.model.acceptance import Acceptance
from gateway.model.entry import parse_entry
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange, new_id
from gateway.model.fact import Fact
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.model.verdict import Action, Outcome
from gateway.screening.screener import Screener, Screening
from gateway.store import person_names
from gateway.store.batch import Batch
from gateway.store.blocks import Block
from gateway.store.engine import Store
from gateway.store.person_names import PersonNames
from gateway.store.records import StoreRecords
from gateway.store.search import Query, search
from gateway.store.tables import person
from tests.integration.databases import store as store
from tests.integration.stores import Work, accept, plan

RULES = RuleSet("hash", (), Action(Outcome.DELIVER), "rules.yaml:1")


def block(text: str, person: str, *, watched: bool = False) -> Block:
    entry = parse_entry(text)
    assert entry is not None
    return Block((entry,), "迷惑行為", person=person, watched=watched)


def mail(text: str, sender: str = "taro@example.com", subject: str = "order", head: str = "") -> Exchange:
    raw = (
        f"From: {sender}\r\nTo: shop@shop.example\r\nSubject: {subject}\r\n{head}"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    return Exchange(raw.encode(), Envelope(sender, ("shop@shop.example",), Peer("203.0.113.9", helo="m.example")))


async def screen(store: Store, exchange: Exchange) -> Screening:
    lookups = Lookups(StoreRecords(store), NoDns(), InLine())
    return await Screener(Settings(), FILTERS, lookups).screen(exchange, RULES, all_facts=True)


async def receive(store: Store, exchange: Exchange, **more: object) -> Mapping[str, Fact]:
    """Screen as the daemon does, and remember."""
    screening = await screen(store, exchange)
    acceptance = Acceptance(
        exchange,
        sender=exchange.envelope.mail_from,
        origin=None,
        facts=screening.facts,
        verdict=screening.verdict,
        trace=b"",
        evidence=screening.evidence,
        **more,  # type: ignore[arg-type]
    )
    await store.committer.submit(accept(acceptance))
    return screening.facts


async def complaints(store: Store, exchange: Exchange) -> object:
    return (await receive(store, exchange))["complaints_on_order"].value


async def test_the_third_distinct_complaint_on_one_order(store: Store) -> None:
    assert await complaints(store, mail("注文番号：1001 の皿が割れていました。")) == 1
    assert await complaints(store, mail("注文番号：1001 の皿が割れていました！！")) == 1
    assert await complaints(store, mail("ありがとうございます。注文番号：1001")) == 1
    assert await complaints(store, mail("箱も破損していました。", subject="Re: #1001")) == 2
    assert await complaints(store, mail("返事がありません。注文番号：1002")) == 1
    assert await complaints(store, mail("注文番号：1001 の返事がありません。", sender="jiro@example.com")) == 1
    assert await complaints(store, mail("まだですか。注文番号：＃１００１")) == 3


async def test_complaints_count_for_the_person_and_not_the_address(store: Store) -> None:
    for address in ("taro@example.com", "taro2@example.net"):
        await store.committer.submit(block(address, "山田太郎", watched=True))
    assert await complaints(store, mail("#1001 が届かない。")) == 1
    assert await complaints(store, mail("#1001 がまだ届きません。", sender="taro2@example.net")) == 2


async def test_a_machine_that_repeats_a_complaint_does_not_complain(store: Store) -> None:
    head = "Auto-Submitted: auto-replied\r\n"
    assert await complaints(store, mail("#1001 が届かない。", head=head)) == 0
    assert await complaints(store, mail("#1001 が届きません。")) == 1


async def test_mail_and_the_reply_to_it_are_found_by_the_order(store: Store) -> None:
    asked = mail("楽天の 123456-20260101-1234567890 について")
    await receive(store, asked, reply=plan())
    await receive(store, mail("#1001 と #1002 について"))
    hits = await search(store, Query(order="１２３４５６－20260101-1234567890"))
    assert {(hit.direction, hit.id if hit.direction == "in" else hit.about) for hit in hits} == {
        ("in", asked.id),
        ("out", asked.id),
    }
    for number in ("1001", "#1002"):
        assert len(await search(store, Query(order=number))) == 1
    assert await search(store, Query(order="100")) == ()
    assert await search(store, Query(order="1001", direction="out")) == ()


async def test_the_digest_on_record_is_that_of_the_words(store: Store) -> None:
    await receive(store, mail("#1001 が届かない。"))
    records = StoreRecords(store)
    assert await records.complaints("taro@example.com", "1001") == {digest("#1001 が届かない。")}
    assert await records.complaints("jiro@example.com", "1001") == frozenset()


async def test_persons_are_found_by_any_form_of_their_name(store: Store) -> None:
    await store.committer.submit(block("taro@example.com", "山田 太郎"))
    await store.committer.submit(block("203.0.113.7", "山田 太郎"))
    found = await StoreRecords(store).people_named({"太郎山田", "山田太郎"})
    assert [(person.name, person.entries) for person in found] == [("山田 太郎", ("taro@example.com",))]
    assert await StoreRecords(store).people_named({"佐藤花子"}) == ()
    facts = (await screen(store, mail("x", sender="x@evil.example"))).facts
    assert facts["impersonation"].value is False


async def test_a_new_person_is_known_after_a_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_names, "LOOK", 0.0)
    names = PersonNames(store)
    assert await names.named({"山田太郎"}) == ()
    await store.committer.submit(block("taro@example.com", "山田 太郎"))
    assert [person.name for person in await names.named({"山田太郎"})] == ["山田 太郎"]


async def test_ten_thousand_persons_are_read_quickly_and_nobody_is_told_at_once(store: Store) -> None:
    async def many(batch: Batch) -> None:
        for number in range(10_000):
            batch.insert(person, {"id": new_id(), "name": f"山田 太郎{number}", "created_at": batch.now})

    await store.committer.submit(Work(many))
    names = PersonNames(store)
    begin = time.process_time()
    assert await names.named({"山田太郎9999"})
    first = time.process_time() - begin
    begin = time.process_time()
    for _ in range(100):
        assert await names.named({"佐藤花子"}) == ()
    assert time.process_time() - begin < 10 * first  # not read again each time


async def test_all_facts_of_an_ordinary_mail_are_quick(store: Store) -> None:
    """Ten milliseconds on average, with everything that needs no network."""
    came = mail("先日注文した #1001 の皿はいつ届きますか。\r\n" * 40)
    await screen(store, came)
    begin = time.process_time()
    for _ in range(50):
        facts = (await screen(store, came)).facts
    assert (time.process_time() - begin) / 50 < 0.1  # ten on average, as the bench measures it
    assert {"order", "complaints_on_order", "impersonation", "spam", "virus"} <= set(facts)
