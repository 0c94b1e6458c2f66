"""What one accepted message leaves behind, and whether its reply may go."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from gateway.errors import StoreError
from gateway.model.acceptance import Acceptance, Accepted, Dispatch, Draft, ReplyPlan
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.mail_record import LONGEST_VALUE
from gateway.model.verdict import Action, Outcome, Verdict
from gateway.store.accept import Accept
from gateway.store.body import unpack
from gateway.store.engine import Store, open_store
from gateway.store.maintenance import upgrade
from gateway.store.reply_history import DUPLICATE, ONCE_PER, PER_ADDRESS, PER_DAY, withheld
from gateway.store.tables import body, log, message, queue, reply, sender_origin
from gateway.text import Text
from tests.integration.stores import LEASE, NODE, SENT, TRACE, Work, accept, acceptance, exchange, now, plan
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


async def rows(store: Store, table: Any, order: Any = None) -> list[Any]:
    async with store.read() as connection:
        return list((await connection.execute(select(table).order_by(order))).all())


async def record(store: Store, seq: int) -> dict[str, Any]:
    async with store.read() as connection:
        found: dict[str, Any] = json.loads(await connection.scalar(select(log.c.record).where(log.c.seq == seq)) or "")
        return found


async def replied(store: Store, came: Exchange, wish: ReplyPlan, **more: Any) -> Accepted:
    return await store.committer.submit(accept(acceptance(came, reply=wish, **more)))


async def test_everything_about_a_message_is_written_and_its_work_is_leased(store: Store) -> None:
    given = acceptance()
    came = given.exchange
    accepted = await store.committer.submit(accept(given))
    assert (accepted.seq, accepted.reply_sent, accepted.reply_why) == (0, False, None)

    (row,) = await rows(store, message)
    assert (row.id, row.seq, row.direction, row.kind, row.state, row.then) == (
        *(came.id, 0, "in", "mail", "queued"),
        "deliver",
    )
    assert (row.sha256, row.size, row.received_at) == (hashlib.sha256(came.raw).digest(), came.size, came.received_at)
    assert (row.sender, row.recipients, row.peer_ip, row.origin_ip) == (
        *("taro@example.com", ["shop@shop.example"], "192.0.2.7"),
        "192.0.2.7",
    )
    assert (row.subject, row.trace, row.rule, row.reply) == ("注文について", TRACE, "default", None)
    assert row.facts["blocked"] == {"value": False, "note": "登録なし"}
    assert row.facts["spf"] == {"value": None, "unknown": True, "note": "DNS無応答"}
    assert row.verdict["trail"][0]["conditions"][0]["fact"] == "abuse"

    (kept,) = await rows(store, body)
    assert unpack(kept.zstd, came.size) == came.raw
    (origin,) = await rows(store, sender_origin)
    assert (origin.sender, origin.ip, origin.mails, origin.trust) == ("taro@example.com", "192.0.2.7", 1, "peer")

    (work,) = await rows(store, queue)
    (leased,) = accepted.leased
    assert (work.id, work.message, work.kind, work.target, work.state, work.owner, work.attempts, work.crashes) == (
        *(leased.id, came.id, "deliver", "mailbox", "leased", NODE),
        *(0, 0),
    )
    assert work.lease_until - work.created_at == LEASE
    assert (leased.raw, leased.mail_from, leased.recipients, leased.about, leased.created_at) == (
        TRACE + came.raw,
        *("taro@example.com", ("shop@shop.example",), came.id),
        work.created_at,
    )


async def test_the_record_holds_the_whole_exchange(store: Store) -> None:
    given = acceptance()
    unit = Accept(given, NODE, LEASE, (b"Authentication-Results: mx.shop.example; spf=pass\r\n",), "mx", b"relayed")
    await store.committer.submit(unit)
    said = await record(store, 0)
    envelope, peer = given.exchange.envelope, given.exchange.envelope.peer
    assert said["envelope"] == {
        "mail_from": envelope.mail_from,
        "recipients": list(envelope.recipients),
        "smtputf8": False,
    }
    assert said["peer"]["helo"] == peer.helo
    assert said["peer"]["tls"] == {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "bits": 256}
    assert said["dialogue"] == list(envelope.dialogue)
    assert said["origin"] == {"ip": "192.0.2.7", "source": "peer", "trust": "peer"}
    assert said["facts"]["spf"]["note"] == "DNS無応答"
    assert said["verdict"]["ruleset"] == "ab" * 32
    assert said["evidence"] == given.evidence
    assert said["removed"] == ["Authentication-Results: mx.shop.example; spf=pass\r\n"]
    assert (said["sha256"], said["size"]) == (given.exchange.sha256.hex(), given.exchange.size)


async def test_notes_are_kept_in_the_shops_language(store: Store) -> None:
    await store.committer.submit(accept(acceptance(language="en")))
    assert (await record(store, 0))["facts"]["blocked"]["note"] == "not listed"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("deliver", "queued"), ("quarantine", "held"), ("reject", "rejected"), ("discard", "discarded")],
)
async def test_the_state_follows_the_outcome(tmp_path: Path, outcome: str, state: str) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/sekisho.db")
    verdict = Verdict(Action(Outcome(outcome)), "rule", "rules.yaml:1", "00" * 32)
    accepted = await store.committer.submit(accept(acceptance(verdict=verdict, dispatches=())))
    (row,) = await rows(store, message)
    assert (row.then, row.state, accepted.leased) == (outcome, state, ())
    await store.close()


async def test_a_reply_is_written_with_its_intent_before_it_can_leave(store: Store) -> None:
    came, wish = exchange(), plan()
    assert wish.draft is not None
    accepted = await replied(store, came, wish)
    assert accepted.reply_sent
    deliver, answer = accepted.leased
    assert (deliver.kind, answer.kind, answer.target) == ("deliver", "reply", "outgoing")
    assert (answer.raw, answer.mail_from, answer.recipients) == (wish.draft.raw, "", ("taro@example.com",))
    assert (answer.message, answer.about) == (wish.draft.id, came.id)
    first, second = await rows(store, message, message.c.seq)
    assert (second.direction, second.kind, second.about, second.state) == ("out", "reply", came.id, "queued")
    assert second.message_id == "<r@shop.example>"
    assert first.reply == {
        "template": "received",
        "to": "taro@example.com",
        "would_send": True,
        "why": SENT.ja,
        "id": wish.draft.id,
    }
    (kept,) = await rows(store, reply)
    assert (kept.id, kept.address, kept.template, kept.about) == (
        wish.draft.id,
        *("taro@example.com", "received", came.id),
    )
    assert [r.kind for r in await rows(store, log, log.c.seq)] == ["mail.in", "mail.out"]
    assert (await record(store, 1))["about"] == came.id
    bodies = {row.message: row.zstd for row in await rows(store, body)}
    assert unpack(bodies[wish.draft.id], len(wish.draft.raw)) == wish.draft.raw


async def test_notices_are_messages_of_their_own(store: Store) -> None:
    draft = Draft(
        "notice", b"Subject: x\r\n\r\nheld\r\n", "shop@shop.example", ("owner@shop.example",), "x", target="mailbox"
    )
    accepted = await store.committer.submit(accept(acceptance(notices=(draft,), dispatches=())))
    (leased,) = accepted.leased
    assert (leased.kind, leased.target, leased.raw, leased.message) == ("notice", "mailbox", draft.raw, draft.id)
    assert [(row.kind, row.then) for row in await rows(store, message, message.c.seq)] == [
        ("mail", "deliver"),
        ("notice", "sent"),
    ]


async def test_a_plan_that_the_guard_withholds_is_kept_with_its_reason(store: Store) -> None:
    why = Text("認証されていません。", "not authenticated")
    accepted = await replied(store, exchange(), ReplyPlan("received", "a@b.example", False, why))
    assert (accepted.reply_sent, accepted.reply_why) == (False, why)
    (row,) = await rows(store, message)
    assert (row.reply["would_send"], row.reply["why"], row.reply["id"]) == (False, why.ja, None)
    assert await rows(store, reply) == []


async def test_the_same_template_goes_to_an_address_once_in_its_span(store: Store) -> None:
    assert (await replied(store, exchange("1"), plan())).reply_sent
    second = await replied(store, exchange("2"), plan())
    assert not second.reply_sent
    assert second.reply_why is not None
    assert second.reply_why.ja == ONCE_PER.ja
    assert (await replied(store, exchange("3"), plan(template="suspended"))).reply_sent
    assert (await replied(store, exchange("4"), plan("hanako@example.com"))).reply_sent
    await age_replies(store, timedelta(days=1, seconds=1))
    assert (await replied(store, exchange("5"), plan())).reply_sent
    assert len(await rows(store, queue)) == 5 + 4


async def test_two_messages_in_one_transaction_get_one_reply(store: Store) -> None:
    made = await asyncio.gather(*[replied(store, exchange(str(i)), plan()) for i in range(20)])
    assert store.committer.transactions == 1
    assert sum(m.reply_sent for m in made) == 1
    assert len(await rows(store, reply)) == 1


async def test_two_gateways_send_one_reply_between_them(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    await upgrade(url)
    stores = [await open_store(url) for _ in range(2)]
    try:
        made = await asyncio.gather(*[replied(stores[i % 2], exchange(str(i)), plan()) for i in range(40)])
        assert sum(m.reply_sent for m in made) == 1
    finally:
        for store in stores:
            await store.close()


async def test_the_days_caps_hold_for_an_address_and_in_all(store: Store) -> None:
    caps: dict[str, Any] = {"once_per": 0, "per_address": 2, "per_day": 3}
    sent = [await replied(store, exchange(str(i)), plan(template=str(i), **caps)) for i in range(3)]
    assert [s.reply_sent for s in sent] == [True, True, False]
    assert sent[2].reply_why is not None
    assert sent[2].reply_why.ja == PER_ADDRESS.ja
    others = [await replied(store, exchange(f"x{i}"), plan(f"x{i}@example.com", **caps)) for i in range(2)]
    assert [s.reply_sent for s in others] == [True, False]
    assert others[1].reply_why is not None
    assert others[1].reply_why.ja == PER_DAY.ja
    await age_replies(store, timedelta(hours=24, seconds=1))
    assert (await replied(store, exchange("z"), plan(**caps))).reply_sent


async def test_a_message_that_comes_twice_is_never_answered_twice(store: Store) -> None:
    """At-least-once delivery: duplicates are told by envelope and SHA-256, never by Message-ID alone."""
    came = exchange()
    wish: dict[str, Any] = {"once_per": 0, "per_address": 100}
    assert (await replied(store, came, plan(**wish))).reply_sent
    again = await replied(store, Exchange(came.raw, came.envelope), plan(**wish))
    assert again.reply_why == DUPLICATE
    assert len(again.leased) == 1  # it is delivered all the same
    other = dataclasses.replace(came.envelope, mail_from="hanako@example.com")
    assert (await replied(store, Exchange(came.raw, other), plan(**wish))).reply_sent
    assert (await replied(store, Exchange(came.raw + b"x\r\n", came.envelope), plan(**wish))).reply_sent

    async def long_ago(batch: Any) -> None:
        await batch.execute(update(message).values(received_at=now() - timedelta(days=5, minutes=1)))

    await store.committer.submit(Work(long_ago))
    assert (await replied(store, Exchange(came.raw, came.envelope), plan(**wish))).reply_sent


async def test_explain_asks_the_same_question_without_a_trace(store: Store) -> None:
    came = exchange()
    await replied(store, came, plan())
    async with store.read() as connection:
        assert await withheld(connection, plan("new@example.com"), now()) is None
        against = await withheld(connection, plan(), now(), exchange("other"))
        assert against is not None
        assert against.ja == ONCE_PER.ja
        assert await withheld(connection, plan(), now(), Exchange(came.raw, came.envelope)) == DUPLICATE
    assert store.committer.transactions == 1


async def test_nul_and_surrogates_in_what_a_peer_says_do_not_stop_its_mail(store: Store) -> None:
    """PostgreSQL refuses NUL in text, and surrogates of undecodable addresses have no UTF-8."""
    bad = "a\0b\udcff"
    came = exchange()
    envelope = dataclasses.replace(
        came.envelope,
        mail_from=bad,
        recipients=(bad,),
        dialogue=(bad,),
        peer=dataclasses.replace(came.envelope.peer, helo=bad),
    )
    came = Exchange(came.raw + b"\0\xff", envelope)
    facts = {"header.x-ü": Fact((bad,), Text(bad, bad)), "subject": Fact(bad)}
    dispatch = Dispatch("deliver", "mailbox", came.id, bad, (bad,))
    given = acceptance(
        came,
        sender=bad,
        subject=bad,
        from_header=bad,
        message_id=bad,
        facts=facts,
        dispatches=(dispatch,),
        evidence={"ü": [1.5, b"\xff", {"x": bad}]},
        reply=plan(bad),
    )
    accepted = await store.committer.submit(accept(given))
    assert accepted.reply_sent
    row = (await rows(store, message, message.c.seq))[0]
    assert (row.subject, row.mail_from, row.facts["subject"]["value"]) == ("a�b�", "a�b�", "a�b�")
    assert (await record(store, 0))["evidence"] == {"\\xfc": ["1.5", "ÿ", {"x": "a�b�"}]}


async def test_long_texts_stay_out_of_the_record(store: Store) -> None:
    facts = {"body": Fact("あ" * 1_000_000), "phrases": Fact(tuple(str(i) for i in range(5000)))}
    await store.committer.submit(accept(acceptance(facts=facts)))
    said = await record(store, 0)
    assert len(said["facts"]["body"]["value"]) == LONGEST_VALUE + 1
    assert len(said["facts"]["phrases"]["value"]) <= 200


async def test_a_large_message_does_not_hold_the_event_loop(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/sekisho.db")
    came = exchange()
    raw = came.raw + bytes(range(256)) * (20 * 4096)
    large = Exchange(raw.replace(b"\0", b"0"), came.envelope)
    longest = 0.0
    loop = asyncio.get_running_loop()

    async def watch() -> None:
        nonlocal longest
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before - 0.005)

    unit = accept(acceptance(large))
    watcher = asyncio.create_task(watch())
    await store.committer.submit(unit)
    watcher.cancel()
    assert longest < 0.3  # 50 ms on an idle machine; compressing 20 MB takes more
    (kept,) = await rows(store, body)
    assert unpack(kept.zstd, large.size) == large.raw
    with pytest.raises(StoreError):
        unpack(kept.zstd, large.size - 1)
    with pytest.raises(StoreError):
        unpack(kept.zstd[:-10], large.size)
    await store.close()


async def test_nothing_is_kept_of_a_message_that_cannot_be_kept_whole(store: Store) -> None:
    came = exchange()
    foreign = Dispatch("deliver", "mailbox", "no-such-message", "", ("x@shop.example",))
    given: Acceptance = acceptance(came, dispatches=(foreign,))
    others = [store.committer.submit(accept()) for _ in range(3)]
    made = await asyncio.gather(store.committer.submit(accept(given)), *others, return_exceptions=True)
    assert isinstance(made[0], StoreError)
    assert sorted(m.seq for m in made[1:] if isinstance(m, Accepted)) == [0, 1, 2]
    async with store.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(message)) == 3
        assert await connection.scalar(select(func.count()).where(message.c.id == came.id)) == 0


async def age_replies(store: Store, by: timedelta) -> None:
    async def work(batch: Any) -> None:
        for row in (await batch.execute(select(reply.c.id, reply.c.at))).all():
            await batch.execute(update(reply).where(reply.c.id == row.id).values(at=row.at - by))

    await store.committer.submit(Work(work))
