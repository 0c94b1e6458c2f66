"""Which order a mail names, and how often somebody complained of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.api import Case
from filters.complaints import digest, grievance
from filters.orders import MOST, OrdersFilter, orders_in
from gateway.errors import StoreError
from gateway.mime.message import Message
from gateway.model.fact import Fact
from gateway.model.order import FORMATS, Orders, order_key
from gateway.text import Text
from tests.unit.cases import FakeRecords, case

ALL = Orders()
RAKUTEN, AMAZON = "123456-20260101-1234567890", "503-1234567-1234567"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        (f"楽天の{RAKUTEN}です", [RAKUTEN]),
        (f"Amazon {AMAZON}", [AMAZON]),
        ("PB12345678901234567の件", ["PB12345678901234567"]),
        ("p123456789012345678", ["p123456789012345678"]),
        ("ご注文番号：１２３", ["123"]),
        ("【ご注文番号】\n 10045 様", ["10045"]),
        ("注文番号は「A-77」です", ["A-77"]),
        ("受注No.5567、よろしく", ["5567"]),
        ("My order number is AB-1234.", ["AB-1234"]),
        ("注文#1001について", ["#1001"]),
        ("＃１００１", ["#1001"]),
        ("注文番号 503−1234567ー1234567", [AMAZON]),
        (f"一つは{AMAZON}、もう一つは#1002", [AMAZON, "#1002"]),
        ("#1001 #1002 #1001 注文番号：1001", ["#1001", "#1002"]),
    ],
)
def test_order_numbers_in_japanese_shops(text: str, numbers: list[str]) -> None:
    """FACTS: the formats of Rakuten, Amazon, MakeShop, EC-CUBE and Shopify."""
    assert list(orders_in(text, ALL)) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "電話 03-1234-5678 まで",
        "2026年3月1日に注文しました",
        "注文番号は12月にお知らせします",
        "注文番号がわかりません",
        "&#12345; https://example.com/page/#1001",
        "color #1001ab",
        "Order no one",
        f"1{AMAZON} {AMAZON}-1",
        "PB123456789012345678",
        "送り状番号 1234-5678-9012",
    ],
)
def test_what_is_no_order_number(text: str) -> None:
    assert orders_in(text, ALL) == ()


def test_a_shop_names_its_formats() -> None:
    only = Orders(("amazon",))
    assert orders_in(f"{RAKUTEN} #1001 {AMAZON}", only) == (AMAZON,)
    own = Orders((), (r"NG-\d{8}", r"受付No\.(\d{6})"))
    assert orders_in("ng-12345678 と 受付No.123456 と #1001", own) == ("ng-12345678", "123456")
    assert orders_in("XNG-12345678", own) == ()


def test_every_format_has_an_example_above() -> None:
    assert set(FORMATS) == {"rakuten", "amazon", "makeshop", "eccube", "shopify"}


def test_a_mail_full_of_numbers_is_bounded() -> None:
    text = " ".join(f"#{number}" for number in range(100_000, 160_000))
    assert len(orders_in(text, ALL)) == MOST


@pytest.mark.parametrize("same", ["#1001", "1001", "＃１００１", " 1001 "])
def test_one_order_has_one_key(same: str) -> None:
    assert order_key(same) == "1001"


def of(text: str, *, subject: str = "件名", head: str = "", records: FakeRecords | None = None, **more: object) -> Case:
    made = case(records=records, wanted=("order", "complaints_on_order"))
    raw = f"From: taro@example.com\r\nSubject: {subject}\r\n{head}Content-Type: text/plain; charset=utf-8\r\n\r\n"
    made.message = Message(raw.encode() + text.replace("\n", "\r\n").encode())
    made.exchange = dataclasses.replace(made.exchange, raw=made.message.raw)
    made.facts.update({"sender": Fact(("taro@example.com",)), "automatic": Fact("no"), **more})  # type: ignore[arg-type]
    return made


async def facts(made: Case) -> Mapping[str, Fact]:
    return await OrdersFilter().find(made)


async def test_the_order_is_in_the_subject() -> None:
    got = await facts(of("いつ届きますか。", subject=f"注文 {AMAZON}"))
    assert got["order"].value == (AMAZON,)


async def test_own_words_come_before_quoted_ones() -> None:
    quoted = f"\n\n> ご注文番号：{AMAZON}\n> ありがとうございます\n"
    got = await facts(of("届きました。ありがとう。" + quoted))
    assert got["order"].value == (AMAZON,)
    assert got["order"].note is not None
    got = await facts(of("注文番号は #1001 です。" + quoted))
    assert got["order"].value == ("#1001",)
    assert got["order"].note is None


async def test_no_order_is_none_and_nobody_is_asked() -> None:
    records = FakeRecords()
    got = await facts(of("壊れていました。", records=records))
    assert (got["order"].value, got["complaints_on_order"].value) == (None, None)
    assert records.asked == []


BROKEN = "注文番号 #1001 の皿が割れていました。"


async def test_the_first_complaint_counts_itself() -> None:
    made = of(BROKEN)
    got = await facts(made)
    assert got["complaints_on_order"].value == 1
    assert made.evidence["complaint"] == digest(BROKEN).hex()
    note = got["complaints_on_order"].note
    assert note is not None
    assert "割れて" in note.in_("ja")


async def test_the_third_complaint_with_a_new_text_is_the_third() -> None:
    earlier = frozenset({digest("一つ目"), digest("二つ目")})
    records = FakeRecords(complained={("taro@example.com", "1001"): earlier})
    assert (await facts(of(BROKEN, records=records)))["complaints_on_order"].value == 3


@pytest.mark.parametrize(
    "again", [BROKEN, "注文番号 ＃１００１ の皿が\n割れていました！！", f"{BROKEN}\n\n> ご注文番号 #1001\n"]
)
async def test_the_same_words_again_are_no_new_complaint(again: str) -> None:
    records = FakeRecords(complained={("taro@example.com", "1001"): frozenset({digest(BROKEN), digest("二つ目")})})
    assert (await facts(of(again, records=records)))["complaints_on_order"].value == 2


@pytest.mark.parametrize(
    "text",
    [
        "注文番号 #1001 の品が届きました。ありがとうございました。",
        "注文番号 #1001 の返品の送り先を教えてください。",
        "注文番号 #1001 を交換していただけますか。",
        "Please tell me how to return order #1001 for a refund.",
    ],
)
async def test_thanks_and_questions_are_no_complaints(text: str) -> None:
    made = of(text, records=FakeRecords(complained={("taro@example.com", "1001"): frozenset({digest("一つ目")})}))
    assert (await facts(made))["complaints_on_order"].value == 1
    assert "complaint" not in made.evidence


@pytest.mark.parametrize("automatic", [Fact("auto_reply"), Fact("bounce")])
async def test_a_machine_does_not_complain(automatic: Fact) -> None:
    made = of(BROKEN, automatic=automatic)
    assert (await facts(made))["complaints_on_order"].value == 0
    assert "complaint" not in made.evidence


async def test_what_the_shop_wrote_is_not_the_customers_complaint() -> None:
    made = of("ありがとうございました。\n\n> 注文番号 #1001 の皿が割れていたとのこと、申し訳ございません。\n")
    assert (await facts(made))["complaints_on_order"].value == 0


async def test_of_several_orders_the_one_with_most_complaints_counts() -> None:
    records = FakeRecords(complained={("taro@example.com", "1002"): frozenset({digest("一"), digest("二")})})
    got = await facts(of("#1001 と #1002 が届かない", records=records))
    assert got["complaints_on_order"].value == 3


async def test_records_that_do_not_answer_leave_the_order_known() -> None:
    class Away(FakeRecords):
        async def complaints(self, sender: str, order: str) -> frozenset[bytes]:
            raise StoreError(Text("応答がありません", "no answer"))

    got = await facts(of(BROKEN, records=Away()))
    assert got["order"].value == ("#1001",)
    assert not got["complaints_on_order"].known


@pytest.mark.parametrize(
    "words", ["商品が届きません", "壊れて", "話がちがう? 話が違う", "It never arrived", "ﾋﾄﾞｲ ひどい対応", "DAMAGED"]
)
def test_words_of_grievance(words: str) -> None:
    assert grievance(words)


def test_a_complaint_is_its_letters_and_digits() -> None:
    assert digest("ｱｲｳ １２3!") == digest("アイウ\n123")
    assert digest("アイウ") != digest("アイエ")


@given(st.text(max_size=300) | st.text("0123456789-#注文番号：PBpbー−＃１ \n", max_size=300))
def test_any_text_may_be_searched(text: str) -> None:
    found = orders_in(text, ALL)
    assert len(found) <= MOST
    assert len({order_key(number) for number in found}) == len(found)
    assert all(any(character.isdigit() for character in number) for number in found)
