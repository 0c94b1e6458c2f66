"""Hostile messages end within limits, and quickly where they are not declared heavy."""

import contextlib
import time
import tracemalloc

import pytest

from gateway.errors import MimeLimit
from gateway.mime.message import Message

HEAD = b"From: a@b.example\r\nSubject: x\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
LIGHT = 30_000  # bytes: near the most that is not heavy


def look(raw: bytes) -> Message:
    message = Message(raw)
    for step in (
        lambda: message.subject,
        lambda: message.addresses("from") + message.addresses("to"),
        message.written,
        lambda: [(part.name, part.content_type) for part in message.attachments()],
    ):
        with contextlib.suppress(MimeLimit):
            step()
    return message


def seconds(raw: bytes) -> float:
    """CPU time of the quickest of three looks: other work on the machine does not count."""
    took = []
    for _ in range(3):
        began = time.thread_time()
        look(raw)
        took.append(time.thread_time() - began)
    return min(took)


def html(markup: str) -> bytes:
    return HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + markup.encode()


def repeated(text: bytes) -> bytes:
    return text * (LIGHT // len(text))


LIGHT_ATTACKS = {
    "open parentheses in From": b"From: " + b"(" * 500 + b"a@b.example\r\n\r\nx",
    "only parentheses": b"From: " + repeated(b"(") + b"\r\n\r\n",
    "commas": b"To: " + repeated(b"a,") + b"\r\n\r\n",
    "commas in a bracket": b"To: <" + repeated(b"a,") + b"\r\n\r\n",
    "brackets": b"To: " + repeated(b"<a@b ") + b"\r\n\r\n",
    "word beginnings": b"Subject: " + repeated(b"=?a?b?") + b"\r\n\r\n",
    "blanks": b"Subject: x" + repeated(b" ") + b"x\r\n\r\n",
    "semicolons": b"Content-Type: text/plain" + repeated(b";") + b"\r\n\r\n",
    "parameters": b"Content-Type: text/plain" + repeated(b"; n*1*=a") + b"\r\n\r\n",
    "parts": MIXED + b"--b\r\n\r\nx\r\n" * 300,
    "divs": html("<div>" * 6_000),
    "fonts": html("".join(f"<font size={i}>" for i in range(1700))),
    "formatting before paragraphs": html("".join(f"<font size={i}>" for i in range(98)) + "<p>x" * 7_000),
    "tables and links": html("<table><a>" * 3000),
    "attributes": html("<div " + " ".join(f"a{i}" for i in range(4_500)) + ">x"),
    "comments": html("<!--" * 7_500),
    "angle brackets": html("<" * LIGHT),
    "escapes": HEAD + b"\r\n" + repeated(b'\x1b$B$"\x1b(B'),
    "shifts": HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + repeated(b"\x0e\x0f"),
    "bytes of no charset": HEAD + b"\r\n" + bytes(((i * 7919) >> 3) & 0xFF | 0x80 for i in range(LIGHT)),
    "headings": HEAD + b"\r\n" + repeated(b"On 1/1/2024 a wrote\r\n"),
    "dates": HEAD + b"\r\n" + repeated(b"2024/1/1 <a@b "),
    "flowed": HEAD + b"Content-Type: text/plain; format=flowed\r\n\r\n" + repeated(b"a \r\n"),
}


@pytest.mark.parametrize("name", LIGHT_ATTACKS)
def test_light_messages_do_not_hold_the_event_loop(name: str) -> None:
    """The slowest takes 22 ms of CPU on a quiet machine; what is super-linear would take seconds."""
    raw = LIGHT_ATTACKS[name]
    assert not Message(raw).heavy
    assert seconds(raw) < 0.25


def test_3000_recipients() -> None:
    raw = b"To: " + b",\r\n ".join(b'"User %d" <user%d@example.jp>' % (i, i) for i in range(3000)) + b"\r\n\r\nx"
    assert len(Message(raw).addresses("to")) == 3000
    assert Message(raw).heavy
    assert seconds(raw) < 2


def test_100_000_parts() -> None:
    message = Message(MIXED + b"--b\r\n\r\nx\r\n" * 100_000)
    assert message.heavy
    assert message.subject == "x"
    with pytest.raises(MimeLimit):
        message.parts()


def test_depth_3000() -> None:
    raw = HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(3000))
    with pytest.raises(MimeLimit):
        Message(raw).body()


def test_messages_in_messages_3000_deep() -> None:
    raw = HEAD + b"Content-Type: message/rfc822\r\n\r\n" * 3000
    assert 0 < len(Message(raw).attachments()) < 10


def test_200_kb_of_nested_divs() -> None:
    raw = html("<div>" * 40_000 + "text")
    assert Message(raw).heavy
    assert Message(raw).body() == "text"
    assert seconds(raw) < 2


def test_too_many_header_fields() -> None:
    with pytest.raises(MimeLimit):
        _ = Message(b"".join(b"X%d: y\r\n" % i for i in range(20_000))).subject


@pytest.mark.parametrize(
    "raw",
    [
        MIXED + b"--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\nContent-Type: a/b; name=x\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + (b"A" * 76 + b"\r\n") * 640_000 + b"--b--\r\n",
        HEAD + b"\r\n" + (b"A" * 76 + b"\r\n") * 640_000,
        MIXED + b"--\r\n" * 12_000_000,
        b"X: " + b"y" * 50_000_000,
    ],
    ids=["attachment", "text", "hyphens", "field"],
)
def test_50_mb_in_bounded_time_and_memory(raw: bytes) -> None:
    tracemalloc.start()
    began = time.thread_time()
    message = look(raw)
    took = time.thread_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message.heavy
    assert took < 20  # of CPU, with memory traced
    assert peak < 120 * 1024 * 1024


def test_an_ordinary_message_is_cheap() -> None:
    raw = HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "ご注文の商品がまだ届きません。\r\n".encode() * 80
    assert 3500 < len(raw) < 4500
    took = []
    for _ in range(50):
        began = time.thread_time()
        message = Message(raw)
        assert message.subject == "x"
        assert message.body()
        took.append(time.thread_time() - began)
    assert min(took) < 0.003
