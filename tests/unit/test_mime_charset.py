"""Charsets as Japanese mailers write them, right and wrong."""

import pytest

from gateway.mime import charset, jis

JIS_ROW_13 = b"\x1b$B-!-j\x1b(B"  # ①㈱


@pytest.mark.parametrize(
    "label",
    ["iso-2022-jp", "ISO-2022-JP", "iso-2022-jp-ms", "cp50220", "cp50221", "csISO2022JP", "us-ascii", "utf-8", ""],
)
def test_nec_row_13_in_jis_which_python_iso2022_jp_fails_on(label: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        JIS_ROW_13.decode("iso2022_jp")
    assert charset.decode(JIS_ROW_13, label) == "①㈱"


def test_ibm_extensions_in_jis() -> None:
    assert charset.decode(b"\x1b$Bz$z%\x1b(B", "iso-2022-jp") == b"\xed\xa2\xed\xa3".decode("cp932")
    assert charset.decode("髙﨑".encode("cp932"), "shift_jis") == "髙﨑"


def test_half_width_kana_by_escape_and_by_shift() -> None:
    assert charset.decode(b"\x1b(I1\x1b(B", "cp50221") == "ｱ"
    assert charset.decode(b"a\x0e1\x0fb", "cp50222") == "aｱb"
    assert charset.decode(b'\xb1\xb2\x1b$B$"\x1b(B', "iso-2022-jp") == "ｱｲあ"


@pytest.mark.parametrize("label", ["shift_jis", "Shift-JIS", "x-sjis", "windows-31j", "MS_Kanji", "cp932", "sjis"])
def test_labels_of_shift_jis_that_python_does_not_know(label: str) -> None:
    assert charset.decode("ご注文①番".encode("cp932"), label) == "ご注文①番"


def test_euc_jp_with_nec_row_13_and_kana() -> None:
    assert charset.decode(b"\xad\xa1\xa4\xa2\x8e\xb1", "euc-jp") == "①あｱ"
    assert charset.decode("あ".encode("euc_jp") + b"\x8f\xb0\xa1", "x-euc-jp") == "あ丂"


@pytest.mark.parametrize("label", ["iso-2022-jp", "shift_jis", "euc-jp", "iso-8859-1", "us-ascii", "x-unknown"])
def test_utf8_under_a_wrong_label(label: str) -> None:
    assert charset.decode("返品したい".encode(), label) == "返品したい"


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "iso2022_jp", "utf-8"])
@pytest.mark.parametrize("label", ["", "us-ascii", "utf-8", "no-such-charset", "unknown-8bit"])
def test_japanese_without_a_true_label(encoding: str, label: str) -> None:
    text = "先日の注文について、まだ届きません。"
    assert charset.decode(text.encode(encoding), label) == text


@pytest.mark.parametrize("text", ["Grüße aus Köln", "café", "Ça va très bien", "El niño está aquí"])
def test_western_text_is_not_taken_for_japanese(text: str) -> None:
    assert charset.decode(text.encode("cp1252"), "") == text
    assert charset.decode(text.encode("cp1252"), "iso-8859-1") == text
    assert charset.decode(text.encode(), "iso-8859-1") == text


def test_text_cut_inside_a_character_stays_readable() -> None:
    assert charset.decode("注文の件".encode()[:-1], "utf-8").startswith("注文の")
    assert charset.decode("注文の件".encode("cp932")[:-1], "shift_jis").startswith("注文の")
    assert charset.decode(b'\x1b$B$"$', "iso-2022-jp") == "あ\ufffd"


def test_state_returns_to_ascii_at_the_end_of_a_line() -> None:
    assert jis.decode(b'\x1b$B$"\nabc') == "あ\nabc"


@pytest.mark.parametrize(
    "label",
    [
        "idna",
        "punycode",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "base64",
        "zlib",
        "rot13",
        "\x00",
        "é" * 99,
        "mbcs",
        "utf-7",
        "utf-16",
        "hz",
    ],
)
def test_no_label_raises_or_runs_a_codec_that_is_no_charset(label: str) -> None:
    for data in (b"\\u0041 abc", bytes(range(256)), b"+2D3cEw-", b"\x1b$B\xff"):
        assert isinstance(charset.decode(data, label), str)
        charset.decode(data, label).encode()  # no lone surrogates


def test_other_east_asian_charsets() -> None:
    assert charset.decode("订单".encode("gb18030"), "GB2312") == "订单"
    assert charset.decode("주문".encode("cp949"), "ks_c_5601-1987") == "주문"
    assert charset.decode("訂單".encode("big5"), "Big5") == "訂單"
