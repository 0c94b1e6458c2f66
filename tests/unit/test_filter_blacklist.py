"""Whether the shop has blocked or watches anybody whom a mail names as its sender."""

from __future__ import annotations

import pytest

from filters.blacklist import BlacklistFilter
from filters.sender import SenderFilter
from filters.sender_ip import SenderIpFilter
from gateway.errors import StoreError
from gateway.model.fact import Fact
from gateway.text import Text
from tests.unit.cases import FakeRecords, block, case, found

CHAIN = (SenderFilter(), SenderIpFilter(), BlacklistFilter())


async def facts(entries: dict[str, object], head: str = "From: taro@example.com", **more: object) -> dict[str, Fact]:
    return await found(case(head, records=FakeRecords(entries), **more), *CHAIN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "head", "mail_from"),
    [
        ("taro@example.com", "From: Taro <TARO@example.com>", "x@other.example"),
        ("taro@example.com", "From: x@other.example", "taro@example.com"),
        ("taro@example.com", "From: x@other.example", "prvs=1234abcdef=taro@example.com"),
        ("taro@example.com", "From: x@other.example", "SRS0=H=T=example.com=taro@forwarder.example"),
        ("taro@example.com", "From: x@other.example\nReply-To: taro@example.com", "x@other.example"),
        ("taro@example.com", "From: x@other.example\nSender: taro@example.com", "x@other.example"),
        ("taro@example.com", "From: x@other.example, taro@example.com", "x@other.example"),
        ("@example.com", "From: taro@example.com", "x@other.example"),
        ("*.example.com", "From: taro@mail.example.com", "x@other.example"),
        ("a..b@docomo.ne.jp", 'From: "a..b"@Docomo.NE.jp', "x@other.example"),
    ],
)
async def test_every_address_of_the_sender_counts(entry: str, head: str, mail_from: str) -> None:
    got = await facts(block(entry, "返品詐欺", "山田太郎"), head, mail_from=mail_from)
    assert got["blocked"].value is True
    assert got["blocked"].note is not None
    said = got["blocked"].note.in_("ja")
    assert entry in said
    assert "返品詐欺" in said
    assert "山田太郎" in said
    assert got["watched"].value is False


@pytest.mark.parametrize(
    "form", ["ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "太郎 <ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ>", "太郎 taro＠example.com"]
)
async def test_full_width_is_the_same_address(form: str) -> None:
    got = await facts(block("taro@example.com"), f"From: {form}", mail_from="x@other.example")
    assert got["blocked"].value is True


async def test_nobody_is_blocked() -> None:
    got = await facts({})
    assert (got["blocked"].value, got["watched"].value) == (False, False)
    assert got["blocked"].note is None


async def test_a_recipient_is_not_a_sender() -> None:
    got = await facts(
        block("taro@example.com"), "From: x@other.example\nTo: taro@example.com", mail_from="x@other.example"
    )
    assert got["blocked"].value is False


async def test_a_watched_entry_only_watches() -> None:
    got = await facts(block("taro@example.com", watched=True))
    assert (got["blocked"].value, got["watched"].value) == (False, True)


@pytest.mark.parametrize("entry", ["203.0.113.9", "203.0.113.0/24"])
async def test_the_peer_is_blocked_by_its_ip(entry: str) -> None:
    got = await facts(block(entry))
    assert got["blocked"].value is True
    assert got["blocked"].note is not None
    assert entry in got["blocked"].note.in_("en")


async def test_behind_our_relay_the_hop_outside_is_blocked_and_not_the_relay() -> None:
    head = "Received: from m (m [121.84.241.5]) by front\nFrom: taro@example.com"
    got = await facts(block("121.84.241.0/24"), head, ip="10.0.0.1", relays=("10.0.0.1",))
    assert got["blocked"].value is True
    got = await facts(block("10.0.0.1"), head, ip="10.0.0.1", relays=("10.0.0.1",))
    assert got["blocked"].value is False


async def test_an_ip_that_a_header_claims_is_only_watched() -> None:
    """FACTS: an IP may hold mail; one that anybody could have written into a header must not block it."""
    head = "X-Originating-IP: [121.84.241.5]\nFrom: taro@example.com"
    got = await facts(block("121.84.241.0/24"), head)
    assert (got["blocked"].value, got["watched"].value) == (False, True)
    assert got["watched"].note is not None


async def test_without_a_peer_a_header_ip_is_only_watched() -> None:
    head = "Received: from m (m [121.84.241.5]) by x via HTTP\nFrom: taro@example.com"
    got = await facts(block("121.84.241.0/24"), head, ip="")
    assert (got["blocked"].value, got["watched"].value) == (False, True)


async def test_the_entry_of_the_address_is_named_before_that_of_the_ip() -> None:
    got = await facts({**block("taro@example.com", "A"), **block("203.0.113.9", "B")})
    assert got["blocked"].note is not None
    assert "taro@example.com" in got["blocked"].note.in_("en")


async def test_each_address_is_asked_once() -> None:
    records = FakeRecords()
    await found(
        case("From: taro@example.com\nReply-To: taro@example.com\nSender: taro@example.com", records=records), *CHAIN
    )
    assert records.asked == ["taro@example.com", "203.0.113.9"]


async def test_a_database_that_is_away_says_nothing_about_anybody() -> None:
    class Away(FakeRecords):
        async def blocks(self, address: str = "", ip: str = "") -> list[object]:  # type: ignore[override]
            raise StoreError(Text("x", "x"))

    with pytest.raises(StoreError):
        await found(case("From: taro@example.com", records=Away()), *CHAIN)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [("taro@example.com", "address"), ("@example.com", "domain"), ("192.0.2.0/24", "network")],
)
async def test_what_kind_of_entry_blocks_is_told_apart(entry: str, kind: str) -> None:
    got = await facts(block(entry), ip="192.0.2.9")
    assert (got["blocked"].value, got["blocked_by"].value) == (True, kind)
    assert (await facts({}, ip="192.0.2.9"))["blocked_by"].value is None
