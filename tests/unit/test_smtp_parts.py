"""The small parts of the SMTP server: recipients, limits, loops, dialogue, the PROXY gate."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.smtp.dialogue import CUT, ENTRIES, Dialogue
from gateway.intake.smtp.hops import loops
from gateway.intake.smtp.limits import Connections, Memory, address_key
from gateway.intake.smtp.proxy import Client, ProxyGate, parse_proxy
from gateway.intake.smtp.recipients import Recipients
from gateway.model import smtp_reply as table
from gateway.model.settings import SmtpLimits


def test_recipients_in_every_spelling() -> None:
    ours = Recipients(["Shop@Shop.Example", "@Order.shop.example", "注文@店.example"])
    for address in (
        "shop@shop.example",
        "SHOP@SHOP.EXAMPLE",
        '"shop"@shop.example',
        "any.thing@order.shop.example",
        "postmaster@shop.example",
        "postmaster@店.example",
        "注文@店.example",
    ):
        assert address in ours, address
    for address in (
        "shop@other.example",
        "other@shop.example",
        "shop@sub.shop.example",
        "x@sub.order.shop.example",
        "postmaster@other.example",
        "@order.shop.example@x",
        "shop",
        "",
        "shop@shop.example.evil.example",
    ):
        assert address not in ours, address
    assert ours.complete("Postmaster") == "Postmaster@shop.example"
    assert Recipients([]).complete("postmaster") == "postmaster"
    assert "postmaster" not in Recipients([])


def test_connections_are_counted_in_all_and_by_address() -> None:
    limits = Connections(SmtpLimits(connections=3, connections_per_ip=2))
    assert limits.enter() is limits.enter() is limits.enter() is None
    assert limits.enter() is table.TOO_MANY_CONNECTIONS
    assert limits.enter_from("192.0.2.1", 0) is limits.enter_from("192.0.2.1", 0) is None
    assert limits.enter_from("192.0.2.1", 0) is table.TOO_MANY_FROM_ADDRESS
    assert limits.enter_from("192.0.2.2", 0) is None
    limits.leave_from("192.0.2.1")
    assert limits.enter_from("192.0.2.1", 0) is None
    limits.leave()
    assert limits.enter() is None


def test_an_ipv6_line_is_one_address() -> None:
    assert address_key("2001:db8:0:1::5") == address_key("2001:db8:0:1:ffff::9") != address_key("2001:db8:0:2::5")
    assert address_key("192.0.2.1") == "192.0.2.1"


def test_connections_a_minute() -> None:
    limits = Connections(SmtpLimits(connection_rate=2))
    assert limits.enter_from("192.0.2.1", 1) is limits.enter_from("192.0.2.1", 2) is None
    limits.leave_from("192.0.2.1")
    assert limits.enter_from("192.0.2.1", 59) is table.TOO_FAST
    assert limits.enter_from("192.0.2.1", 61) is None


def test_memory_takes_all_or_nothing() -> None:
    memory = Memory(10)
    assert memory.take(6)
    assert not memory.take(5)
    assert memory.used == 6
    memory.give(6)
    assert memory.take(10)


def test_loops() -> None:
    hops = b"Received: x\r\n\tby y\r\n"
    assert not loops(hops * 3 + b"\r\nReceived: body\r\n", 3)
    assert loops(hops * 4, 3)
    assert not loops(b"X-Sekisho-Id: a\r\n" * 4, 50)
    assert loops(b"X-SEKISHO-ID: a\r\n" * 5, 50)
    assert not loops(b"", 0)
    assert not loops(b"Subject: x\r\n\r\n" + b"Received: x\r\n" * 100, 1)


def test_the_dialogue_is_bounded_and_keeps_no_password() -> None:
    dialogue = Dialogue()
    dialogue.server(b"220 x\r\n")
    dialogue.client(b"AUTH PLAIN c2VjcmV0")
    dialogue.begin()
    dialogue.client(b"MAIL FROM:<\x93@b>")
    dialogue.server(b"250-a\r\n250 b\r\n")
    assert dialogue.lines() == ("S: 220 x", "C: AUTH ...", "C: MAIL FROM:<\\x93@b>", "S: 250-a", "S: 250 b")
    for _ in range(1000):
        dialogue.client(b"NOOP" + b"x" * 5000)
    lines = dialogue.lines()
    assert len(lines) < ENTRIES + 10
    assert lines[-1] == CUT
    assert max(map(len, lines)) < 600
    dialogue.begin()
    assert dialogue.lines() == ("S: 220 x", "C: AUTH ...")


V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 51234 25\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(15) + b"\x09" + bytes(16) + b"\xc8\x22\0\x19"


def through(sent: bytes, cut: int = 1000) -> tuple[list[bytes | None], bytes]:
    """What the gate gave, and what it left on the wire."""
    given_: list[bytes | None] = []
    gate = ProxyGate(given_.append)
    while sent and not given_:
        room = gate.get_buffer(-1)
        taken = sent[: min(len(room), cut)]
        room[: len(taken)] = taken
        sent = sent[len(taken) :]
        gate.buffer_updated(len(taken))
    return given_, sent


@pytest.mark.parametrize("header", [V1, V2, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ff:: ::1 1 2\r\n"])
@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_the_gate_takes_the_header_and_not_a_byte_more(header: bytes, cut: int) -> None:
    assert through(header + b"EHLO a\r\n\x16\x03", cut) == ([header], b"EHLO a\r\n\x16\x03")


@given(st.binary(min_size=1, max_size=200))
def test_the_gate_bears_anything(sent: bytes) -> None:
    given_, _ = through(sent)
    assert len(given_) <= 1


def test_the_gate_ends_once() -> None:
    given_: list[bytes | None] = []
    gate = ProxyGate(given_.append)
    gate.eof_received()
    gate.connection_lost(None)
    assert given_ == [None]


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (V1, Client("192.0.2.7", 51234)),
        (V2, Client("::9", 51234)),
        (b"PROXY UNKNOWN\r\n", Client("", 0)),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\xc8\x22\0\x19", Client("", 0)),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 99999 25\r\n", None),
        (b"PROXY TCP4 192.0.2.7\r\n", None),
        (b"PROXY TCP4 ::1 ::2 1 2\r\n", None),
        (b"PROXY UDP4 192.0.2.7 198.51.100.1 1 25\r\n", None),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\xc0\0\x02\x09", None),
    ],
)
def test_proxy_headers(header: bytes, client: Client | None) -> None:
    assert asyncio.run(parse_proxy(header)) == client
