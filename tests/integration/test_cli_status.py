"""`sekisho status` on a real database: what is shown, and what needs a person."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from gateway.store.gateway_events import GatewayEvent
from tests.integration.cli_shop import NODE, Here, Shop, fill, make


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return fill(make(tmp_path))


@pytest.fixture
def sekisho(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


def execute(shop: Shop, *statements: str) -> None:
    async def work(store: Any) -> None:
        async with store.read() as connection:
            for statement in statements:
                await connection.execute(text(statement))

    shop.with_store(work)


def names(sekisho: Here) -> list[str]:
    return [problem["name"] for problem in sekisho("status", "--json").one["problems"]]


def test_a_gateway_that_never_ran(sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "status")
    assert ran.code == 1
    assert "✗ The gateway does not run; it never did" in ran.out
    assert "! Deliveries that failed for good: 1." in ran.out


def test_all_is_well(shop: Shop, sekisho: Here) -> None:
    execute(shop, "UPDATE queue SET state = 'done'")
    shop.beat()
    ran = sekisho("status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.rstrip().endswith("問題はありません。")
    for said in ("動作中  127.0.0.1:2525", "最後の受信", "最後の配送", "2 通", "チェックポイント"):
        assert said in ran.out
    said = sekisho("status", "--json").one
    assert (said["ok"], said["alive"], said["problems"], said["held"]) == (True, True, [], 2)
    assert said["gateways"][0]["listen"] == ["127.0.0.1:2525"]
    assert said["last_in"]
    assert said["last_out"]
    assert said["disk_free"] > 0


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE queue SET created_at = created_at - 3700000000 WHERE state = 'waiting'", "queue_old"),
        ("UPDATE queue SET next_at = next_at - 1000000000 WHERE state = 'waiting'", "queue_stuck"),
        ("UPDATE queue SET state = 'failed' WHERE state = 'waiting'", "queue_failed"),
        ("UPDATE queue SET state = 'aside' WHERE state = 'waiting'", "queue_aside"),
        ("UPDATE queue SET state = 'uncertain' WHERE state = 'waiting'", "queue_uncertain"),
        ("UPDATE log SET at = at - 7300000000", "checkpoint"),
        ("UPDATE log_state SET at = at + 60000000", "clock"),
    ],
    ids=lambda value: value if "_" in value and " " not in value else "",
)
def test_what_needs_a_person(statement: str, problem: str, shop: Shop, sekisho: Here) -> None:
    execute(shop, "UPDATE queue SET state = 'done' WHERE state = 'failed'")
    shop.beat()
    assert names(sekisho) == []
    execute(shop, statement)
    assert names(sekisho) == [problem]
    assert sekisho("status").code == 1
    assert sekisho("status", "--alive").code == 0  # the gateway itself works


@pytest.mark.parametrize(
    ("beat", "problem"),
    [
        ({"ago": 60.0}, "not_running"),
        ({"ago": -60.0}, "not_running"),
        ({"listen": []}, "not_listening"),
        ({"disk_low": True}, "disk"),
    ],
)
def test_a_gateway_that_does_not_work(beat: dict[str, Any], problem: str, shop: Shop, sekisho: Here) -> None:
    execute(shop, "UPDATE queue SET state = 'done'")
    shop.beat(**beat)
    assert names(sekisho) == [problem]
    assert sekisho("status", "--alive").code == 1


def test_a_gateway_that_stopped_in_good_order_runs_no_longer(shop: Shop, sekisho: Here) -> None:
    execute(shop, "UPDATE queue SET state = 'done'")
    shop.beat()
    ruleset: Any = SimpleNamespace(hash="ab" * 32)

    def event(what: str) -> None:
        shop.with_store(lambda store: store.committer.submit(GatewayEvent(what, NODE, ruleset)))

    event("start")
    assert names(sekisho) == []
    event("stop")
    assert names(sekisho) == ["not_running"]
    assert "its last sign of life is" in sekisho("--lang", "en", "status").out
    event("start")
    assert names(sekisho) == []


def test_a_blacklist_that_is_not_loaded(shop: Shop, sekisho: Here) -> None:
    execute(shop, "UPDATE queue SET state = 'done'")
    shop.beat(blacklist=False)
    assert names(sekisho) == ["blacklist"]


def test_a_full_disk(shop: Shop, sekisho: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(shop, "UPDATE queue SET state = 'done'")
    shop.beat()
    monkeypatch.setattr("gateway.cli.status.free_bytes", lambda folder: 100 * 2**20)
    assert names(sekisho) == ["disk"]
    assert "ディスクの空きが 100 MB しかありません（200 MB を下回ると受信を断ります）" in sekisho("status").out
    assert sekisho("status", "--alive").code == 1


def test_the_command_is_quick_enough_for_a_health_check(shop: Shop) -> None:
    shop.beat()
    begin = time.monotonic()
    ran = shop.run("status", "--alive", "--json")
    assert ran.returncode == 0
    assert time.monotonic() - begin < 15  # what the container allows, on a machine under load
