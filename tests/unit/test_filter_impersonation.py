"""Who gives himself out for somebody else."""

from __future__ import annotations

import dataclasses

import pytest

from filters.api import KnownPerson
from filters.impersonation import ImpersonationFilter
from filters.lookalike import lookalike, skeleton
from filters.sender import SenderFilter
from gateway.errors import StoreError
from gateway.model.fact import UNKNOWN, Fact
from gateway.model.names import name_keys, tells_a_person
from gateway.model.settings import Settings, Shop
from gateway.text import Text
from tests.unit.cases import FakeRecords, case, found

SHOP = Shop(
    name="和み工房",
    contact="info@nagomi-koubou.jp",
    addresses=("shop@nagomi-koubou.jp", "@order.nagomi-koubou.jp"),
    owner="owner@gmail.com",
)
TARO = KnownPerson("山田 太郎", ("taro@example.com", "@taro.example"))
OWN = ("nagomi-koubou.jp",)


async def fact(
    head: str,
    *,
    authenticated: object = False,
    shop: Shop = SHOP,
    people: tuple[KnownPerson, ...] = (TARO,),
    mail_from: str = "x@evil.example",
    records: FakeRecords | None = None,
) -> Fact:
    made = case(head, mail_from=mail_from, records=records or FakeRecords(people=people), wanted=("impersonation",))
    made.settings = Settings(shop=shop)
    made.facts["authenticated"] = Fact(authenticated)  # type: ignore[arg-type]
    return (await found(made, SenderFilter(), ImpersonationFilter()))["impersonation"]


@pytest.mark.parametrize(
    "name", ["山田太郎", "山田 太郎", "太郎 山田", "山田　太郎様", "山田太郎（自宅）", '"山田 太郎さん"', "山田・太郎"]
)
async def test_a_known_name_on_a_strange_address(name: str) -> None:
    got = await fact(f"From: {name} <x@evil.example>")
    assert got.value is True
    assert got.note is not None
    assert "山田 太郎" in got.note.in_("ja")
    assert "x@evil.example" in got.note.in_("en")


@pytest.mark.parametrize("address", ["taro@example.com", "TARO@example.com", "another@taro.example"])
async def test_their_own_address_is_theirs(address: str) -> None:
    assert (await fact(f"From: 山田太郎 <{address}>", mail_from=address)).value is False


async def test_two_people_of_one_name_are_told_apart_by_their_addresses() -> None:
    other = KnownPerson("山田太郎", ("y@other.example",))
    assert (await fact("From: 山田太郎 <y@other.example>", people=(TARO, other))).value is False


async def test_a_person_whose_addresses_nobody_knows_is_not_impersonated() -> None:
    assert (await fact("From: 山田太郎 <x@evil.example>", people=(KnownPerson("山田太郎", ()),))).value is False


async def test_an_authenticated_namesake_is_a_namesake() -> None:
    assert (await fact("From: 山田太郎 <x@gmail.com>", authenticated=True)).value is False


async def test_what_cannot_be_authenticated_for_want_of_dns_is_unknown() -> None:
    got = await fact("From: 山田太郎 <x@evil.example>", authenticated=UNKNOWN)
    assert not got.known
    assert (await fact("From: 佐藤花子 <x@evil.example>", authenticated=UNKNOWN)).value is False


@pytest.mark.parametrize("name", ["佐藤", "Taro", "太郎", "山田", ""])
async def test_half_a_name_means_nobody(name: str) -> None:
    people = (KnownPerson(name or "佐藤", ("a@b.example",)),)
    assert (await fact(f"From: {name} <x@evil.example>", people=people)).value is False


@pytest.mark.parametrize(
    "head",
    [
        "From: 和み工房 <x@evil.example>",
        "From: 和み工房 お客様係 <x@evil.example>",
        "From: ｢和み工房｣ <x@evil.example>",
        'From: "shop@nagomi-koubou.jp" <x@evil.example>',
        'From: "和み (info@nagomi-koubou.jp)" <x@evil.example>',
    ],
)
async def test_the_shops_name_on_a_strange_address(head: str) -> None:
    assert (await fact(head)).value is True
    assert (await fact(head, authenticated=True)).value is False


@pytest.mark.parametrize("address", ["shop@nagomi-koubou.jp", "any@order.nagomi-koubou.jp", "owner@gmail.com"])
async def test_the_shop_may_bear_its_name(address: str) -> None:
    assert (await fact(f"From: 和み工房 <{address}>", mail_from=address)).value is False


@pytest.mark.parametrize("name", ["Workshop Tokyo", "Shopper", "The Shop Next Door"])
async def test_a_short_name_in_latin_letters_is_no_part_of_another(name: str) -> None:
    assert (await fact(f"From: {name} <x@evil.example>", shop=dataclasses.replace(SHOP, name="Shop"))).value is False


@pytest.mark.parametrize(
    "domain",
    [
        "nagomi-kobou.jp",
        "nagomi-koubuo.jp",
        "nagomikoubou.jp",
        "nagorni-koubou.jp",
        "nag0mi-k0ub0u.jp",
        "nagoml-koubou.jp",
        "xn--ngomi-koubou-x9j.jp",  # а of the Cyrillic script
        "mail.nagomi-kobou.jp",
        "nagomi-koubou.jp.evil.example",
    ],
)
@pytest.mark.parametrize("head", ["From: a <info@{}>", "From: a@evil.example\nReply-To: info@{}"])
async def test_a_domain_that_looks_like_the_shops(domain: str, head: str) -> None:
    """Also authenticated: whoever owns such a domain can authenticate mail from it."""
    got = await fact(head.format(domain), authenticated=True)
    assert got.value is True
    assert got.note is not None
    assert "nagomi-koubou.jp" in got.note.in_("ja")


async def test_a_domain_that_looks_like_the_shops_in_the_envelope() -> None:
    assert (await fact("From: a@b.example", mail_from="a@nagomi-kobou.jp", authenticated=True)).value is True


@pytest.mark.parametrize(
    "domain",
    ["nagomi-koubou.jp", "www.nagomi-koubou.jp", "example.com", "nagomi.jp", "koubou.jp", "gmail.com", "jp", ""],
)
def test_what_is_no_lookalike(domain: str) -> None:
    assert lookalike(domain, OWN) is None


def test_short_domains_are_near_to_others_by_chance() -> None:
    assert lookalike("ac.jp", ("ab.jp",)) is None
    assert lookalike("shoo.example", ("shop.example",)) is None
    assert lookalike("5h0p.example", ("shop.example",)) is None
    assert lookalike("sh0p.example", ("shop.example",)) is not None


def test_a_shop_at_a_provider_of_mail_owns_none_of_its_neighbours() -> None:
    assert lookalike("gmial.com", ("gmail.com",)) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("раураl.com", "paypal.com"),
        ("αpple.com", "apple.com"),
        ("カ.jp", "力.jp"),
        ("CAFÉ.jp", "cafe.jp"),
        ("vvv.jp", "wv.jp"),
    ],
)
def test_letters_that_are_drawn_alike(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


def test_voiced_kana_are_letters_of_their_own() -> None:
    assert skeleton("ばら.jp") != skeleton("はら.jp")


async def test_records_that_do_not_answer_make_it_unknown() -> None:
    class Away(FakeRecords):
        async def people_named(self, keys: object) -> tuple[KnownPerson, ...]:
            raise StoreError(Text("応答がありません", "no answer"))

    assert not (await fact("From: 山田太郎 <x@evil.example>", records=Away())).known


async def test_a_mail_without_from_gives_itself_out_for_nobody() -> None:
    assert (await fact("Subject: x", mail_from="")).value is False


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("山田太郎", "山田 太郎 様"),
        ("Taro Yamada", "YAMADA, Taro"),
        ("Mr. Taro Yamada", "Ｔａｒｏ　Ｙａｍａｄａ"),
        ("やまだ たろう", "ﾔﾏﾀﾞ ﾀﾛｳ"),
        ("山田太郎", "太郎 山田"),
    ],
)
def test_one_name_in_two_forms(one: str, other: str) -> None:
    assert set(name_keys(one)) & set(name_keys(other))


def test_no_name_has_no_key() -> None:
    assert name_keys("") == name_keys(" 様 ") == name_keys("、。") == ()
    assert not tells_a_person("佐藤")
    assert tells_a_person("山田太郎")
