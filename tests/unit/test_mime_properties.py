"""What holds of every mail: decoding never raises, what it gives is bounded, and what can be encoded comes back."""

from __future__ import annotations

import base64
import contextlib
import itertools
import quopri

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.errors import MimeLimit
from gateway.mime import carriers, charset, limits
from gateway.mime.addresses import parse_addresses
from gateway.mime.html import to_text
from gateway.mime.message import Message
from gateway.mime.quotes import written
from gateway.mime.transfer import decode_transfer
from gateway.mime.words import decode_value, parse_parameters
from tests.fuzz.seeds import WORDS, seeds

LABELS = st.sampled_from(
    [
        *("", "utf-8", "iso-2022-jp", "shift_jis", "euc-jp", "cp932", "iso-8859-1", "utf-7", "utf-16", "hz", "gb2312"),
        *("big5", "iso-2022-kr", "iso-2022-jp-2004", "euc-kr", "us-ascii", "x-unknown", "idna", "punycode", "cp037"),
        "x-sjis-docomo",
    ]
)
CARRIERS = st.sampled_from(["", carriers.DOCOMO, carriers.AU, carriers.SOFTBANK])
JAPANESE_BYTES = ["注文".encode(codec) for codec in ("utf-8", "cp932", "euc_jp")]
PIECES = st.sampled_from([*WORDS, *JAPANESE_BYTES, b" ", b"(", b"<", b",", b";", b'"', b"\xf9\x91"])
BYTES = st.one_of(
    st.binary(max_size=300), st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=40).map(b"".join)
)

# what Shift_JIS has, but for signs that it takes only in place of others
JAPANESE = st.text(
    st.characters(codec="cp932", exclude_categories=["Cc", "Co", "Cs"], exclude_characters="¢£¬‖−〜"),
    min_size=1,
    max_size=60,
)
KANJI_KANA = st.text(
    st.sampled_from("あいうえおかきくけこアイウエオ注文商品返金届不良品東京山田、。ー々〆"), min_size=4, max_size=60
)


@given(BYTES, LABELS, CARRIERS)
def test_decoding_never_raises_and_is_bounded(data: bytes, label: str, carrier: str) -> None:
    text = charset.decode(data, label, carrier)
    assert len(text) <= 2 * len(data) + 1
    text.encode()  # no lone surrogates
    value = decode_value(data, carrier)
    assert len(value) <= 2 * len(data) + 1
    value.encode()


@given(BYTES)
def test_no_header_value_raises(data: bytes) -> None:
    assert all(len(box.name) + len(box.address) <= 4 * len(data) + 4 for box in parse_addresses(data))
    main, parameters = parse_parameters(data)
    assert len(main) + sum(map(len, parameters.values())) <= 4 * len(data) + 4
    for encoding in ("base64", "quoted-printable", "x-uuencode", "7bit", ""):
        assert len(decode_transfer(data, encoding)) <= len(data) + 3


@given(st.sampled_from(seeds()), st.lists(st.tuples(st.integers(0, 1 << 20), BYTES), max_size=6))
def test_a_damaged_mail_gives_text_or_a_limit(seed: bytes, cuts: list[tuple[int, bytes]]) -> None:
    for place, piece in cuts:
        at = place % (len(seed) + 1)
        seed = seed[:at] + piece + seed[at + len(piece) // 2 :]
    message = Message(seed)
    for step in (lambda: message.subject, message.body, message.written, lambda: str(message.addresses("from"))):
        with contextlib.suppress(MimeLimit):
            said = step()
            said.encode()
            assert len(said) <= max(limits.TEXT_BYTES, 8 * len(seed))
    with contextlib.suppress(MimeLimit):
        assert len(message.parts()) <= limits.PARTS
        assert all(0 <= part.start <= part.end <= len(message.raw) for part in message.parts())


@given(st.text(max_size=400))
def test_no_markup_raises_and_what_is_written_is_part_of_the_text(text: str) -> None:
    to_text(text).encode("utf-8", "surrogatepass")
    assert set(written(text).split("\n")) <= {line.strip() for line in text.split("\n")} | set(text.split("\n")) | {""}


def through(data: bytes, label: str) -> list[str]:
    """The text as body in each transfer encoding, and as a subject in each form of encoded-word."""
    quoted = "".join(f"={b:02X}" for b in data).encode()
    found = [
        charset.decode(data, label),
        decode_value(b"=?" + label.encode() + b"?B?" + base64.b64encode(data) + b"?="),
        decode_value(b"=?" + label.encode() + b"?Q?" + quoted + b"?="),
    ]
    for encoding, body in (
        ("8bit", data),
        ("base64", base64.encodebytes(data)),
        ("quoted-printable", quopri.encodestring(data)),
    ):
        head = f"Content-Type: text/plain; charset={label}\nContent-Transfer-Encoding: {encoding}\n\n"
        found.append(Message(head.encode() + body).parts()[0].text().removesuffix("\n"))
    return found


@given(JAPANESE)
@example("\\~")
@example("ｱｲｳ")
@example("①")
def test_utf_8_comes_back(text: str) -> None:
    assume(text == text.strip())
    assert set(through(text.encode(), "utf-8")) == {text}


@pytest.mark.parametrize(
    ("label", "codec"),
    [("shift_jis", "cp932"), ("windows-31j", "cp932"), ("euc-jp", "euc_jp"), ("iso-2022-jp", "iso2022_jp_ext")],
)
@given(text=KANJI_KANA)
def test_japanese_comes_back_in_each_charset(label: str, codec: str, text: str) -> None:
    assert set(through(text.encode(codec), label)) == {text}


@given(JAPANESE)
def test_every_character_of_shift_jis_comes_back_where_it_is_no_utf_8(text: str) -> None:
    data = text.encode("cp932")
    assume(text == text.strip() and not _is_utf8(data) and b"\x1b" not in data)
    assert charset.decode(data, "shift_jis") == data.decode("cp932")


def _is_utf8(data: bytes) -> bool:
    try:
        return not data.isascii() and bool(data.decode())
    except UnicodeDecodeError:
        return False


@given(st.text(st.characters(codec="iso8859-1", exclude_categories=["Cc"]), max_size=60))
def test_western_text_comes_back_where_it_is_no_utf_8(text: str) -> None:
    data = text.encode("latin-1")
    # runs of signs that no Western text has are taken for Japanese under this label, which mailers write blindly
    assume(not _is_utf8(data) and all(a < "\x80" or b < "\x80" for a, b in itertools.pairwise(text)))
    assert charset.decode(data, "iso-8859-1") == text
