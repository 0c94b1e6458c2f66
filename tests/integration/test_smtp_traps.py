"""The traps of aiosmtpd 1.4.6 that were found by trying it, each closed by the test that bears its name."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from typing import TYPE_CHECKING

import aiosmtpd.smtp
import pytest

from gateway.model import smtp_reply as table
from gateway.model.network import parse_network
from gateway.model.settings import TlsFiles
from tests.integration.smtp_talk import OPEN, connect, house, until

if TYPE_CHECKING:
    from tests.servers.trust import Trust

MESSAGE = b"Subject: x\r\n\r\nbody\r\n.\r\n"


async def test_an_exception_in_a_handler_answers_500_and_leaks_its_text() -> None:
    async with house() as here:
        here.fail = RuntimeError("secret")
        client = await (await connect(here.port)).begin()
        assert await client.say(MESSAGE) == "451 4.3.0 Temporary failure, please try again later"
        assert ("error", "message not taken") in [said[:2] for said in here.log.said]
        here.fail = None
        client.send(OPEN + MESSAGE)
        assert [(await client.line())[:3] for _ in range(4)] == ["250", "250", "354", "250"]


async def test_something_cancelled_below_is_a_failure_and_not_the_end_of_the_session() -> None:
    async with house() as here:
        here.fail = asyncio.CancelledError()
        client = await (await connect(here.port)).begin()
        assert (await client.say(MESSAGE)).startswith("451 4.3.0")
        assert (await client.say(b"NOOP\r\n")).startswith("250")


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_clients_disconnect_cancels_handle_data_in_mid_await(how: str) -> None:
    async with house() as here:
        here.gate.clear()
        client = await (await connect(here.port)).begin()
        client.send(MESSAGE)
        await until(lambda: here.begun == 1)
        getattr(client.writer if how == "close" else client.writer.transport, how)()
        await asyncio.sleep(0.1)
        here.gate.set()
        await until(lambda: len(here.came) == 1)
        await until(lambda: here.server.numbers()["sessions"] == 0)
        assert here.server.numbers()["left_before_reply"] == 1
        level, event, values = here.log.said[-1]
        assert (level, event, values["id"]) == ("warning", "client left before the reply", here.came[0].id)
        assert values["reply"].startswith("250 2.0.0 Ok: accepted as")


async def test_the_timeout_is_not_reset_during_data() -> None:
    async with house(data_stall=0.3, command_timeout=0.3, data_timeout=10) as here:
        client = await (await connect(here.port)).begin()
        for _ in range(8):  # slow, but alive: longer than any single timeout
            client.send(b"x\r\n")
            await asyncio.sleep(0.12)
        assert (await client.say(b".\r\n")).startswith("250")


async def test_lines_over_1001_bytes_get_500() -> None:
    async with house() as here:
        client = await (await connect(here.port)).begin()
        assert (await client.say(b"x" * 200_000 + b"\r\n.\r\n")).startswith("250")
        assert here.came[0].raw == b"x" * 200_000 + b"\r\n"


async def test_mail_beyond_32_mib_is_refused_whatever_the_config_says() -> None:
    async with house(max_size=50 * 1024 * 1024) as here:
        client = await (await connect(here.port)).begin()
        block = (b"y" * 70 + b"\r\n") * 14563  # 1 MiB
        for _ in range(40):
            client.send(block)
            await client.writer.drain()
        assert (await client.say(b".\r\n", 20)).startswith("250")
        assert here.came[0].size == 40 * len(block)


async def test_the_null_sender_arrives_as_a_string_of_brackets() -> None:
    async with house() as here:
        client = await connect(here.port)
        client.send(b"HELO a\r\n" + OPEN.replace(b"a@b.example", b"") + MESSAGE)
        await until(lambda: len(here.came) == 1)
        assert here.came[0].envelope.mail_from == ""


async def test_undecodable_addresses_carry_surrogates() -> None:
    async with house() as here:
        client = await connect(here.port)
        await client.line()
        await client.say(b"EHLO a\r\n")
        assert (await client.say(b"MAIL FROM:<\x93\xfa@b.example> SMTPUTF8\r\n")).startswith("553 5.1.7")
        assert (await client.say(b"EHLO \x93\xfa\r\n")).startswith("250")
        client.send(OPEN + MESSAGE)
        await until(lambda: len(here.came) == 1)
        assert here.came[0].envelope.peer.helo.isascii()
        "\n".join(here.came[0].envelope.dialogue).encode()  # no surrogates either


async def test_auth_is_advertised_after_starttls_without_an_authenticator(trust: Trust) -> None:
    async with house(smtp={"tls": TlsFiles(trust.certificate, trust.key)}) as here:
        client = await connect(here.port)
        await client.line()
        await client.say(b"EHLO a\r\n")
        await client.say(b"STARTTLS\r\n")
        await client.writer.start_tls(trust.client_context(), server_hostname="localhost")
        client.send(b"EHLO a\r\nQUIT\r\n")
        said = (await client.reader.read()).decode()
        assert "250 HELP" in said
        assert "AUTH" not in said
        assert "STARTTLS" not in said


async def test_ret_and_notify_get_555_without_an_enhanced_code() -> None:
    async with house() as here:
        client = await connect(here.port)
        await client.line()
        await client.say(b"EHLO a\r\n")
        assert (await client.say(b"MAIL FROM:<a@b.example> RET=FULL\r\n")).startswith("555 5.5.4 ")
        assert (await client.say(b"MAIL FROM:<a@b.example>\r\n")).startswith("250")
        assert (await client.say(b"RCPT TO:<shop@shop.example> NOTIFY=NEVER\r\n")).startswith("555 5.5.4 ")


@pytest.mark.parametrize("bad", [b"a\nb", b"a\rb", b"a\0b", b"\n.\n", b"\r.\r"])
async def test_bare_lf_bare_cr_and_nul_stay_in_the_content(bad: bytes) -> None:
    async with house() as here:
        client = await (await connect(here.port)).begin()
        assert (await client.say(b"x\r\n" + bad + b"\r\n.\r\n")).startswith("554 5.6.0")
        assert here.came == []


async def test_controller_runs_a_thread_of_its_own() -> None:
    before = threading.active_count()
    async with house() as here:
        client = await (await connect(here.port)).begin()
        await client.say(MESSAGE)
        assert threading.active_count() == before
        assert len(here.came) == 1


async def test_info_logs_addresses_and_debug_bodies(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with house() as here:
            client = await (await connect(here.port)).begin()
            await client.say(MESSAGE)
    assert "b.example" not in caplog.text
    assert "body" not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("mail")]
    assert not any("b.example" in str(said) for said in here.log.said)


async def test_behind_proxy_the_peer_stays_the_proxy() -> None:
    network = parse_network("127.0.0.1")
    async with house(smtp={"proxy_protocol_from": (network,)}) as here:
        client = await connect(here.port)
        client.send(b"PROXY TCP4 192.0.2.77 198.51.100.1 4000 25\r\nHELO a\r\n" + OPEN + MESSAGE)
        await until(lambda: len(here.came) == 1)
        peer = here.came[0].envelope.peer
        assert (peer.ip, peer.port, peer.proxy) == ("192.0.2.77", 4000, "127.0.0.1")
        assert peer.local == f"127.0.0.1:{here.port}"


@pytest.mark.parametrize(
    "address", ["a..b@docomo.ne.jp", ".abc.@ezweb.ne.jp", '"a..b"@docomo.ne.jp', r'"a\"b"@x.example']
)
async def test_quoted_local_parts_arrive_unquoted(address: str) -> None:
    async with house() as here:
        client = await connect(here.port)
        client.send(b"HELO a\r\n" + OPEN.replace(b"a@b.example", address.encode()) + MESSAGE)
        await until(lambda: len(here.came) == 1)
        assert here.came[0].envelope.mail_from == address


async def test_12_000_recipients_and_2_000_noops_are_accepted() -> None:
    async with house() as here:
        client = await connect(here.port)
        client.send(b"HELO a\r\nMAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<postmaster@shop.example>\r\n" * 12_000)
        said = (await client.reader.read()).decode().splitlines()
        assert said[-1] == "421 4.7.0 Too many commands, closing connection"
        assert len(said) <= 502
        noisy = await connect(here.port)
        noisy.send(b"NOOP\r\n" * 2000)
        said = (await noisy.reader.read()).decode().splitlines()
        assert len(said) == 502
        assert said[-1].startswith("421 4.7.0")


async def test_pipelined_commands_work_although_pipelining_is_not_advertised() -> None:
    async with house() as here:
        client = await connect(here.port)
        client.send(b"EHLO a\r\n" + OPEN)
        said = [await client.line() for _ in range(11)]
        assert "250-PIPELINING" in said
        assert said[-1].startswith("354")


async def test_getaddr_rebuilds_a_class_and_init_inspects_every_member(monkeypatch: pytest.MonkeyPatch) -> None:
    def costly(*arguments: object) -> None:
        raise AssertionError("the costly way was taken")

    monkeypatch.setattr(inspect, "getmembers", costly)
    for name in ("_getaddr", "__init__", "smtp_DATA", "push"):
        monkeypatch.setattr(aiosmtpd.smtp.SMTP, name, costly)
    async with house() as here:
        client = await (await connect(here.port)).begin()
        assert (await client.say(MESSAGE)).startswith("250")


async def test_replies_to_pipelined_commands_leave_one_by_one() -> None:
    async with house() as here:
        client = await connect(here.port)
        await client.line()
        client.send(b"HELO a\r\nNOOP\r\nNOOP\r\nRSET\r\n")
        await asyncio.sleep(0.1)
        sessions = here.server._context.sessions  # type: ignore[union-attr]
        writes: list[bytes] = []
        session = next(iter(sessions))
        transport = session.transport
        assert transport is not None

        class Spy:
            def write(self, data: bytes) -> None:
                writes.append(data)
                transport.write(data)

            def __getattr__(self, name: str) -> object:
                return getattr(transport, name)

        session.transport = Spy()  # type: ignore[assignment]
        client.send(b"NOOP\r\nRSET\r\nVRFY x\r\n")
        await until(lambda: bool(writes))
        await asyncio.sleep(0.05)
        assert writes == [table.OK.wire * 2 + table.VERIFY.wire]
        session.transport = transport
