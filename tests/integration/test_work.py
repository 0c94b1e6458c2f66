"""Claims, leases, crashes and outcomes of queue entries, on real databases."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.errors import NotFound, Refused
from gateway.model.acceptance import Accepted, Dispatch, Draft, Leased
from gateway.store.accept import Accept
from gateway.store.engine import Store
from gateway.store.outcome import Attempt, Outcomes, Sending, Settle
from gateway.store.queue import Cancel, RetryNow, list_queue
from gateway.store.tables import log, message, queue
from gateway.store.work import (
    CRASHES,
    FEW,
    Claimed,
    ReturnLeases,
    SetAside,
    VoidLeases,
    claim,
    without,
)
from tests.integration.databases import store as store
from tests.integration.stores import LEASE, NODE, TRACE, Work, accept, acceptance, exchange, now, plan

OTHER = "node-2"


@dataclass(frozen=True)
class Result:
    recipient: str
    status: str = "delivered"
    code: int = 250
    text: str = "2.0.0 ok"


def deferred(recipient: str) -> Result:
    return Result(recipient, "deferred", 451, "4.3.0 later")


def failed(recipient: str) -> Result:
    return Result(recipient, "failed", 550, "5.1.1 nobody here")


async def accepted(store: Store, count: int = 1, **more: Any) -> list[Accepted]:
    return [await store.committer.submit(accept(**more)) for _ in range(count)]


async def taken(store: Store, node: str = NODE, limit: int = 100, later: timedelta = timedelta(0)) -> Claimed:
    return await claim(store, node, limit, now() + later, lease=LEASE)


async def rows(store: Store, table: Any = queue) -> dict[str, Any]:
    async with store.read() as connection:
        return {row.id: row for row in await connection.execute(select(table))}


async def row(store: Store, entry: str) -> Any:
    return (await rows(store))[entry]


async def state_of(store: Store, about: str) -> str:
    return str((await rows(store, message))[about].state)


async def records(store: Store, kind: str) -> list[dict[str, Any]]:
    async with store.read() as connection:
        found = await connection.execute(select(log.c.record).where(log.c.kind == kind).order_by(log.c.seq))
        return [json.loads(one.record) for one in found]


async def crash(store: Store) -> None:
    """What a killed process leaves behind, found by the next one."""
    await store.committer.submit(VoidLeases(None))


async def test_what_is_handed_over_is_not_claimed(store: Store) -> None:
    await accepted(store)
    assert await taken(store) == Claimed()


async def test_a_claim_gives_the_same_copy_as_the_hand_over(store: Store) -> None:
    (done,) = await accepted(store)
    await crash(store)
    (again,) = (await taken(store)).leased
    (first,) = done.leased
    assert again.raw == first.raw
    assert again.raw.startswith(TRACE)
    assert (again.id, again.message, again.recipients, again.about) == (
        first.id,
        first.message,
        first.recipients,
        first.about,
    )
    assert again.attempts == 1  # nobody knows how far the first one came


async def test_fields_that_were_taken_out_stay_out(store: Store) -> None:
    came = exchange()
    field = b"Authentication-Results: mx.shop.example;\r\n spf=pass\r\n"
    raw = field + came.raw + b"\r\n" + field  # the same line in the body stays
    object.__setattr__(came, "raw", raw)
    unit = Accept(acceptance(came), NODE, LEASE, (field,), "mx.shop.example", TRACE + raw[len(field) :])
    done = await store.committer.submit(unit)
    await crash(store)
    (again,) = (await taken(store)).leased
    assert again.raw == done.leased[0].raw


def test_taking_fields_out() -> None:
    assert without(b"A: 1\r\nB: 2\r\nA: 1\r\n\r\nx", [b"A: 1\r\n", b"A: 1\r\n"]) == b"B: 2\r\n\r\nx"
    assert without(b"XA: 1\r\nA: 1\r\n\r\n", [b"A: 1\r\n"]) == b"XA: 1\r\n\r\n"
    assert without(b"A: 1\r\n\r\n", []) == b"A: 1\r\n\r\n"


async def test_a_lease_that_ran_out_is_claimed_by_another(store: Store) -> None:
    await accepted(store)
    assert (await taken(store, OTHER)).leased == ()
    claimed = await taken(store, OTHER, later=LEASE + timedelta(seconds=1))
    assert len(claimed.leased) == 1
    assert (await row(store, claimed.leased[0].id)).owner == OTHER


async def test_two_nodes_never_claim_the_same(store: Store) -> None:
    await accepted(store, 20)
    await crash(store)
    claims = await asyncio.gather(*(taken(store, f"n{number}", limit=4) for number in range(8)))
    ids = [one.id for claimed in claims for one in claimed.leased]
    assert len(ids) == len(set(ids)) == 20


async def test_the_limit_holds_and_more_is_said(store: Store) -> None:
    await accepted(store, 5)
    await crash(store)
    claimed = await taken(store, limit=3)
    assert (len(claimed.leased), claimed.more) == (3, True)
    claimed = await taken(store, limit=3)
    assert (len(claimed.leased), claimed.more) == (2, False)


async def test_a_claim_takes_no_more_than_memory_allows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.work.MOST_BYTES", 1)
    await accepted(store, 3)
    await crash(store)
    claimed = await taken(store)
    assert (len(claimed.leased), claimed.more) == (1, True)


async def test_delivered(store: Store) -> None:
    (done,) = await accepted(store)
    (leased,) = done.leased
    outcomes = Outcomes(store.committer)
    result = Result(leased.recipients[0], text="2.1.5 <x> saved")
    assert await outcomes.settle(Attempt(leased.id, NODE, (result,), "lmtp://127.0.0.1:24")) == "done"
    kept = await row(store, leased.id)
    assert (kept.state, kept.recipients, kept.attempts, kept.owner) == ("done", [], 1, None)
    assert await state_of(store, leased.message) == "delivered"
    (record,) = await records(store, "delivery")
    assert record["results"] == [
        {"recipient": leased.recipients[0], "status": "delivered", "code": 250, "text": "2.1.5 <x> saved"}
    ]
    assert (record["entry"], record["host"], record["attempt"]) == (leased.id, "lmtp://127.0.0.1:24", 1)


@pytest.mark.parametrize("known", [True, False])
async def test_delivered_with_and_without_a_look_at_the_row(store: Store, known: bool) -> None:
    done = await accepted(store, 3)
    outcomes = Outcomes(store.committer)
    entries = [one.leased[0] for one in done]
    attempts = [
        Attempt(entry.id, NODE, (Result(entry.recipients[0]),), "host", leased=entry if known else None)
        for entry in entries
    ]
    assert await asyncio.gather(*(outcomes.settle(attempt) for attempt in attempts)) == ["done"] * 3
    for entry in entries:
        kept = await row(store, entry.id)
        assert (kept.state, kept.recipients, kept.attempts, kept.owner) == ("done", [], 1, None)
        assert (kept.crashes, kept.lease_until) == (0, None)
        assert await state_of(store, entry.message) == "delivered"
    said = await records(store, "delivery")
    assert [(one["entry"], one["state"], one["attempt"]) for one in said] == [(e.id, "done", 1) for e in entries]


async def test_a_lease_that_was_lost_meanwhile_is_told_after_the_commit(store: Store) -> None:
    """Once recorded as done without a look: who has received the mail must not be tried again by the other node."""
    leased = await three(store)
    await store.committer.submit(VoidLeases(NODE))
    (theirs,) = (await claim(store, "other", 10, now() + timedelta(minutes=1), lease=timedelta(minutes=5))).leased
    assert theirs.id == leased.id
    results = tuple(Result(recipient) for recipient in leased.recipients)
    attempt = Attempt(leased.id, NODE, results, "host", leased=leased)
    assert await Outcomes(store.committer).settle(attempt) == "done"
    kept = await row(store, leased.id)
    assert (kept.state, kept.recipients, kept.owner) == ("done", [], "other")
    assert len(await records(store, "delivery")) == 1


async def three(store: Store) -> Leased:
    came = exchange()
    to = ("a@shop.example", "b@shop.example", "c@shop.example")
    (done,) = await accepted(
        store, accepted=acceptance(came, dispatches=(Dispatch("deliver", "mailbox", came.id, "x@example.com", to),))
    )
    return done.leased[0]


async def test_each_recipient_has_an_outcome_of_its_own(store: Store) -> None:
    leased = await three(store)
    next_at = now() + timedelta(minutes=1)
    results = (Result("a@shop.example"), deferred("b@shop.example"), failed("c@shop.example"))
    states = await store.committer.submit(Settle([Attempt(leased.id, NODE, results, "host", next_at)]))
    assert states == {leased.id: "waiting"}
    kept = await row(store, leased.id)
    assert (kept.recipients, kept.next_at, kept.last_error) == (["b@shop.example"], next_at, "451 4.3.0 later")
    assert await state_of(store, leased.message) == "queued"
    (given_up,) = [one for one in (await rows(store)).values() if one.id != leased.id]
    assert (given_up.state, given_up.recipients, given_up.last_error) == (
        "failed",
        ["c@shop.example"],
        "550 5.1.1 nobody here",
    )
    assert (await taken(store)).leased == ()
    (again,) = (await taken(store, later=timedelta(minutes=2))).leased
    assert (again.recipients, again.attempts) == (("b@shop.example",), 1)
    await store.committer.submit(Settle([Attempt(leased.id, NODE, (Result("b@shop.example"),), "host")]))
    assert await state_of(store, leased.message) == "failed"  # one of three never got it


async def test_giving_up_writes_its_drafts_in_the_same_transaction(store: Store) -> None:
    leased = await three(store)
    notice = Draft("notice", b"Subject: x\r\n\r\nx\r\n", "", ("owner@shop.example",), "x", target="mailbox")
    results = (Result("a@shop.example"), deferred("b@shop.example"), failed("c@shop.example"))
    attempt = Attempt(leased.id, NODE, results, "host", None, drafts=(notice,))
    assert (await store.committer.submit(Settle([attempt]))) == {leased.id: "failed"}
    kept = await row(store, leased.id)
    assert kept.recipients == ["c@shop.example", "b@shop.example"]
    assert await state_of(store, leased.message) == "failed"
    (out,) = await records(store, "mail.out")
    assert (out["id"], out["about"]) == (notice.id, leased.message)
    (told,) = (await taken(store)).leased
    assert (told.id, told.raw, told.kind, told.target) == (notice.id, notice.raw, "notice", "mailbox")
    await store.committer.submit(Settle([Attempt(told.id, NODE, (Result("owner@shop.example"),))]))
    assert await state_of(store, notice.id) == "sent"


async def test_a_forward_says_nothing_about_the_message(store: Store) -> None:
    came = exchange()
    forward = Dispatch("forward", "outgoing", came.id, "x@example.com", ("boss@shop.example",))
    deliver = Dispatch("deliver", "mailbox", came.id, "x@example.com", ("shop@shop.example",))
    (done,) = await accepted(store, accepted=acceptance(came, dispatches=(deliver, forward)))
    by_kind = {leased.kind: leased for leased in done.leased}
    await store.committer.submit(Settle([Attempt(by_kind["forward"].id, NODE, (failed("boss@shop.example"),))]))
    assert await state_of(store, came.id) == "queued"
    await store.committer.submit(Settle([Attempt(by_kind["deliver"].id, NODE, (Result("shop@shop.example"),))]))
    assert await state_of(store, came.id) == "delivered"


async def test_outcomes_that_wait_share_a_transaction(store: Store) -> None:
    done = await accepted(store, 40)
    outcomes = Outcomes(store.committer)
    before = store.committer.transactions
    leased = [one for each in done for one in each.leased]
    states = await asyncio.gather(
        *(outcomes.settle(Attempt(one.id, NODE, (Result(one.recipients[0]),))) for one in leased)
    )
    assert set(states) == {"done"}
    assert store.committer.transactions - before <= 3


async def test_an_outcome_of_nobodys_entry_is_left_out(store: Store) -> None:
    assert await Outcomes(store.committer).settle(Attempt("nothing", NODE, (Result("a"),))) == ""


async def test_a_late_outcome_of_a_lost_lease_sends_nothing_twice(store: Store) -> None:
    leased = await three(store)
    await taken(store, OTHER, later=LEASE + timedelta(seconds=1))
    late = Attempt(leased.id, NODE, (Result("a@shop.example"), deferred("b@shop.example"), deferred("c@shop.example")))
    assert await store.committer.submit(Settle([late])) == {leased.id: "leased"}
    kept = await row(store, leased.id)
    assert (kept.owner, kept.recipients) == (OTHER, ["b@shop.example", "c@shop.example"])
    await store.committer.submit(
        Settle([Attempt(leased.id, NODE, (Result("b@shop.example"), Result("c@shop.example")))])
    )
    assert (await row(store, leased.id)).state == "done"
    assert await state_of(store, leased.message) == "delivered"


async def reply(store: Store) -> Leased:
    (done,) = await accepted(store, accepted=acceptance(reply=plan(), dispatches=()))
    (leased,) = done.leased
    assert leased.kind == "reply"
    return leased


async def test_a_reply_is_marked_before_it_leaves(store: Store) -> None:
    leased = await reply(store)
    assert await store.committer.submit(Sending(leased.id, OTHER)) is False
    assert await store.committer.submit(Sending(leased.id, NODE)) is True
    assert await store.committer.submit(Sending(leased.id, NODE)) is False
    await store.committer.submit(Settle([Attempt(leased.id, NODE, (Result("taro@example.com"),))]))
    assert await state_of(store, leased.message) == "sent"


async def test_a_reply_that_was_leaving_at_a_crash_is_never_sent_again(store: Store) -> None:
    leased = await reply(store)
    await store.committer.submit(Sending(leased.id, NODE))
    await crash(store)
    assert (await row(store, leased.id)).state == "uncertain"
    assert await state_of(store, leased.message) == "uncertain"
    assert (await taken(store, later=timedelta(days=9))).leased == ()
    (record,) = await records(store, "delivery")
    assert (record["action"], record["entry"]) == ("uncertain", leased.id)
    with pytest.raises(Refused):
        await store.committer.submit(RetryNow((leased.id,)))


async def test_a_reply_whose_node_went_away_while_sending_is_uncertain(store: Store) -> None:
    leased = await reply(store)
    await store.committer.submit(Sending(leased.id, NODE))
    claimed = await taken(store, OTHER, later=LEASE + timedelta(seconds=1))
    assert (claimed.leased, claimed.uncertain) == ((), (leased.id,))


async def test_a_reply_before_its_mark_is_sent_after_a_crash(store: Store) -> None:
    leased = await reply(store)
    await crash(store)
    assert [one.id for one in (await taken(store)).leased] == [leased.id]


async def test_a_reply_of_which_the_answer_was_lost(store: Store) -> None:
    leased = await reply(store)
    await store.committer.submit(Sending(leased.id, NODE))
    attempt = Attempt(leased.id, NODE, (deferred("taro@example.com"),), uncertain=True)
    assert await store.committer.submit(Settle([attempt])) == {leased.id: "uncertain"}
    assert await state_of(store, leased.message) == "uncertain"


async def test_a_crash_at_the_hand_over_blames_nobody(store: Store) -> None:
    await accepted(store, 3)
    await crash(store)
    assert {one.crashes for one in (await rows(store)).values()} == {0}
    assert len((await taken(store)).leased) == 3


async def test_an_orderly_stop_blames_nobody(store: Store) -> None:
    await accepted(store, 2)
    assert await store.committer.submit(ReturnLeases(NODE)) == 2
    claimed = await taken(store)
    assert await store.committer.submit(ReturnLeases(NODE, tuple(one.id for one in claimed.leased))) == 2
    assert {(one.state, one.crashes, one.attempts) for one in (await rows(store)).values()} == {("waiting", 0, 0)}


async def test_suspects_are_claimed_a_few_and_then_one_at_a_time(store: Store) -> None:
    await accepted(store, FEW + 2)
    await crash(store)
    await taken(store)
    await crash(store)  # the second in which these were at work
    await accepted(store)
    await store.committer.submit(ReturnLeases(NODE))
    claimed = await taken(store)
    assert sorted(one.crashes for one in claimed.leased) == [0, *([1] * FEW)]
    assert (await taken(store)).leased == ()  # suspects are in somebody's hands
    await crash(store)
    assert sorted(one.crashes for one in (await taken(store)).leased) == [1, 1, 1]  # the fresh one is one of them now
    await crash(store)
    (alone,) = (await taken(store)).leased
    assert alone.crashes == 2
    assert (await taken(store)).leased == ()
    await store.committer.submit(Settle([Attempt(alone.id, NODE, (Result(alone.recipients[0]),))]))
    (following,) = (await taken(store)).leased
    assert (following.crashes, following.id != alone.id) == (2, True)


async def test_what_kills_the_gateway_is_set_aside_and_its_neighbours_are_delivered(store: Store) -> None:
    done = await accepted(store, 6)
    killer = done[3].leased[0].id
    delivered: set[str] = set()
    aside: set[str] = set()
    crashes = 0
    for _ in range(60):
        claimed = await taken(store)
        aside |= set(claimed.aside)
        if not claimed.leased and not claimed.aside:
            await crash(store)
            if {one.state for one in (await rows(store)).values()} <= {"done", "aside"}:
                break
            continue
        if killer in {one.id for one in claimed.leased}:
            crashes += 1
            await crash(store)
            continue
        await store.committer.submit(
            Settle([Attempt(one.id, NODE, (Result(one.recipients[0]),)) for one in claimed.leased])
        )
        delivered |= {one.id for one in claimed.leased}
    assert aside == {killer}
    assert crashes == CRASHES
    assert len(delivered) == 5
    kept = await row(store, killer)
    assert kept.state == "aside"
    assert "3" in kept.last_error
    assert (await records(store, "queue"))[0]["action"] == "aside"


async def test_an_outcome_clears_the_blame(store: Store) -> None:
    await accepted(store)
    await crash(store)
    (leased,) = (await taken(store)).leased
    await store.committer.submit(Settle([Attempt(leased.id, NODE, (deferred(leased.recipients[0]),), next_at=now())]))
    assert (await row(store, leased.id)).crashes == 0


async def test_voiding_spares_other_nodes(store: Store) -> None:
    await accepted(store)
    assert await store.committer.submit(VoidLeases(OTHER)) == 0
    assert await store.committer.submit(VoidLeases(NODE)) == 1


async def test_set_aside_by_hand_of_the_worker(store: Store) -> None:
    (done,) = await accepted(store)
    entry = done.leased[0].id
    assert await store.committer.submit(SetAside(entry, OTHER, "x")) is False
    assert await store.committer.submit(SetAside(entry, NODE, "x")) is True
    assert await state_of(store, done.leased[0].message) == "queued"
    assert await store.committer.submit(RetryNow((entry,), "店長")) == 1
    assert [one.id for one in (await taken(store)).leased] == [entry]


async def test_a_message_without_a_body_is_set_aside(store: Store) -> None:
    from gateway.store.tables import body

    (done,) = await accepted(store)
    await crash(store)

    async def forget(batch: Any) -> None:
        await batch.execute(body.delete())

    await store.committer.submit(Work(forget))
    claimed = await taken(store)
    assert (claimed.leased, claimed.aside) == ((), (done.leased[0].id,))
    assert (await row(store, done.leased[0].id)).state == "aside"


async def test_cancel_keeps_the_message_and_says_who(store: Store) -> None:
    (done,) = await accepted(store)
    (leased,) = done.leased
    with pytest.raises(Refused):
        await store.committer.submit(Cancel((leased.id,)))
    await crash(store)
    assert await store.committer.submit(Cancel((leased.id,), "店長", "不要")) == 1
    assert (await row(store, leased.id)).state == "cancelled"
    assert await state_of(store, leased.message) == "failed"
    (record,) = await records(store, "queue")
    assert (record["action"], record["operator"], record["reason"]) == ("cancel", "店長", "不要")
    with pytest.raises(Refused):
        await store.committer.submit(Cancel((leased.id,)))
    with pytest.raises(NotFound):
        await store.committer.submit(Cancel(("nothing",)))


async def test_retry_brings_back_what_failed(store: Store) -> None:
    (done,) = await accepted(store)
    (leased,) = done.leased
    await store.committer.submit(Settle([Attempt(leased.id, NODE, (failed(leased.recipients[0]),))]))
    assert await state_of(store, leased.message) == "failed"
    await store.committer.submit(RetryNow((leased.id,)))
    assert await state_of(store, leased.message) == "queued"
    (again,) = (await taken(store)).leased
    assert again.recipients == leased.recipients
    with pytest.raises(NotFound):
        await store.committer.submit(RetryNow(("nothing",)))


async def test_retry_all_that_waits(store: Store) -> None:
    await accepted(store, 3)
    await crash(store)

    async def later(batch: Any) -> None:
        await batch.execute(update(queue).values(next_at=now() + timedelta(days=1)))

    await store.committer.submit(Work(later))
    assert (await taken(store)).leased == ()
    assert await store.committer.submit(RetryNow()) == 3
    assert len((await taken(store)).leased) == 3


async def test_the_queue_is_listed_in_pages(store: Store) -> None:
    done = await accepted(store, 5)
    first = await list_queue(store, limit=3)
    second = await list_queue(store, limit=3, after=first[-1])
    assert [one.id for one in (*first, *second)] == [each.leased[0].id for each in done]
    assert (first[0].subject, first[0].state, first[0].owner) == ("注文について", "leased", NODE)
    assert await list_queue(store, states=("aside",)) == ()
    (one,) = await list_queue(store, message_id=done[2].leased[0].message)
    assert one.id == done[2].leased[0].id
