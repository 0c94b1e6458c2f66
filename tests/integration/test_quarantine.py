"""Held mail is released as it came, or refused, on real databases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from gateway.errors import NotFound, Refused
from gateway.model.exchange import Exchange
from gateway.model.verdict import Action, Outcome, Verdict
from gateway.store.engine import Store
from gateway.store.outcome import Attempt, Settle
from gateway.store.quarantine import Refuse, Release, count_held, list_held
from gateway.store.search import find
from gateway.store.tables import body, log
from gateway.store.work import claim
from tests.integration.databases import store as store
from tests.integration.stores import LEASE, NODE, TRACE, Work, accept, acceptance, exchange, now
from tests.integration.test_work import Result


async def held(store: Store, text: str = "x") -> Exchange:
    came = exchange(text)
    verdict = Verdict(Action(Outcome.QUARANTINE), "脅迫", "rules.yaml:3", "ab" * 32)
    await store.committer.submit(accept(acceptance(came, verdict=verdict, dispatches=())))
    return came


async def records(store: Store) -> list[dict[str, Any]]:
    async with store.read() as connection:
        rows = await connection.execute(select(log.c.record).where(log.c.kind == "quarantine").order_by(log.c.seq))
        return [json.loads(row.record) for row in rows]


async def test_release_delivers_the_original_bytes(store: Store) -> None:
    came = await held(store, "そのまま届くこと")
    entry = await store.committer.submit(Release(came.id, "店長", "誤判定"))
    assert (await find(store, came.id)).state == "released"
    (leased,) = (await claim(store, NODE, 10, now(), lease=LEASE)).leased
    assert (leased.id, leased.kind, leased.target) == (entry, "deliver", "mailbox")
    assert leased.raw == TRACE + came.raw
    assert leased.recipients == came.envelope.recipients
    assert leased.mail_from == came.envelope.mail_from
    (record,) = await records(store)
    assert (record["action"], record["operator"], record["reason"]) == ("release", "店長", "誤判定")
    assert record["sha256"] == came.sha256.hex()
    assert record["entry"] == entry
    await store.committer.submit(Settle([Attempt(entry, NODE, (Result(leased.recipients[0]),))]))
    assert (await find(store, came.id)).state == "delivered"


async def test_a_message_is_released_once(store: Store) -> None:
    came = await held(store)
    await store.committer.submit(Release(came.id))
    with pytest.raises(Refused) as refused:
        await store.committer.submit(Release(came.id))
    assert "released" in str(refused.value)
    assert len((await claim(store, NODE, 10, now(), lease=LEASE)).leased) == 1


async def test_refuse_closes_the_case(store: Store) -> None:
    came = await held(store)
    await store.committer.submit(Refuse(came.id, "店長"))
    assert (await find(store, came.id)).state == "refused"
    assert (await claim(store, NODE, 10, now(), lease=LEASE)).leased == ()
    with pytest.raises(Refused):
        await store.committer.submit(Release(came.id))
    assert [record["action"] for record in await records(store)] == ["refuse"]


async def test_what_is_not_on_record(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.committer.submit(Release("nothing"))
    with pytest.raises(NotFound):
        await store.committer.submit(Refuse("nothing"))


async def test_delivered_mail_is_not_held(store: Store) -> None:
    came = exchange()
    await store.committer.submit(accept(acceptance(came)))
    with pytest.raises(Refused):
        await store.committer.submit(Refuse(came.id))


async def test_without_its_bytes_nothing_is_released(store: Store) -> None:
    came = await held(store)

    async def forget(batch: Any) -> None:
        await batch.execute(body.delete())

    await store.committer.submit(Work(forget))
    with pytest.raises(Refused):
        await store.committer.submit(Release(came.id))
    assert (await find(store, came.id)).state == "held"


async def test_held_mail_is_listed_in_pages(store: Store) -> None:
    came = [await held(store) for _ in range(5)]
    await store.committer.submit(accept())
    first = await list_held(store, limit=3)
    second = await list_held(store, limit=3, before=first[-1].seq)
    assert [hit.id for hit in (*first, *second)] == [one.id for one in reversed(came)]
    assert await count_held(store) == 5
