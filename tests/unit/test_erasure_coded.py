"""What names somebody under Base64, quoted-printable or encoded words is found in the raw bytes of a mail."""

from __future__ import annotations

import base64
import quopri
import time
from email.message import EmailMessage

import pytest

from gateway.store.coded_text import coded_text
from gateway.store.traces import Traces

WHO = "taro.yamada@example.com"
TEXT = f"先日の山田さま（{WHO}）の件ですが、電話は 090-1234-5678 です。\n" * 3


def _names(raw: bytes) -> bool:
    pattern = Traces((WHO,), ("09012345678",)).raw_pattern
    return any(map(pattern.search, coded_text(raw)))


def _mail(cte: str, charset: str = "utf-8") -> bytes:
    made = EmailMessage()
    made["From"], made["Subject"] = "hanako@example.net", "x"
    made.set_content(TEXT, charset=charset, cte=cte)
    return made.as_bytes()


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize("cte", ["base64", "quoted-printable"])
@pytest.mark.parametrize("charset", ["utf-8", "iso-2022-jp", "cp932"])
def test_a_coded_body(cte: str, charset: str, ends: bytes) -> None:
    raw = _mail(cte, charset).replace(b"\n", ends)
    assert cte == "quoted-printable" or WHO.encode() not in raw
    assert _names(raw)


def test_a_coded_body_without_an_end_of_line() -> None:
    head = b"Content-Transfer-Encoding: BASE64\r\n\r\n"
    assert _names(head + base64.b64encode(TEXT.encode()))
    assert _names(head + base64.b64encode(TEXT.encode()).rstrip(b"="))


def test_a_soft_break_amid_the_address() -> None:
    raw = b"Content-Transfer-Encoding: quoted-printable\r\n\r\nto taro.yama=\r\nda=40example.com\r\n"
    assert WHO.encode() not in raw
    assert _names(raw)
    assert _names(b"Content-Transfer-Encoding: quoted-printable\n\n" + quopri.encodestring(TEXT.encode()))


@pytest.mark.parametrize("way", ["b", "q"])
def test_an_address_over_two_encoded_words(way: str) -> None:
    parts = []
    for text in ("re: taro.ya", "mada@example.com "):
        coded = base64.b64encode(text.encode()).decode() if way == "b" else text.replace("@", "=40").replace(" ", "_")
        parts.append(f"=?utf-8?{way}?{coded}?=")
    assert _names(("Subject: " + "\r\n ".join(parts) + "\r\n\r\nx\r\n").encode())


def test_somebody_else_is_not_found() -> None:
    other = "not-taro.yamada@example.com"
    raw = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(f"an {other} geschickt".encode())
    assert not _names(raw)
    assert not _names(b"Subject: base64 quoted-printable\r\n\r\nYWJj\r\n=\r\n=?utf-8?b?A?=\r\n")


def test_ten_megabytes_take_no_longer_than_a_look() -> None:
    raw = b"Content-Transfer-Encoding: base64\r\n\r\n" + b"A" * 10_000_000 + b"\n" + b"QUJD\n" * 200_000
    begun = time.perf_counter()
    assert sum(len(piece) for piece in coded_text(raw)) > 7_000_000
    assert time.perf_counter() - begun < 2
