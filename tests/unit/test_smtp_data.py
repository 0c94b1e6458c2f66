"""Reading the content of a message: the end, the dots, the line ends, however the bytes are cut into chunks."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.intake.smtp.data import DataReader
from gateway.intake.smtp.limits import Memory
from gateway.model import smtp_reply as table
from gateway.model.smtp_reply import SmtpReply

TRICKY = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\0", b"xyz", b"\r\n."])).map(b"".join)


def reader(max_size: int = 10**6, max_line: int = 10**6, memory: int = 10**6) -> DataReader:
    return DataReader(max_size, max_line, Memory(memory))


def by_the_book(sent: bytes) -> tuple[SmtpReply | None, bytes, bytes]:
    """The fault, the content and the rest of `sent`, which holds an end of data, in the plainest way."""
    text, _, rest = (b"\r\n" + sent).partition(b"\r\n.\r\n")
    text = (text + b"\r\n")[2:]
    if b"\0" in text:
        fault: SmtpReply | None = table.NUL
    else:
        fault = table.BARE_CR_LF if re.search(rb"\r(?!\n)|(?<!\r)\n", text) else None
    lines = text.split(b"\r\n")
    content = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    return fault, content, rest


@given(TRICKY, st.lists(st.integers(1, 7), min_size=1), TRICKY)
@example(b"", [1], b"")
@example(b".\r\n..\r\n", [1], b"QUIT\r\n")
@example(b"a\r\n\r", [2], b"\n.\r\n")
def test_any_cut_gives_the_same(text: bytes, sizes: list[int], behind: bytes) -> None:
    sent = text + b"\r\n.\r\n" + behind
    fault, content, rest = by_the_book(sent)
    one = reader()
    left, at, turn = sent, None, 0
    while at is None:
        size = sizes[turn % len(sizes)]
        turn += 1
        at, left = one.feed(left[:size]), left[size:]
    assert at + left == rest
    assert (one.fault is None) == (fault is None)
    if fault is None:
        assert one.message == content
        assert one.size == len(content)
    one.release()
    assert one.memory.used == 0


def test_one_chunk_and_the_empty_message() -> None:
    one = reader()
    assert one.feed(b".\r\nQUIT\r\n") == b"QUIT\r\n"
    assert one.message == b""
    two = reader()
    assert two.feed(b"..a\r\n.b\r\n.\r\n") == b""
    assert two.message == b".a\r\nb\r\n"


@pytest.mark.parametrize("cut", range(1, 12))
def test_line_limit_is_exact_at_every_cut(cut: int) -> None:
    for length, fault in ((50, None), (51, table.LINE_TOO_LONG)):
        sent = b"ab\r\n" + b"x" * length + b"\r\nend\r\n" + b"y" * 30 + b"\r\n.\r\n"
        one = reader(max_line=50)
        for at in range(0, len(sent), cut):
            one.feed(sent[at : at + cut])
        assert one.fault is fault


def test_size_limit_is_exact_and_does_not_count_stuffed_dots() -> None:
    for length, fault in ((97, None), (98, table.TOO_BIG)):
        one = reader(max_size=100)
        assert one.feed(b".." + b"x" * length + b"\r\n.\r\n") == b""
        assert one.fault is fault


def test_far_too_big_is_hopeless_and_keeps_nothing() -> None:
    one = reader(max_size=100)
    for _ in range(30):
        one.feed(b"x" * 10)
    assert not one.hopeless
    one.feed(b"x" * 10)
    one.feed(b"x" * 10)
    assert one.hopeless
    assert one.memory.used == 0


def test_memory_is_shared_and_given_back() -> None:
    memory = Memory(100)
    one, two = DataReader(1000, 1000, memory), DataReader(1000, 1000, memory)
    one.feed(b"x" * 84)
    assert memory.used == 80
    assert two.feed(b"y" * 40 + b"\r\n.\r\n") == b""
    assert two.fault is table.MEMORY_FULL
    assert memory.used == 80
    assert one.feed(b"\r\n.\r\n") == b""
    assert memory.used == 86
    one.release()
    assert memory.used == 0


def test_a_large_message_is_taken_without_holding_the_loop() -> None:
    import time

    chunk = (b"0123456789" * 7 + b"\r\n") * 3500  # 250 KB, as a socket gives it
    one = reader(10**9, 10**6, 10**9)
    took = []
    for _ in range(120):  # 30 MB
        start = time.thread_time()
        one.feed(chunk)
        took.append(time.thread_time() - start)
    assert one.feed(b".\r\n") == b""
    assert one.size == 120 * len(chunk)
    assert min(took[-20:]) < 0.05  # the last chunks cost no more than the first
