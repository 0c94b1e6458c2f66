"""`sekisho queue` on a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.integration.cli_shop import Here, Shop, fill, make


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return fill(make(tmp_path))


@pytest.fixture
def sekisho(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


def states(sekisho: Here) -> dict[str, str]:
    return {line["id"]: line["state"] for line in sekisho("queue", "list", "--json").lines}


def test_list_shows_what_waits_and_what_failed(shop: Shop, sekisho: Here) -> None:
    assert states(sekisho) == {shop.entries["waiting"]: "waiting", shop.entries["failed"]: "failed"}
    ran = sekisho("queue", "list")
    assert ran.code == 0
    for said in ("待機中", "失敗", "451 4.3.0 try again", "550 5.1.1 no such user", "返品したい"):
        assert said in ran.out
    assert sekisho("--lang", "en", "queue", "list", "--target", "outgoing").out == "Nothing waits.\n"


def test_retry_makes_an_entry_due(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("queue", "retry", shop.entries["waiting"], shop.entries["failed"])
    assert (ran.code, ran.out) == (0, "2 件をすぐに再試行します。\n")
    lines = sekisho("queue", "list", "--json").lines
    assert {line["state"] for line in lines} == {"waiting"}
    assert all(datetime.fromisoformat(line["next_at"]) <= datetime.now(UTC) for line in lines)
    assert sekisho("log", "show", shop.ids["failed"], "--json").one["message"]["state"] == "queued"


def test_retry_all_leaves_what_failed_unless_asked(shop: Shop, sekisho: Here) -> None:
    assert sekisho("queue", "retry", "--all").out == "1 件をすぐに再試行します。\n"
    assert states(sekisho)[shop.entries["failed"]] == "failed"
    assert sekisho("queue", "retry", "--target", "outgoing").out == "待っているものはありません。\n"
    assert sekisho("queue", "retry", "--target", "mailbox", "--failed").out == "2 件をすぐに再試行します。\n"
    assert states(sekisho)[shop.entries["failed"]] == "waiting"


def test_cancel_gives_up_and_keeps_the_mail(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("queue", "cancel", shop.entries["waiting"], "--reason", "電話で解決")
    assert ran.code == 0
    assert states(sekisho) == {shop.entries["failed"]: "failed"}
    said = sekisho("log", "show", shop.ids["waiting"], "--json").one
    assert said["message"]["state"] == "failed"
    assert said["records"][-1]["record"]["reason"] == "電話で解決"


def test_cancel_of_many_asks_first(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "queue", "cancel", "--all")
    assert (ran.code, ran.out) == (1, "")
    assert "Nothing was cancelled." in ran.err
    assert "--yes" in ran.err
    assert len(states(sekisho)) == 2
    assert sekisho("queue", "cancel", "--failed", "--yes").code == 0
    assert states(sekisho) == {}


def test_one_that_cannot_be_touched_does_not_stop_the_others(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "queue", "retry", "nothere", shop.entries["waiting"], "--json")
    assert ran.code == 1
    assert ran.lines == [
        {"id": "nothere", "done": False, "why": "There is no nothere in the queue."},
        {"id": shop.entries["waiting"], "done": True, "why": None},
    ]
    ran = sekisho("--lang", "en", "queue", "retry", "--all", shop.entries["waiting"])
    assert (ran.code, ran.out) == (2, "")
