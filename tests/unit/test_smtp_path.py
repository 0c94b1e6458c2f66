"""The argument of MAIL and RCPT: addresses as written, parameters, and what is refused with which reply."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.smtp.path import MailParameters, Unusable, mail_parameters, parse_path
from gateway.model import smtp_reply as table


def sender(argument: str) -> str:
    return parse_path(argument, "FROM:", table.MAIL_SYNTAX, table.BAD_SENDER).address


@pytest.mark.parametrize(
    ("argument", "address"),
    [
        ("FROM:<>", ""),
        ("from: <a@b.example>", "a@b.example"),
        ("FROM:a@b.example", "a@b.example"),
        ("FROM:<a..b@docomo.ne.jp>", "a..b@docomo.ne.jp"),
        ("FROM:<.abc.@ezweb.ne.jp>", ".abc.@ezweb.ne.jp"),
        ('FROM:<"a..b"@docomo.ne.jp>', '"a..b"@docomo.ne.jp'),
        ('FROM:<"a b>c@d"@x.example> SIZE=1', '"a b>c@d"@x.example'),
        (r'FROM:<"a\"b\\"@x.example>', r'"a\"b\\"@x.example'),
        ("FROM:<@hop.example,@two.example:a@b.example>", "a@b.example"),
        ("FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("FROM:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("FROM:<花子@例え.jp>", "花子@例え.jp"),
        ("FROM:<prvs=1234=a+tag/x?y@b_c.example>", "prvs=1234=a+tag/x?y@b_c.example"),
    ],
)
def test_addresses_are_kept_as_written(argument: str, address: str) -> None:
    assert sender(argument) == address


@pytest.mark.parametrize(
    "argument",
    [
        "FROM:<a>",
        "FROM:<@b.example>",
        "FROM:<a@>",
        "FROM:<a@b@c>",
        "FROM:<a b@c>",
        "FROM:<<a@b>>",
        "FROM:a@b>",
        "FROM:<a@b>x",
        "FROM:<a@b",
        "FROM:<a\x00@b>",
        "FROM:<a@b\x7f>",
        'FROM:<"a@b>',
        "FROM:<a@[b c]>",
        "FROM:<\udc93@b>",
        "FROM:<a@\udc93>",
        "FROM:<a@b,c>",
        "FROM:<a;c@b>",
        "FROM:<" + "a" * 512 + "@b>",
        "FROM:<postmaster>",
    ],
)
def test_what_is_no_address_is_refused(argument: str) -> None:
    with pytest.raises(Unusable) as refused:
        sender(argument)
    assert refused.value.reply is table.BAD_SENDER


@pytest.mark.parametrize("argument", ["", "FROM", "FROM:", "TO:<a@b>", "FROM <a@b>"])
def test_what_is_no_mail_command_is_a_syntax_error(argument: str) -> None:
    with pytest.raises(Unusable) as refused:
        sender(argument)
    assert refused.value.reply is table.MAIL_SYNTAX


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        address = sender(f"FROM:{text}")
    except Unusable:
        return
    assert not any(c in address for c in "\r\n\0")


@pytest.mark.parametrize(
    "text", ['<"' + "a\\\\" * 700, "<" + '""' * 1000, "<@" + "a" * 2000, "<" + "a@" * 1000, "<a@[" * 500]
)
def test_hostile_addresses_take_linear_time(text: str) -> None:
    start = time.thread_time()
    with pytest.raises(Unusable):
        sender(f"FROM:{text}")
    assert time.thread_time() - start < 0.2  # quadratic would be seconds on a hundred times as much; CPU alone counts


def test_parameters() -> None:
    path = parse_path("FROM:<a@b> size=12 Body=8bitmime SMTPUTF8", "FROM:", table.MAIL_SYNTAX, table.BAD_SENDER)
    assert path.parameters == {"SIZE": "12", "BODY": "8bitmime", "SMTPUTF8": None}
    assert mail_parameters(path.parameters) == MailParameters(12, True)
    assert mail_parameters({}) == MailParameters()


@pytest.mark.parametrize(
    "given_", ["SIZE", "SIZE=", "SIZE=-1", "SIZE=²", "BODY", "SMTPUTF8=1", "A=1 a=2", "-A", "A=b=c"]
)
def test_malformed_parameters(given_: str) -> None:
    with pytest.raises(Unusable) as refused:
        mail_parameters(parse_path(f"FROM:<a@b> {given_}", "FROM:", table.MAIL_SYNTAX, table.BAD_SENDER).parameters)
    assert refused.value.reply is table.PARAMETER


@pytest.mark.parametrize("name", ["RET", "ENVID", "AUTH", "HOLDFOR", "MT-PRIORITY", "REQUIRETLS"])
def test_parameters_that_are_not_offered(name: str) -> None:
    with pytest.raises(Unusable) as refused:
        mail_parameters({name: "x"})
    assert refused.value.reply is table.UNSUPPORTED_PARAMETER


def test_postmaster_needs_no_domain_as_a_recipient() -> None:
    assert parse_path("TO:<Postmaster>", "TO:", table.RCPT_SYNTAX, table.BAD_RECIPIENT).address == "Postmaster"
