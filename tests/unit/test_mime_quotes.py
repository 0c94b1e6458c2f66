"""The sender's own words, without quotations and signature."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mime import quotes
from gateway.mime.quotes import written

MINE = "返金してください。"
SHOP = "お店の言葉"


@pytest.mark.parametrize(
    "below",
    [
        f"> {SHOP}",
        f"＞{SHOP}",
        f"2026年1月1日(木) 12:00 和み工房 <shop@shop.example>:\n\n> {SHOP}",
        f"2026年1月1日(木) 12:00 和み工房 <shop@shop.example>:\n{SHOP}",
        f"2026/01/01 12:00、和み工房 <shop@shop.example>のメール:\n\n> {SHOP}",
        f"On Thu, Jan 1, 2026 at 12:00 PM Shop <shop@shop.example> wrote:\n\n> {SHOP}",
        f"On Thu, Jan 1, 2026 at 12:00 PM Shop with a long name\n<shop@shop.example> wrote:\n\n> {SHOP}",
        f"On Jan 1, 2026, at 12:00, Shop <shop@shop.example> wrote:\n{SHOP}",
        f"-----Original Message-----\nFrom: shop\nSubject: x\n\n{SHOP}",
        f"----- Original Message -----\nFrom: shop\nTo: me\n\n> {SHOP}",
        f"-----元のメッセージ-----\n差出人: shop\n件名: x\n\n{SHOP}",
        f"________________________________\n差出人: 和み工房\n送信日時: 2026年1月1日\n宛先: me\n件名: Re: x\n\n{SHOP}",
        f"From: Shop <shop@shop.example>\nSent: Thursday\nTo: me\nSubject: x\n\n{SHOP}",
        f"---------- Forwarded message ---------\nFrom: x\n\n{SHOP}",
        f"Begin forwarded message:\n\n{SHOP}",
        f"和み工房さんは書きました:\n> {SHOP}",
        f"shop wrote:\n\n> {SHOP}\n>\n> {SHOP}",
    ],
)
def test_quotations_are_left_out(below: str) -> None:
    assert written(f"{MINE}\n\n{below}\n") == MINE


@pytest.mark.parametrize(
    "below",
    [
        "-- \n山田太郎\ntaro@example.jp",
        "--\n山田太郎\n090-0000-0000",
        "iPhoneから送信",
        "Sent from my iPhone",
        "Yahoo!メールアプリから送信",
        "Androidスマートフォンから送信",
        "Get Outlook for iOS",
        "━━━━━━━━━━━━\n山田商店 山田太郎\n〒100-0001 東京都\nTEL 03-0000-0000\n━━━━━━━━━━━━",
        "*************************\n山田太郎\ntaro@example.jp\n*************************",
    ],
)
def test_signatures_are_left_out(below: str) -> None:
    assert written(f"{MINE}\n\n{below}\n") == MINE


def test_answers_between_and_beneath_quoted_lines_stay() -> None:
    text = "On Thu, Jan 1, 2026 Shop <s@x.example> wrote:\n> one?\nyes\n> two?\nno\n"
    assert written(text) == "yes\nno"
    text = "----- Original Message -----\nFrom: shop\n> shop's\nanswer beneath\n"
    assert written(text) == "answer beneath"


@pytest.mark.parametrize(
    "text",
    [
        "明日までに返金しないと店に行くぞ",
        "From: the bottom of my heart\nI hate you",
        "理由:\n1. 壊れていた\n2. 遅かった",
        "He wrote:\nnothing",
        "----------\n次の点を教えてください\n----------\n返金はいつですか",
        "2026年1月1日 12:00 に注文しました:\n商品A",
        "ホームページから送信しましたが返事がありません",
    ],
)
def test_what_is_unsure_stays(text: str) -> None:
    assert written(text) == text


def test_a_long_text_below_a_signature_mark_cannot_hide() -> None:
    threat = "\n".join(f"脅し {i}" for i in range(30))
    assert threat in written(f"こんにちは\n-- \n{threat}")


@given(st.lists(st.text(st.sampled_from("ab1年/:：。-転差fF >*\u3000きた書しまメール"), max_size=12), max_size=8))
def test_no_heading_is_missed_by_the_quick_look(lines: list[str]) -> None:
    assert quotes._may_hold_heading(lines) or not any(quotes._may_head(line) for line in lines)
