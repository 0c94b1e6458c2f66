"""How much a sender writes."""

from __future__ import annotations

from datetime import timedelta

from filters.sender import SenderFilter
from filters.volume import VolumeFilter
from gateway.model.fact import Fact
from tests.unit.cases import NOW, FakeRecords, case, found

MAILS = [("taro@example.com", NOW - timedelta(hours=hours)) for hours in (0.5, 2, 20, 30)]


async def facts(
    *wanted: str, head: str = "From: taro@example.com", mail_from: str = "x@example.com"
) -> dict[str, Fact]:
    one = case(head, records=FakeRecords(mails=MAILS), wanted=wanted, mail_from=mail_from)
    return await found(one, SenderFilter(), VolumeFilter())


async def test_mails_of_the_last_day_with_this_one() -> None:
    assert (await facts("mails_from_sender"))["mails_from_sender"].value == 4


async def test_each_span_that_is_asked_for() -> None:
    got = await facts("mails_from_sender[3600]", "mails_from_sender[259200]")
    assert got["mails_from_sender[3600]"].value == 2
    assert got["mails_from_sender[259200]"].value == 5
    assert got["mails_from_sender[3600]"].note is not None


async def test_the_key_is_the_one_that_rules_use() -> None:
    spec = VolumeFilter.facts[0]
    assert spec.key(3600) in await facts(spec.key(3600))


async def test_a_stranger_has_written_once() -> None:
    assert (await facts("mails_from_sender", head="From: new@example.com"))["mails_from_sender"].value == 1


async def test_nobody_wrote_nothing() -> None:
    assert (await facts("mails_from_sender", head="Subject: x", mail_from=""))["mails_from_sender"].value is None
