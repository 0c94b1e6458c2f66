"""Facts about what a message says and carries."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from filters.api import Case
from filters.content import Content
from gateway.mime.message import Message
from gateway.model.fact import Fact
from tests.unit.cases import case

ALL = ("subject", "body", "text", "attachment", "attachment_type", "size", "local_hour")


class Threads:
    """Runs work at once and notes that it was handed over."""

    def __init__(self) -> None:
        self.used = 0

    def __call__(self, function: Callable[..., Any], /, *arguments: object) -> Awaitable[Any]:
        self.used += 1

        async def call() -> Any:
            return function(*arguments)

        return call()


def of(raw: bytes, *wanted: str) -> tuple[Case, Threads]:
    made = case(wanted=wanted or ALL)
    made.message = Message(raw)
    made.exchange = dataclasses.replace(made.exchange, raw=raw)
    threads = Threads()
    made.lookups = dataclasses.replace(made.lookups, in_thread=threads)
    return made, threads


async def find(raw: bytes, *wanted: str) -> dict[str, Fact]:
    return dict(await Content().find(of(raw, *wanted)[0]))


async def test_facts_of_an_ordinary_message() -> None:
    raw = (
        b"Subject: =?iso-2022-jp?B?GyRCSlZJSiRLJEQkJCRGGyhC?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        + "返金してください。\r\n\r\n> お店の言葉\r\n-- \r\n山田\r\n".encode()
    )
    found = await find(raw)
    assert found["subject"].value == "返品について"
    assert found["body"].value == "返金してください。\n\n> お店の言葉\n-- \n山田"
    assert found["text"].value == "返金してください。"
    assert found["attachment"].value is None
    assert found["attachment_type"].value is None
    assert found["size"].value == len(raw)


async def test_only_what_is_wanted_is_parsed() -> None:
    found = await find(b"Subject: s\r\n\r\nbody", "subject", "header.x-mailer")
    assert set(found) == {"subject", "header.x-mailer", "size", "local_hour"}


async def test_headers_by_name() -> None:
    raw = b"X-Mailer: one\r\nx-mailer: =?utf-8?Q?=E3=81=82?=\r\n\r\n"
    found = await find(raw, "header.x-mailer", "header.x-none")
    assert found["header.x-mailer"].value == ("one", "あ")
    assert found["header.x-none"].value is None


async def test_attachments() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n"
        b" filename*=utf-8''%E8%AB%8B%E6%B1%82.pdf\r\n\r\nx\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n"
    )
    found = await find(raw)
    assert found["attachment"].value == ("請求.pdf",)
    assert found["attachment_type"].value == ("application/pdf", "image/png")


@pytest.mark.parametrize(("zone", "hour"), [("Asia/Tokyo", 21), ("UTC", 12), ("America/New_York", 7)])
async def test_local_hour_by_the_shop_s_clock(zone: str, hour: int) -> None:
    made, _ = of(b"\r\n")
    made.exchange = dataclasses.replace(made.exchange, received_at=made.now)
    shop = dataclasses.replace(made.settings.shop, timezone=ZoneInfo(zone))
    made.settings = dataclasses.replace(made.settings, shop=shop)
    assert (await Content().find(made))["local_hour"].value == hour


async def test_light_messages_stay_in_the_loop_and_heavy_ones_go_to_a_thread() -> None:
    light, unused = of(b"Subject: s\r\n\r\nbody")
    await Content().find(light)
    heavy, used = of(b"Subject: s\r\n\r\n" + b"x" * 200_000)
    assert (await Content().find(heavy))["subject"].value == "s"
    assert (unused.used, used.used) == (0, 1)


async def test_a_parse_limit_makes_only_the_facts_concerned_unknown() -> None:
    raw = b"Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 2000
    found = await find(raw)
    assert found["subject"].value == "s"
    assert found["size"].known
    for key in ("body", "text", "attachment", "attachment_type"):
        assert not found[key].known
        note = found[key].note
        assert note is not None
        assert "パート" in note.in_("ja")
        assert "parts" in note.in_("en")
