"""What is blacked out is gone, however it was written."""

from __future__ import annotations

import pytest

from gateway.casefile.redaction import BLACK, Redaction


@pytest.mark.parametrize(
    "text",
    ["山田太郎", "山田 太郎", "山田　太郎", "山\u200b田太郎", "山田\n太郎"],
)
def test_blanks_and_invisible_characters_hide_nothing(text: str) -> None:
    redaction = Redaction(["山田太郎"])
    assert redaction.text(f"私は{text}です") == f"私は{BLACK}です"
    assert redaction.touches(text)


def test_width_and_case_hide_nothing() -> None:
    redaction = Redaction(["Taro@example.com", "090-1234-5678"])
    assert redaction.text("ＴＡＲＯ＠ｅｘａｍｐｌｅ．ｃｏｍ / ０９０-1234-5678") == f"{BLACK} / {BLACK}"
    assert sum(redaction.hits.values()) == 2


def test_the_longest_word_goes_first_and_its_length_is_not_told() -> None:
    redaction = Redaction(["太郎", "山田太郎", "", " "])
    assert redaction.text("山田太郎と太郎") == f"{BLACK}と{BLACK}"


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16-le"])
def test_bytes_are_looked_at_in_the_encodings_of_japanese_mail(encoding: str) -> None:
    assert Redaction(["山田太郎"]).within("これは山田太郎の".encode(encoding))
    assert not Redaction(["山田太郎"]).within("これは山田花子の".encode(encoding))


def test_without_words_nothing_happens() -> None:
    redaction = Redaction([])
    assert not redaction
    assert redaction.text("山田") == "山田"
    assert redaction.lines(["a", "b"]) == ["a", "b"]
    assert not redaction.touches("山田")
    assert not redaction.within(b"x")
