"""`sekisho quarantine` on a real database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.store.tables import message, queue
from tests.integration.cli_shop import Here, Shop, fill, make


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return fill(make(tmp_path))


@pytest.fixture
def sekisho(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


def state(shop: Shop, name: str) -> str:
    async def read(store: Any) -> str:
        async with store.read() as connection:
            found = (await connection.execute(select(message.c.state).where(message.c.id == shop.ids[name]))).scalar()
        return str(found)

    said: str = shop.with_store(read)
    return said


def test_list_shows_held_mail_newest_first(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("quarantine", "list", "--json")
    assert [line["id"] for line in ran.lines] == [shop.ids["threat2"], shop.ids["threat"]]
    ran = sekisho("quarantine", "list", "--limit", "1")
    assert shop.ids["threat2"] in ran.out
    assert "全 2 件" in ran.out
    assert ran.code == 0


def test_show_has_the_text_the_reason_and_what_can_be_done(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("quarantine", "show", shop.ids["threat"])
    for said in (
        "│ 火をつけてやる。",
        "判定: 保留  [脅迫]",
        "✓ text contains 火をつけ",
        f"quarantine release {shop.ids['threat']}",
    ):
        assert said in ran.out
    assert sekisho("quarantine", "show", shop.ids["threat"], "--json").one["text"].strip() == "火をつけてやる。"
    ran = sekisho("--lang", "en", "quarantine", "show", shop.ids["order"])
    assert (ran.code, ran.out) == (1, "")
    assert f"{shop.ids['order']} is not held (delivered)." in ran.err


def test_release_queues_the_mail_as_it_came(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("quarantine", "release", shop.ids["threat"], shop.ids["threat2"], "--reason", "家族の確認済み")
    assert ran.code == 0
    assert state(shop, "threat") == state(shop, "threat2") == "released"

    async def entries(store: Any) -> list[Any]:
        async with store.read() as connection:
            found = await connection.execute(select(queue).where(queue.c.message == shop.ids["threat"]))
            return list(found.all())

    (entry,) = shop.with_store(entries)
    assert (entry.kind, entry.target, entry.state, entry.mail_from) == (
        "deliver", "mailbox", "waiting", "ikari@isp.example",
    )  # fmt: skip
    records = sekisho("log", "show", shop.ids["threat"], "--json").one["records"]
    assert records[-1]["record"]["action"] == "release"
    assert records[-1]["record"]["reason"] == "家族の確認済み"
    assert sekisho("quarantine", "list").out == "保留中のメールはありません。\n"


def test_one_that_is_not_held_does_not_stop_the_others(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "quarantine", "refuse", shop.ids["order"], shop.ids["threat"], "nobody", "--json")
    assert ran.code == 1
    assert [(line["id"], line["done"], line["state"]) for line in ran.lines] == [
        (shop.ids["order"], False, None),
        (shop.ids["threat"], True, "refused"),
        ("nobody", False, None),
    ]
    assert "is not held (delivered)" in ran.err
    assert "There is no record of nobody." in ran.err
    assert (state(shop, "order"), state(shop, "threat"), state(shop, "threat2")) == ("delivered", "refused", "held")


def test_nothing_is_decided_twice(shop: Shop, sekisho: Here) -> None:
    assert sekisho("quarantine", "release", shop.ids["threat"]).code == 0
    for verb in ("release", "refuse"):
        ran = sekisho("quarantine", verb, shop.ids["threat"])
        assert (ran.code, ran.out) == (1, "")
        assert "保留中ではありません（保留解除）" in ran.err
    assert state(shop, "threat") == "released"


def test_a_message_named_twice_is_decided_once(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("quarantine", "refuse", shop.ids["threat"], shop.ids["threat"])
    assert (ran.code, len(ran.out.splitlines()), ran.err) == (0, 1, "")
