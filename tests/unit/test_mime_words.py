"""Encoded-words and parameters as mailers write them."""

import base64

import pytest

from gateway.mime.words import decode_value, parse_parameters


def word(data: bytes, label: str = "utf-8") -> bytes:
    return b"=?" + label.encode() + b"?B?" + base64.b64encode(data) + b"?="


def test_character_cut_between_two_words() -> None:
    data = "注文".encode()
    assert decode_value(word(data[:4]) + b"\r\n " + word(data[4:])) == "注文"


def test_jis_state_carried_across_words() -> None:
    assert decode_value(word(b'\x1b$B$"', "iso-2022-jp") + b" " + word(b"$$\x1b(B", "iso-2022-jp")) == "あい"


def test_jis_word_without_return_to_ascii() -> None:
    one, two = word(b'\x1b$B$"', "iso-2022-jp"), word(b"\x1b$B$$\x1b(B", "ISO-2022-JP")
    assert decode_value(one + b"\r\n\t" + two + b" x") == "あい x"


def test_row_13_in_a_subject_is_decoded_where_the_standard_library_gives_up() -> None:
    assert decode_value(word(b"\x1b$B-!-j\x1b(B", "ISO-2022-JP")) == "①㈱"


def test_base64_cut_without_regard_to_its_groups() -> None:
    text = base64.b64encode("ご注文".encode()).decode()
    assert decode_value(f"=?utf-8?B?{text[:5]}?= =?utf-8?B?{text[5:]}?=".encode()) == "ご注文"


def test_q_words_with_blanks_and_question_marks_left_unencoded() -> None:
    assert decode_value(b"=?utf-8?Q?What is this??=") == "What is this?"
    assert decode_value(b"=?iso-8859-1?q?caf=E9_au_lait?= x") == "café au lait x"


def test_blanks_between_words_go_and_beside_text_stay() -> None:
    assert decode_value(b"a =?utf-8?Q?b?= c =?utf-8?Q?d?=  =?utf-8?Q?e?=") == "a b c de"


def test_words_without_a_blank_between_them() -> None:
    assert decode_value(b"=?utf-8?Q?a?==?utf-8?Q?b?=") == "ab"


def test_language_suffix_of_rfc_2231() -> None:
    assert decode_value(b"=?utf-8*ja?Q?=E3=81=82?=") == "あ"


@pytest.mark.parametrize("encoding", ["iso2022_jp", "cp932", "euc_jp", "utf-8"])
def test_raw_japanese_in_a_header(encoding: str) -> None:
    text = "ご注文の確認について"
    assert decode_value(text.encode(encoding)) == text


def test_raw_bytes_inside_an_encoded_word() -> None:
    assert decode_value(b"=?iso-8859-1?Q?Fr" + "ö".encode() + b"sche?=") == "Frösche"


def test_folded_value_is_one_line() -> None:
    assert decode_value(b"one\r\n  two\n\tthree") == "one two three"


@pytest.mark.parametrize(
    "value",
    [b"=?", b"=?utf-8?B?", b"=?utf-8?X?a?=", b"=?no-such?B?!!!!?=", b"=?utf-8?B?A?=", b"\xff\xfe", b"=?utf-8?Q?=ZZ=?="],
)
def test_broken_words_never_raise(value: bytes) -> None:
    assert isinstance(decode_value(value), str)


def test_parameter_continuations_of_rfc_2231() -> None:
    value = b"attachment; filename*0*=utf-8'ja'%E6%B3%A8; filename*1*=%E6%96%87; filename*2=.pdf"
    assert parse_parameters(value) == ("attachment", {"filename": "注文.pdf"})


def test_parameter_in_shift_jis_by_rfc_2231() -> None:
    assert parse_parameters(b"attachment; filename*=Shift_JIS''%92%8D%95%B6.pdf")[1]["filename"] == "注文.pdf"


def test_parameter_character_cut_between_sections() -> None:
    assert parse_parameters(b"a/b; name*1*=%81%82; name*0*=utf-8''%E3")[1]["name"] == "あ"


def test_encoded_word_in_a_parameter() -> None:
    value = b'application/pdf; name="' + word("請求書.pdf".encode("iso2022_jp"), "iso-2022-jp") + b'"'
    assert parse_parameters(value)[1]["name"] == "請求書.pdf"


def test_raw_shift_jis_with_backslash_byte_in_a_quoted_parameter() -> None:
    value = b'a/b; name="' + "表ソ.txt".encode("cp932") + b'"; x=1'  # the second bytes are backslashes
    assert parse_parameters(value)[1] == {"name": "表ソ.txt", "x": "1"}


def test_unquoted_file_name_with_blanks() -> None:
    assert parse_parameters(b"a/b; name=my file.txt; charset=utf-8 ")[1] == {"name": "my file.txt", "charset": "utf-8"}


def test_comments_and_missing_quotes() -> None:
    assert parse_parameters(b"text/plain (plain text); charset=us-ascii")[0] == "text/plain"
    assert parse_parameters(b'text/plain; name="never closed')[1] == {"name": "never closed"}
