"""The table of replies: every one is well-formed, says nothing internal, and is in one place."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import smtp_reply as table
from gateway.model.smtp_reply import REPLIES, SmtpReply, accepted, clean, rejected


@pytest.mark.parametrize("name", REPLIES)
def test_every_reply_is_well_formed(name: str) -> None:
    reply = REPLIES[name]
    assert re.fullmatch(rb"(?:\d{3}-[ -~]*\r\n)*\d{3} [ -~]*\r\n", reply.wire)
    assert all(len(line) <= 510 and line[:3] == b"%d" % reply.code for line in reply.wire.splitlines())
    if reply.enhanced:
        assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", reply.enhanced)
        assert reply.enhanced[0] == str(reply.code)[0]
    else:
        assert reply.code == 354


def test_no_reply_names_what_is_inside() -> None:
    for reply in REPLIES.values():
        assert not re.search(
            r"(?i)python|aiosmtpd|sekisho|sqlite|postgres|rule|blacklist|traceback|exception", str(reply)
        )


def test_bytes_of_replies() -> None:
    assert table.OK.wire == b"250 2.0.0 Ok\r\n"
    assert table.GO_AHEAD.wire == b"354 End data with <CR><LF>.<CR><LF>\r\n"
    assert SmtpReply(250, "2.0.0", "one\ntwo").wire == b"250-2.0.0 one\r\n250 2.0.0 two\r\n"
    assert accepted("abc").wire == b"250 2.0.0 Ok: accepted as abc\r\n"
    assert (table.OK.positive, table.FAILED.temporary, table.REJECTED.temporary) == (True, True, False)


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (100, "", "x"),
        (600, "", "x"),
        (550, "4.0.0", "x"),
        (550, "5.0.0", "日本"),
        (550, "", "a\rb"),
        (550, "", "x" * 401),
    ],
)
def test_what_is_no_reply_cannot_be_made(code: int, enhanced: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SmtpReply(code, enhanced, text)


@given(st.text())
def test_any_text_of_a_rule_makes_a_reply(text: str) -> None:
    assert rejected(text).wire.endswith(b"\r\n")
    assert rejected(text).code == 550


def test_a_long_text_is_bounded() -> None:
    assert len(clean("x" * 10_000)) == table.LINE
    assert len(clean("x\n" * 10_000).split("\n")) == table.LINES


def test_replies_are_written_in_the_table_only() -> None:
    for path in Path("gateway/intake/smtp").glob("*.py"):
        assert not re.search(r"SmtpReply\(\s*\d", path.read_text("utf-8")), path
