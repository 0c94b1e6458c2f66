"""The sample mails are what they say: readable Japanese in three charsets, well-formed, and the same every time."""

from __future__ import annotations

import pytest

from gateway.mime.message import Message
from gateway.testing.mail import Sample, auto_reply, encoded_word, letter, samples, threat

BY_NAME = {sample.name: sample for sample in samples()}


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_every_sample_is_well_formed(sample: Sample) -> None:
    message = Message(sample.raw)
    assert b"\n" not in sample.raw.replace(b"\r\n", b"")
    assert b"\r" not in sample.raw.replace(b"\r\n", b"")
    assert len(message.headers.raw("from")) == 1
    assert message.message_id
    assert message.subject
    assert message.body().strip()


@pytest.mark.parametrize(
    ("name", "subject", "words"),
    [
        ("question", "ご注文番号：1024 の発送日", "先日注文した"),
        ("jis", "請求書の件", "支払いは月末"),
        ("shift_jis", "返品したい", "サイズが合いません"),
        ("threat", "最後の警告だ", "火をつけて"),
        ("list", "[ec-talk:123] 送料の見直しについて", "送料"),
        ("absence", "不在のお知らせ（自動返信）", "不在"),
    ],
)
def test_japanese_reads_as_it_was_written(name: str, subject: str, words: str) -> None:
    message = Message(BY_NAME[name].raw)
    assert message.subject == subject
    assert words in message.body()


def test_automatic_mails_carry_their_signs() -> None:
    assert BY_NAME["bounce"].mail_from == ""
    assert b"multipart/report" in BY_NAME["bounce"].raw
    assert Message(BY_NAME["list"].raw).headers.get("precedence") == "list"
    assert Message(auto_reply()).headers.get("auto-submitted") == "auto-replied"
    assert Message(auto_reply(headers=False)).headers.get("auto-submitted") is None


def test_a_carrier_address_keeps_its_dots() -> None:
    assert Message(BY_NAME["docomo"].raw).addresses("from")[0].address == "taro..san@docomo.ne.jp"


def test_long_headers_are_cut_into_words_of_75_characters() -> None:
    text = "とても長い件名です。" * 20
    for charset in ("utf-8", "iso-2022-jp", "shift_jis"):
        assert max(map(len, encoded_word(text, charset).split())) <= 75
        assert Message(letter(subject=text, charset=charset)).subject == text


def test_the_same_sample_is_the_same_message() -> None:
    assert Message(threat()).message_id == Message(threat()).message_id
