"""What rules in mode watch would have done is on record: shown by `log show`, found by `log search --watched`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.verdict import Action, Outcome, RuleTrace, Verdict
from gateway.store import search as records
from gateway.store.engine import Store
from gateway.store.search import Query, search
from tests.integration.cli_shop import Here, make
from tests.integration.databases import store as store
from tests.integration.stores import accept, acceptance, exchange

NAME = '新しい "試し" 100%_[A]'


def judged(*watched: str, tags: tuple[str, ...] = ()) -> Verdict:
    trail = tuple(RuleTrace(rule, "rules.yaml:9", "watch", True, ()) for rule in watched)
    then = tuple((rule, Outcome.QUARANTINE) for rule in watched)
    return Verdict(Action(Outcome.DELIVER, tags=tags), "default", "rules.yaml:20", "ab" * 32, trail, then)


async def put(store: Store, verdict: Verdict) -> str:
    came = exchange()
    await store.committer.submit(accept(acceptance(came, verdict=verdict, reply=None)))
    return came.id


async def test_mail_is_found_by_the_rule_that_would_have_decided(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_WATCHED_PAGE", 2)  # pages are gone through to the end
    first = await put(store, judged(NAME))
    await put(store, judged())
    await put(store, judged("別", tags=(NAME, "x")))  # the same words elsewhere in the verdict
    await put(store, judged(tags=(NAME, "x")))
    await put(store, judged(NAME.replace("%", "x")))
    both = await put(store, judged("別", NAME))
    assert [hit.id for hit in await search(store, Query(watched=NAME))] == [both, first]
    assert [hit.id for hit in await search(store, Query(watched=NAME), limit=1)] == [both]
    assert await search(store, Query(watched=NAME, then="reject")) == ()
    assert await search(store, Query(watched="ない")) == ()


def test_log_shows_and_finds_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = make(tmp_path)
    id = shop.with_store(lambda store: put(store, judged(NAME)))
    shop.with_store(lambda store: put(store, judged()))
    sekisho = Here(shop, capsys)
    assert sekisho("--json", "log", "search", "--watched", NAME).one["id"] == id
    ran = sekisho("--lang", "en", "log", "search", "--watched", "x")
    assert (ran.code, ran.out) == (1, "Nothing on record fits.\n")
    shown = sekisho("--lang", "ja", "log", "show", id).out
    assert f"様子見のルール「{NAME}」なら「保留」でした。" in shown
    assert sekisho("--json", "log", "show", id).one["verdict"]["watched"] == [[NAME, "quarantine"]]
