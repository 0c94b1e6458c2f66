"""Mailbox names on the wire, sequence sets, and server responses read byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.clients.imap.names import decode_name, encode_name, mailbox, quoted
from gateway.clients.imap.response import (
    Answer,
    Part,
    code_of,
    internal_date,
    number_ranges,
    number_set,
    readable,
    tokens,
)


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("保留", "&T911WQ-"),
        ("拒否", "&YtJUJg-"),
        ("INBOX", "INBOX"),
        ("a&b", "a&-b"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3
        ("😀", "&2D3eAA-"),
    ],
)
def test_modified_utf7(name: str, wire: str) -> None:
    assert encode_name(name) == wire
    assert decode_name(wire) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_name_comes_back(name: str) -> None:
    wire = encode_name(name)
    assert wire.isascii()
    assert decode_name(wire) == name


@example("&\x80-")
@given(st.text(max_size=40))
def test_no_wire_name_raises(wire: str) -> None:
    decode_name(wire)


def test_quoting_keeps_a_command_one_line() -> None:
    assert quoted('a"b\\c') == '"a\\"b\\\\c"'
    assert mailbox("inbox") == '"INBOX"'
    for hostile in ("a\r\nx DELETE INBOX", "a\0"):
        with pytest.raises(ValueError, match="control"):
            quoted(hostile)


@given(st.sets(st.integers(1, 5000), min_size=1))
def test_ranges_are_the_same_numbers(numbers: set[int]) -> None:
    text = number_ranges(sorted(numbers))
    assert set(number_set(text.encode())) == numbers
    assert len(text) <= 5 * len(numbers)


def test_a_set_without_end_is_not_spelt_out() -> None:
    assert number_set(b"1:4294967295") == []
    assert number_set(b"x") == []
    assert number_set(b"3:1") == [1, 2, 3]


def test_a_fetch_response_with_strings_lists_and_literals() -> None:
    parts: list[Part] = [
        b'* 5 FETCH (UID 7 FLAGS (\\Seen $X) INTERNALDATE "21-Nov-2026 09:15:00 +0900" BODY[HEADER.FIELDS (TO)] {3}',
        bytearray(b"(* "),
        b" BODY[] {0}",
        bytearray(),
        b' RFC822.SIZE 12 X "a\\"b {5}" Y NIL)',
    ]
    (items,) = Answer("OK", b"done", (parts,)).fetched()
    assert items["UID"] == b"7"
    assert items["FLAGS"] == [b"\\Seen", b"$X"]
    assert items["BODY[HEADER.FIELDS (TO)]"] == b"(* "
    assert items["BODY[]"] == b""
    assert items["X"] == b'a"b {5}'
    assert items["Y"] is None
    assert internal_date(items["INTERNALDATE"]) == datetime(2026, 11, 21, 0, 15, tzinfo=UTC)


@given(st.lists(st.one_of(st.binary(max_size=60), st.binary(max_size=30).map(bytearray)), min_size=1, max_size=6))
def test_no_response_raises_or_recurses(parts: list[Part]) -> None:
    tokens(parts)
    Answer("OK", b"", (parts,)).fetched()
    assert tokens([b"(" * 100_000])


def test_response_codes() -> None:
    assert code_of(b"[COPYUID 7 1:2 3:4] done") == ("COPYUID", b"7 1:2 3:4")
    assert code_of(b"no code") == ("", b"")
    assert readable(b"[ALERT] Be\x07 careful \xff") == "Be careful �"
    assert internal_date(b"99-Nov-2026 09:15:00 +0900") is None
    assert internal_date(b" 1-Nov-2026 09:15:00 -0000") == datetime(2026, 11, 1, 9, 15, tzinfo=UTC)
