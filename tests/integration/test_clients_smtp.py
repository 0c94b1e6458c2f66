"""Handing mail on by SMTP and LMTP: outcomes for each recipient, misbehaving servers, TLS, connections used again."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.clients import smtp
from gateway.clients.smtp import SmtpTransport
from gateway.clients.transport import SendResult, Status
from gateway.model.acceptance import Leased
from gateway.model.settings import Target
from tests.integration.scripted_server import Scripted
from tests.servers.dovecot import Dovecot
from tests.servers.sink import Sink, run_sink
from tests.servers.trust import Trust

RAW = b"Subject: test\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n"


def leased(*to: str, raw: bytes = RAW, mail_from: str = "taro@example.com", entry: str = "e1") -> Leased:
    recipients = to or ("shop@shop.example",)
    return Leased(entry, "deliver", "mailbox", "m1", mail_from, recipients, raw, datetime.now(UTC))


async def send(target: Target, *to: str, timeout: float = 5.0, **more: Any) -> SendResult:
    transport = SmtpTransport(target, "mx.shop.example", timeout)
    try:
        return await transport.send(leased(*to, **more))
    finally:
        await transport.close()


def statuses(result: SendResult) -> dict[str, tuple[str, int]]:
    return {r.recipient: (r.status.value, r.code) for r in result.results}


@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize("piped", [False, True])
async def test_a_message_arrives_byte_for_byte(lmtp: bool, piped: bool) -> None:
    extensions = ["PIPELINING"] if piped else ["8BITMIME"]
    async with Scripted(lmtp=lmtp, extensions=extensions) as server:
        result = await send(server.target(), "a@shop.example", "b@shop.example")
    assert statuses(result) == {"a@shop.example": ("delivered", 250), "b@shop.example": ("delivered", 250)}
    assert [taken[1:] for taken in server.taken] == [(("a@shop.example", "b@shop.example"), RAW)]
    assert server.commands[0] == ("LHLO mx.shop.example" if lmtp else "EHLO mx.shop.example")
    assert not result.uncertain
    assert not result.down
    assert server.host in result.host


async def test_a_message_without_final_line_end_gets_one_and_nothing_more() -> None:
    async with Scripted() as server:
        await send(server.target(), raw=b"Subject: x\r\n\r\nno end")
    assert server.taken[0][2] == b"Subject: x\r\n\r\nno end\r\n"


async def test_dots_are_doubled_also_where_a_large_message_is_cut() -> None:
    line = b"." + b"x" * 75 + b"\r\n"
    raw = b"Subject: x\r\n\r\n" + line * 20_000 + b".\r\n"
    async with Scripted() as server:
        for cut in range(3):  # so that a piece begins before, at, and behind a dot
            await send(server.target(), raw=b"y" * cut + raw)
    assert [taken[2] for taken in server.taken] == [b"y" * cut + raw for cut in range(3)]


async def test_a_large_message_does_not_hold_the_loop() -> None:
    raw = b"Subject: x\r\n\r\n" + (b"." + b"x" * 75 + b"\r\n") * 400_000  # 31 MB
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            longest = max(longest, loop.time() - before)

    with run_sink(dump=False) as sink:
        watcher = asyncio.create_task(watch())
        result = await send(Target("smtp", "127.0.0.1", sink.port), raw=raw, timeout=30)
        watcher.cancel()
    assert result.results[0].status is Status.DELIVERED
    assert longest < 0.2  # the gateway's aim is 0.05 on a machine of its own; tests share theirs


@pytest.mark.parametrize("piped", [False, True])
async def test_each_recipient_gets_its_own_outcome(piped: bool) -> None:
    said = {"ok@x.example": "250 ok", "later@x.example": "450 4.2.1 busy", "never@x.example": "550 5.1.1 unknown"}
    async with Scripted(extensions=["PIPELINING"] if piped else []) as server:
        server.replies["RCPT"] = lambda rest: said[rest.removeprefix("TO:").strip("<>")]
        result = await send(server.target(), *said)
        assert statuses(result) == {
            "ok@x.example": ("delivered", 250),
            "later@x.example": ("deferred", 450),
            "never@x.example": ("failed", 550),
        }
        assert [r.text for r in result.results] == ["2.0.0 kept", "4.2.1 busy", "5.1.1 unknown"]
        assert server.taken[0][1] == ("ok@x.example",)


async def test_lmtp_answers_each_recipient_after_the_dot() -> None:
    said = {"a@x.example": "250 ok", "b@x.example": "452 4.2.2 full", "c@x.example": "552 5.2.2 too large"}
    async with Scripted(lmtp=True) as server:
        server.end = lambda rest: said[rest]
        result = await send(server.target(), *said)
    assert statuses(result) == {
        "a@x.example": ("delivered", 250),
        "b@x.example": ("deferred", 452),
        "c@x.example": ("failed", 552),
    }


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize(
    ("verb", "reply", "status"),
    [
        ("MAIL", "451 4.3.0 later", "deferred"),
        ("MAIL", "550 5.7.1 go away", "failed"),
        ("DATA", "451 4.3.0 later", "deferred"),
        ("DATA", "554 5.6.0 no", "failed"),
        ("END", "451 4.3.0 later", "deferred"),
        ("END", "554 5.6.0 no", "failed"),
        ("END", "999 what", "deferred"),
    ],
)
async def test_a_refusal_holds_for_the_message_and_the_connection_goes_on(
    verb: str, reply: str, status: str, piped: bool
) -> None:
    async with Scripted(extensions=["PIPELINING"] if piped else []) as server:
        server.replies[verb] = reply
        transport = SmtpTransport(server.target(), "mx", 5)
        result = await transport.send(leased())
        assert statuses(result) == {"shop@shop.example": (status, int(reply[:3]))}
        assert not result.down
        del server.replies[verb]
        server.end = "250 ok"
        assert (await transport.send(leased(entry="e2"))).results[0].status is Status.DELIVERED
        assert server.connections == 1
        await transport.close()


async def test_a_pipelining_server_that_wants_data_without_recipients_gets_an_empty_message() -> None:
    """RFC 2920 §3.1: 354 although every RCPT was refused; the dot ends it, and nobody takes it for a delivery."""
    async with Scripted() as server:
        server.replies |= {"RCPT": "550 5.1.1 unknown", "DATA": "354 go on"}
        result = await send(server.target())
    assert statuses(result) == {"shop@shop.example": ("failed", 550)}
    assert server.taken[0][2] == b""


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("verb", ["GREETING", "EHLO", "MAIL"])
@pytest.mark.parametrize("how", ["break", "hang", "421 4.3.2 closing", "not smtp at all"])
async def test_a_destination_that_does_not_talk_is_down(verb: str, how: str, piped: bool) -> None:
    async with Scripted(extensions=["PIPELINING"] if piped else []) as server:
        server.replies[verb] = how
        result = await send(server.target(), timeout=0.3)
    assert result.down
    assert result.results[0].status is Status.DEFERRED
    assert not result.uncertain


async def test_nobody_listening_is_down() -> None:
    server = Scripted()
    async with server:
        pass
    result = await send(server.target())
    assert result.down
    assert result.results[0].status is Status.DEFERRED


@pytest.mark.parametrize("how", ["break", "hang"])
@pytest.mark.parametrize("lmtp", [False, True])
async def test_a_break_after_the_final_dot_is_uncertain(how: str, lmtp: bool) -> None:
    async with Scripted(lmtp=lmtp, end=how) as server:
        result = await send(server.target(), timeout=0.3)
    assert result.uncertain
    assert not result.down
    assert result.results[0].status is Status.DEFERRED
    assert len(server.taken) == 1


async def test_lmtp_break_between_the_answers_leaves_the_answered_ones_certain() -> None:
    async with Scripted(lmtp=True) as server:
        server.end = lambda rest: "250 ok" if rest == "a@x.example" else "break"
        result = await send(server.target(), "a@x.example", "b@x.example")
    assert statuses(result) == {"a@x.example": ("delivered", 250), "b@x.example": ("deferred", 0)}
    assert result.uncertain


async def test_a_break_within_the_message_is_certain() -> None:
    async with Scripted() as server:
        server.replies["DATA"] = "break"
        result = await send(server.target())
    assert not result.uncertain
    assert result.results[0].status is Status.DEFERRED


async def test_an_endless_reply_is_cut_off() -> None:
    async with Scripted() as server:
        server.replies["MAIL"] = "250-" + "x" * 100_000
        result = await send(server.target())
    assert result.results[0].status is Status.DEFERRED
    assert len(result.results[0].text) < 600


async def test_reply_text_of_a_stranger_is_kept_as_one_safe_line() -> None:
    async with Scripted() as server:
        server.replies["RCPT"] = "550-5.1.1 no\x1b[31m\r\n550 \x00such " + "あ" * 1000
        result = await send(server.target())
    text = result.results[0].text
    assert text.startswith("5.1.1 no [31m such あ")
    assert len(text) <= 500


async def test_connections_are_kept_and_used_again() -> None:
    async with Scripted() as server:
        transport = SmtpTransport(server.target(), "mx", 5)
        for number in range(20):
            await transport.send(leased(entry=str(number)))
        assert server.connections == 1
        await asyncio.gather(*(transport.send(leased(entry=f"x{number}")) for number in range(5)))
        assert server.connections == 5
        await transport.close()
    assert len(server.taken) == 25
    assert server.commands.count("QUIT") == 5


@pytest.mark.parametrize("goodbye", [b"", b"421 4.4.2 idle for too long\r\n"])
async def test_a_connection_that_was_closed_while_idle_is_replaced(goodbye: bytes) -> None:
    server = Scripted()
    await server.listen()
    transport = SmtpTransport(server.target(), "mx", 5)
    await transport.send(leased())
    await server.close()
    await server.listen()
    assert (await transport.send(leased(entry="e2"))).results[0].status is Status.DELIVERED
    assert [taken[1] for taken in server.taken] == [("shop@shop.example",)] * 2
    await transport.close()
    await server.close()


async def test_a_server_that_ends_sessions_with_421_gets_the_message_over_a_new_one() -> None:
    async with Scripted() as server:
        transport = SmtpTransport(server.target(), "mx", 5)
        await transport.send(leased())
        said = iter(["421 4.7.0 too many", "250 ok", "250 ok"])
        server.replies["MAIL"] = lambda rest: next(said)
        result = await transport.send(leased(entry="e2"))
        assert result.results[0].status is Status.DELIVERED
        assert server.connections == 2
        await transport.close()
    assert len(server.taken) == 2


async def test_old_and_idle_connections_are_checked_or_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Scripted() as server:
        transport = SmtpTransport(server.target(), "mx", 5)
        await transport.send(leased())
        monkeypatch.setattr(smtp, "CHECK_AFTER", 0.0)
        await transport.send(leased())
        assert "NOOP" in server.commands
        assert server.connections == 1
        monkeypatch.setattr(smtp, "MAX_AGE", 0.0)
        await transport.send(leased())
        assert server.connections == 2
        await transport.close()


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("a..b@docomo.ne.jp", '"a..b"@docomo.ne.jp'),
        ('"a..b"@docomo.ne.jp', '"a..b"@docomo.ne.jp'),
        (".abc.@ezweb.ne.jp", '".abc."@ezweb.ne.jp'),
        ('"a"> SIZE=9 <"b"@x.example', '"\\"a\\"> SIZE=9 <\\"b\\""@x.example'),
        ('with space"quote@x.example', '"with space\\"quote"@x.example'),
        ("plain+tag@日本.example", "plain+tag@xn--wgv71a.example"),
    ],
)
async def test_addresses_are_quoted_as_rfc_5321_wants(address: str, path: str) -> None:
    """FACTS: quoted local parts arrive unquoted from aiosmtpd, and carriers' addresses need the quotes."""
    async with Scripted() as server:
        result = await send(server.target(), address, mail_from=address)
    assert result.results[0].status is Status.DELIVERED
    assert f"RCPT TO:<{path}>" in server.commands
    assert server.commands[1].startswith(f"MAIL FROM:<{path}>")


@pytest.mark.parametrize("address", ["a@x.example>\r\nDATA", "a\x00@x.example", "@x.example", "あ@x.example", "a@x>y"])
async def test_what_cannot_stand_in_a_command_fails_and_harms_no_other(address: str) -> None:
    async with Scripted() as server:
        result = await send(server.target(), address, "good@x.example")
        assert statuses(result) == {address: ("failed", 553), "good@x.example": ("delivered", 250)}
        assert (await send(server.target(), address)).results[0].status is Status.FAILED
        assert (await send(server.target(), mail_from=address)).results[0].status is Status.FAILED
        assert not any("DATA" in command and command != "DATA" for command in server.commands)


async def test_internationalised_addresses_and_8bit_are_announced() -> None:
    async with Scripted(extensions=["SMTPUTF8", "8BITMIME", "SIZE"]) as server:
        raw = "Subject: x\r\n\r\n日本\r\n".encode()
        await send(server.target(), "太郎@日本.example", raw=raw, mail_from="")
    assert server.commands[1] == f"MAIL FROM:<> SIZE={len(raw)} BODY=8BITMIME SMTPUTF8"


async def test_a_plain_old_server_that_knows_no_ehlo() -> None:
    async with Scripted() as server:
        server.replies |= {"EHLO": "502 5.5.1 what?", "HELO": "250 hello"}
        assert (await send(server.target())).results[0].status is Status.DELIVERED


def _server_tls(trust: Trust) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(trust.certificate, trust.key)
    return context


@pytest.mark.parametrize("starttls", ["auto", "required"])
async def test_starttls_with_the_right_authority(trust: Trust, starttls: str) -> None:
    async with Scripted(tls=_server_tls(trust), extensions=["STARTTLS", "PIPELINING"], host="127.0.0.1") as server:
        result = await send(server.target(starttls=starttls, ca=trust.ca))
    assert result.results[0].status is Status.DELIVERED
    assert server.commands[:3] == ["EHLO mx.shop.example", "STARTTLS", "EHLO mx.shop.example"]


async def test_starttls_auto_takes_any_certificate_where_nothing_must_be_kept_secret(trust: Trust) -> None:
    async with Scripted(tls=_server_tls(trust), extensions=["STARTTLS"]) as server:
        assert (await send(server.target())).results[0].status is Status.DELIVERED
        assert "STARTTLS" in server.commands


@pytest.mark.parametrize("more", [{"starttls": "required"}, {"user": "u", "password": "p"}])
async def test_an_unknown_authority_gets_no_mail_and_no_password(trust: Trust, more: dict[str, str]) -> None:
    async with Scripted(tls=_server_tls(trust), extensions=["STARTTLS", "AUTH PLAIN"]) as server:
        result = await send(server.target(**more))
    assert result.down
    assert result.results[0].status is Status.DEFERRED  # the config is wrong, not the mail
    assert "TLS" in result.results[0].text
    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


async def test_a_certificate_for_another_name_is_refused(trust: Trust, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*trust.issue(tmp_path, "other.example"))
    async with Scripted(tls=context, extensions=["STARTTLS"]) as server:
        result = await send(server.target(starttls="required", ca=trust.ca))
    assert result.down
    assert not server.taken


@pytest.mark.parametrize("more", [{"starttls": "required"}, {"user": "u", "password": "p"}])
async def test_without_starttls_nothing_secret_is_sent_in_the_clear(more: dict[str, str]) -> None:
    async with Scripted(extensions=["AUTH PLAIN LOGIN"]) as server:
        result = await send(server.target(**more))
    assert result.down
    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


async def test_commands_injected_before_the_tls_handshake_end_the_session(trust: Trust) -> None:
    """RFC 3207 §6, CVE-2011-0411: what came in the clear must not count inside TLS."""
    server = Scripted(tls=_server_tls(trust), extensions=["STARTTLS"], injection=b"250 injected\r\n")
    async with server:
        result = await send(server.target(ca=trust.ca))
    assert result.down
    assert not server.taken


async def test_implicit_tls(trust: Trust) -> None:
    async with Scripted(tls=_server_tls(trust), implicit_tls=True) as server:
        assert (await send(server.target(ca=trust.ca))).results[0].status is Status.DELIVERED
        assert (await send(server.target())).down  # not by an authority that the system knows


@pytest.mark.parametrize("method", ["PLAIN", "LOGIN"])
async def test_authentication(trust: Trust, method: str) -> None:
    async with Scripted(tls=_server_tls(trust), extensions=["STARTTLS", f"AUTH {method}"]) as server:
        server.replies |= {
            "AUTH": "235 2.7.0 welcome" if method == "PLAIN" else "334 VXNlcm5hbWU6",
            "DXNLCG==": "334 UGFzc3dvcmQ6",
            "dXNlcg==".upper(): "334 UGFzc3dvcmQ6",
            "44Kr44Ku".upper(): "235 2.7.0 welcome",
        }
        result = await send(server.target(ca=trust.ca, user="user", password="カギ"))
    assert result.results[0].status is Status.DELIVERED
    if method == "PLAIN":
        assert "AUTH PLAIN AHVzZXIA44Kr44Ku" in server.commands
    else:
        assert server.commands[3:6] == ["AUTH LOGIN", "dXNlcg==", "44Kr44Ku"]


async def test_a_wrong_password_bounces_no_mail(trust: Trust) -> None:
    async with Scripted(tls=_server_tls(trust), extensions=["STARTTLS", "AUTH PLAIN"]) as server:
        server.replies["AUTH"] = "535 5.7.8 wrong"
        result = await send(server.target(ca=trust.ca, user="user", password="secret"))
    assert result.down
    assert statuses(result) == {"shop@shop.example": ("deferred", 535)}
    assert "secret" not in repr(result)


async def test_smtp_sink_takes_mail(smtp_sink: Sink) -> None:
    result = await send(Target("smtp", "127.0.0.1", smtp_sink.port))
    assert result.results[0].status is Status.DELIVERED
    smtp_sink.wait_for(1)
    assert smtp_sink.messages() == [RAW]


async def test_dovecot_takes_mail_by_lmtp_and_keeps_it_byte_for_byte(dovecot: Dovecot) -> None:
    raw = b"Subject: lmtp\r\n\r\n.dot\r\n" + "日本語\r\n".encode() + b"end\r\n"
    target = Target("lmtp", "127.0.0.1", dovecot.lmtp_port)
    result = await send(target, "lmtp-one@shop.example", "lmtp-two@shop.example", raw=raw)
    assert {r.status for r in result.results} == {Status.DELIVERED}
    for user in ("lmtp-one@shop.example", "lmtp-two@shop.example"):
        (kept,) = await asyncio.to_thread(dovecot.wait_for, user)
        assert kept.endswith(raw)
        assert b"Return-Path: <taro@example.com>" in kept


async def test_dovecot_takes_mail_over_its_unix_socket(dovecot: Dovecot) -> None:
    result = await send(Target("lmtp", path=dovecot.lmtp_socket), "socket@shop.example")
    assert result.results[0].status is Status.DELIVERED
    assert len(await asyncio.to_thread(dovecot.wait_for, "socket@shop.example")) == 1


async def test_dovecot_takes_a_carriers_address_as_sender(dovecot: Dovecot) -> None:
    target = Target("lmtp", "127.0.0.1", dovecot.lmtp_port)
    result = await send(target, "carrier@shop.example", mail_from="a..b@docomo.ne.jp")
    assert result.results[0].status is Status.DELIVERED
