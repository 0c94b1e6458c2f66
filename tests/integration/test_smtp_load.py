"""Many peers at once: limits, idle and slow ones, and a real load generator."""

from __future__ import annotations

import asyncio
import smtplib
import subprocess
import time
from collections.abc import Callable

import pytest

from gateway.intake.smtp import SmtpServer, connection
from gateway.model.exchange import Exchange
from gateway.model.network import parse_network
from gateway.model.settings import Listen, Settings, Shop, Smtp
from gateway.model.smtp_reply import SmtpReply, accepted
from tests.integration.smtp_talk import OPEN, Client, connect, house, until
from tests.servers.process import program, want

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
try:
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop
except ImportError:  # an optional dependency
    pass


async def served(port: int) -> float:
    """The seconds that a whole delivery takes."""
    start = time.monotonic()
    client = await (await connect(port)).begin()
    assert (await client.say(b"x\r\n.\r\n")).startswith("250")
    client.send(b"QUIT\r\n")
    assert (await client.line()).startswith("221")
    return time.monotonic() - start


async def test_500_idle_connections_do_not_hinder_others() -> None:
    async with house(connections_per_ip=600) as here:
        idle = await asyncio.gather(*(connect(here.port) for _ in range(500)))
        await asyncio.gather(*(client.line(20) for client in idle))
        assert here.server.numbers()["sessions"] == 500
        assert await served(here.port) < 1.0
        for client in idle:
            client.writer.close()
        await until(lambda: here.server.numbers()["sessions"] == 0)


async def test_slow_senders_do_not_hinder_others() -> None:
    async with house() as here:
        slow = [await (await connect(here.port)).begin() for _ in range(20)]

        async def drip(client: Client) -> None:
            for byte in b"Subject: slow\r\n":
                client.send(bytes([byte]))
                await asyncio.sleep(0.1)

        dripping = asyncio.gather(*map(drip, slow))
        assert max([await served(here.port) for _ in range(5)]) < 1.0
        await dripping
        for client in slow:
            assert (await client.say(b".\r\n")).startswith("250")
        assert len(here.came) == 25


async def test_one_byte_at_a_time_through_a_whole_session() -> None:
    async with house() as here:
        client = await connect(here.port)
        for byte in b"HELO a\r\n" + OPEN + b"..x\r\n.\r\nQUIT\r\n":
            client.send(bytes([byte]))
            await asyncio.sleep(0.001)
        said = (await client.reader.read()).decode().splitlines()
        assert [line[:3] for line in said] == ["220", "250", "250", "250", "354", "250", "221"]
        assert here.came[0].raw == b".x\r\n"


async def test_connections_in_all_are_bounded() -> None:
    async with house(connections=3, connections_per_ip=100) as here:
        first = [await connect(here.port) for _ in range(3)]
        for client in first:
            assert (await client.line()).startswith("220")
        refused = await connect(here.port)
        assert (await refused.line()).startswith("421 4.7.0 Too many connections")
        assert await refused.closed()
        first[0].send(b"QUIT\r\n")
        assert await first[0].line()
        await until(lambda: here.server.numbers()["sessions"] == 2)
        assert (await (await connect(here.port)).line()).startswith("220")
        assert here.server.numbers()["connections_refused"] == 1


async def test_connections_of_an_address_are_bounded_but_not_those_of_the_shops_relays() -> None:
    async with house(connections_per_ip=1) as here:
        first = await connect(here.port)
        assert (await first.line()).startswith("220")
        assert (await (await connect(here.port)).line()).startswith("421 4.7.0 Too many connections from your address")
    async with house(connections_per_ip=1, smtp={"trusted_relays": (parse_network("127.0.0.0/8"),)}) as here:
        clients = [await connect(here.port) for _ in range(3)]
        assert [(await client.line())[:3] for client in clients] == ["220"] * 3


async def test_behind_proxy_the_client_is_counted() -> None:
    proxies = {"proxy_protocol_from": (parse_network("127.0.0.0/8"),)}
    async with house(connections_per_ip=1, smtp=proxies) as here:
        clients = [await connect(here.port) for _ in range(3)]
        said = []
        for last, client in zip((1, 2, 1), clients, strict=True):
            client.send(f"PROXY TCP4 192.0.2.{last} 198.51.100.1 4000 25\r\n".encode())
            said.append((await client.line())[:3])
        assert said == ["220", "220", "421"]


async def test_memory_of_all_sessions_is_bounded_and_comes_back() -> None:
    async with house(memory=100_000) as here:
        one = await (await connect(here.port)).begin()
        one.send(b"x" * 90_000)
        await until(lambda: here.server.numbers()["memory"] > 80_000)
        two = await (await connect(here.port)).begin()
        assert (await two.say(b"y" * 20_000 + b"\r\n.\r\n")).startswith("452 4.3.1")
        one.writer.transport.abort()
        await until(lambda: here.server.numbers()["memory"] == 0)
        two.send(OPEN + b"y" * 20_000 + b"\r\n.\r\n")
        assert [(await two.line())[:3] for _ in range(4)] == ["250", "250", "354", "250"]


async def test_a_flood_of_commands_behind_a_commit_waits_in_the_socket() -> None:
    async with house() as here:
        here.gate.clear()
        client = await (await connect(here.port)).begin()
        client.send(b"x\r\n.\r\n")
        await until(lambda: here.begun == 1)
        client.send(b"NOOP " + b"x" * 1000 + b"\r\n")
        flood = asyncio.ensure_future(_flood(client))
        await asyncio.sleep(0.3)
        session = next(iter(here.server._context.sessions))  # type: ignore[union-attr]
        assert len(session._inbox) < 1_000_000
        here.gate.set()
        assert (await client.line()).startswith("250")
        await asyncio.wait([flood], timeout=5)


async def _flood(client: Client) -> None:
    try:
        for _ in range(200):
            client.send(b"NOOP " + b"x" * 100_000 + b"\r\n")
            await client.writer.drain()
    except ConnectionError:
        pass  # the server hung up


async def test_a_peer_that_never_reads_ends_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "GOODBYE", 0.1)
    async with house(command_timeout=0.5, commands=10**6, command_line=10) as here:
        client = await connect(here.port)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        flood = asyncio.ensure_future(_help(client))
        await until(lambda: here.server.numbers()["sessions"] == 1)
        session = next(iter(here.server._context.sessions))  # type: ignore[union-attr]
        await until(lambda: here.server.numbers()["sessions"] == 0, 20)
        flood.cancel()
        assert here.server.numbers()["timeouts"] == 1
        await until(lambda: session._lost)  # the socket too, although its last words were never read


async def _help(client: Client) -> None:
    try:
        while True:
            client.send(b"HELP\r\n" * 5000)
            await client.writer.drain()
    except ConnectionError:
        pass


def run_with_client(loop: str, client: Callable[[int], None]) -> list[Exchange]:
    """Start a server in this kind of loop, run the blocking client in a thread, give what came."""
    came: list[Exchange] = []

    async def receive(exchange: Exchange) -> SmtpReply:
        came.append(exchange)
        return accepted(exchange.id)

    async def main() -> None:
        smtp = Smtp(listen=(Listen("127.0.0.1", 0),), hostname="mx.shop.example")
        server = SmtpServer(Settings(shop=Shop(addresses=("shop@shop.example",)), smtp=smtp), receive)
        await server.start()
        try:
            await asyncio.to_thread(client, server.addresses[0].port)
        finally:
            await server.stop(1.0)
        assert server.numbers()["failures"] == 0
        assert len(asyncio.all_tasks()) == 1

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main())
    return came


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("reused", [False, True])
def test_smtp_source_delivers_everything_once(loop: str, reused: bool) -> None:
    source = program("smtp-source")
    if source is None:
        want("postfix", "smtp-source, package postfix")
    command = [source, *(["-d"] if reused else []), "-s", "20", "-m", "400", "-l", "4096"]
    command += ["-f", "a@b.example", "-t", "shop@shop.example"]

    def client(port: int) -> None:
        subprocess.run([*command, f"127.0.0.1:{port}"], check=True, timeout=60, capture_output=True)

    came = run_with_client(loop, client)
    assert len(came) == 400
    assert len({exchange.id for exchange in came}) == 400
    assert all(exchange.raw.endswith(b"\r\n") and 4000 < exchange.size < 5000 for exchange in came)


@pytest.mark.parametrize("loop", LOOPS)
def test_smtplib_sends_and_learns_why_not(loop: str) -> None:
    message = "Subject: テスト\r\n\r\n.\r\n..\r\nこんにちは\r\n".encode()

    def client(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as session:
            session.ehlo()
            assert session.has_extn("pipelining")
            assert session.has_extn("smtputf8")
            assert not session.has_extn("chunking")
            assert session.sendmail("a@b.example", ["shop@shop.example", "x@other.example"], message, ["BODY=8BITMIME"])
            session.sendmail("花子@b.example", ["shop@shop.example"], message, ["SMTPUTF8"])
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                session.sendmail("a@b.example", ["x@other.example"], message)
            assert refused.value.recipients["x@other.example"][0] == 550

    came = run_with_client(loop, client)
    assert [exchange.raw for exchange in came] == [message, message]
    assert [exchange.envelope.mail_from for exchange in came] == ["a@b.example", "花子@b.example"]
