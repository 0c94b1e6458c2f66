"""Start, stop with a drain, new settings, certificates that change."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.intake.smtp import SmtpServer, host_name
from gateway.intake.smtp import tls as tls_module
from gateway.intake.smtp.server import ListenError
from gateway.intake.smtp.tls import Certificates, TlsError, load_context
from gateway.model.exchange import Exchange
from gateway.model.settings import Listen, Settings, Smtp, SmtpLimits, TlsFiles
from gateway.model.smtp_reply import OK, SmtpReply
from tests.integration.smtp_talk import OPEN, Client, Log, connect, house, settings_of, until

if TYPE_CHECKING:
    from tests.servers.trust import Trust


async def _ok(exchange: Exchange) -> SmtpReply:
    return OK


async def test_stop_lets_data_end_and_tells_the_rest() -> None:
    async with house() as here:
        idle = await connect(here.port)
        await idle.line()
        writing = await (await connect(here.port)).begin()
        writing.send(b"half")
        port = here.port
        stopping = asyncio.create_task(here.server.stop(5.0))
        assert await idle.line() == "421 4.3.2 Service shutting down, please try again later"
        assert await idle.closed()
        with pytest.raises(ConnectionError):
            await connect(port)
        assert not stopping.done()
        assert (await writing.say(b"\r\n.\r\n")).startswith("250 2.0.0")
        assert (await writing.line()).startswith("421 4.3.2")
        writing.writer.close()
        async with asyncio.timeout(2):
            await stopping
        assert [exchange.raw for exchange in here.came] == [b"half\r\n"]


async def test_stop_cuts_off_who_takes_too_long_but_breaks_no_commit() -> None:
    async with house() as here:
        here.gate.clear()
        committing = await (await connect(here.port)).begin()
        committing.send(b"x\r\n.\r\n")
        await until(lambda: here.begun == 1)
        writing = await (await connect(here.port)).begin()
        async with asyncio.timeout(4):
            await here.server.stop(0.3)
        assert await writing.closed()
        assert "smtp stopped with messages still at work" in here.log.events()
        here.gate.set()
        await until(lambda: len(here.came) == 1)
        await until(lambda: here.server.numbers()["sessions"] == 0)


async def test_nothing_is_left_over_after_a_stop() -> None:
    async with house() as here:
        clients = [await connect(here.port) for _ in range(20)]
        clients[0].send(b"HELO a\r\n" + OPEN)
        for client in clients:
            await client.line()
        await here.server.stop(0.1)
        assert len(asyncio.all_tasks()) == 1
        assert here.server.numbers()["sessions"] == here.server.numbers()["memory"] == 0


async def test_start_opens_all_listeners_or_none() -> None:
    async with house() as here:
        taken = Smtp(listen=(Listen("127.0.0.1", 0), Listen("127.0.0.1", here.port)))
        server = SmtpServer(settings_of(taken), _ok)
        with pytest.raises(ListenError, match=r"(?i)address already in use"):
            await server.start()
        assert server.addresses == ()
        assert (await (await connect(here.port)).line()).startswith("220")


async def test_several_listeners_and_ipv6() -> None:
    listen = (Listen("127.0.0.1", 0), Listen("::1", 0))
    async with house(smtp={"listen": listen}) as here:
        assert [address.host for address in here.server.addresses] == ["127.0.0.1", "::1"]
        reader, writer = await asyncio.open_connection("::1", here.server.addresses[1].port)
        client = await Client(reader, writer).begin()
        assert (await client.say(b"x\r\n.\r\n")).startswith("250")
        assert here.came[0].envelope.peer.ip == "::1"


async def test_a_server_needs_an_smtp_section_and_a_certificate_for_tls() -> None:
    with pytest.raises(ValueError, match="smtp"):
        SmtpServer(Settings(smtp=None), _ok)
    server = SmtpServer(settings_of(Smtp(listen=(Listen("127.0.0.1", 0, True),))), _ok)
    with pytest.raises(ValueError, match="TLS"):
        await server.start()
    assert server.numbers() == {}
    await server.stop(0)


async def test_new_settings_hold_for_new_sessions() -> None:
    async with house() as here:
        old = await (await connect(here.port)).begin()
        await old.say(b"x\r\n.\r\n")
        smtp = Smtp(listen=(Listen("127.0.0.1", 0),), hostname="new.example", limits=SmtpLimits(max_size=77))
        here.server.update(settings_of(smtp, "other@new.example"))
        client = await connect(here.port)
        assert await client.line() == "220 new.example ESMTP"
        client.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<shop@shop.example>\r\nRCPT TO:<other@new.example>\r\nQUIT\r\n")
        said = (await client.reader.read()).decode().splitlines()
        assert "250-SIZE 77" in said
        assert [line[:3] for line in said[-4:]] == ["250", "550", "250", "221"]
        assert (await old.say(b"NOOP\r\n")).startswith("250")
        here.server.update(settings_of(Smtp(listen=(Listen("127.0.0.1", 1),))))
        assert here.log.events()[-1] == "smtp.listen and smtp.tls take effect at the next start"


def test_the_host_name_is_the_configured_one_or_the_machines() -> None:
    assert host_name(Settings(smtp=Smtp(hostname="mx.example"))) == "mx.example"
    assert host_name(Settings()) == host_name(Settings(smtp=None)) != ""


async def secure(port: int, context: ssl.SSLContext) -> Client:
    """A client after STARTTLS."""
    client = await connect(port)
    await client.line()
    assert (await client.say(b"STARTTLS\r\n")).startswith("220")
    await client.writer.start_tls(context, server_hostname="localhost")
    return client


def serial(client: Client) -> object:
    return client.writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]


def own_files(trust: Trust, folder: Path) -> TlsFiles:
    files = TlsFiles(folder / "fullchain.pem", folder / "key.pem")
    shutil.copy(trust.certificate, files.certificate)
    shutil.copy(trust.key, files.key)
    return files


async def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(
    trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_module, "CHECK_EVERY", 0.0)
    files = own_files(trust, tmp_path)
    async with house(smtp={"tls": files}) as here:
        first = serial(await secure(here.port, trust.client_context()))
        trust.issue(tmp_path, "localhost")
        second = serial(await secure(here.port, trust.client_context()))
        assert second != first
        files.key.write_text("nonsense")
        assert serial(await secure(here.port, trust.client_context())) == second
        assert here.log.events().count("tls certificate not reloaded, the old one stays") == 1
        files.certificate.unlink()
        assert serial(await secure(here.port, trust.client_context())) == second
        assert not here.server.reload_tls()
        trust.issue(tmp_path, "localhost")
        assert here.server.reload_tls()
        assert serial(await secure(here.port, trust.client_context())) not in (first, second)


def test_files_are_looked_at_now_and_then_only(trust: Trust, tmp_path: Path) -> None:
    files = own_files(trust, tmp_path)
    held = Certificates(files, Log())
    context = held.context(100.0)
    os.utime(files.key, (1, 1))
    assert held.context(101.0) is context
    assert held.context(103.0) is not context


def test_an_unusable_certificate_says_what_to_do(trust: Trust, tmp_path: Path) -> None:
    with pytest.raises(TlsError) as missing:
        load_context(TlsFiles(tmp_path / "no.pem", trust.key))
    assert "no.pem" in missing.value.in_("ja")
    assert "→" in missing.value.in_("en")
    other = tmp_path / "other"
    other.mkdir()
    _, key = trust.issue(other, "localhost")
    with pytest.raises(TlsError):
        load_context(TlsFiles(trust.certificate, key))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
async def test_tls_below_1_2_is_refused(trust: Trust) -> None:
    async with house(smtp={"tls": TlsFiles(trust.certificate, trust.key)}) as here:
        context = trust.client_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await secure(here.port, context)
        await until(lambda: here.server.numbers()["tls_failed"] == 1)
        await until(lambda: here.server.numbers()["sessions"] == 0)
        modern = await secure(here.port, trust.client_context())
        modern.send(b"HELO a\r\n" + OPEN + b"x\r\n.\r\n")
        await until(lambda: len(here.came) == 1)
        tls = here.came[0].envelope.peer.tls
        assert tls is not None
        assert tls.version == "TLSv1.3"
        assert tls.cipher.startswith("TLS_")
        assert tls.bits >= 128


@pytest.mark.parametrize("implicit", [False, True])
async def test_garbage_instead_of_a_handshake_leaves_nothing_behind(trust: Trust, implicit: bool) -> None:
    files = TlsFiles(trust.certificate, trust.key)
    async with house(smtp={"tls": files, "listen": (Listen("127.0.0.1", 0, implicit),)}) as here:
        client = await connect(here.port)
        if not implicit:
            await client.line()
            await client.say(b"STARTTLS\r\n")
        client.send(b"EHLO in clear\r\n" * 20)
        await client.closed()
        await until(lambda: here.server.numbers()["sessions"] == 0)
        assert here.server.numbers()["tls_failed"] == 1
        assert here.server.numbers()["failures"] == 0


async def test_a_handshake_that_never_comes_is_cut_off_at_the_stop(trust: Trust) -> None:
    files = TlsFiles(trust.certificate, trust.key)
    async with house(smtp={"tls": files, "listen": (Listen("127.0.0.1", 0, True),)}) as here:
        client = await connect(here.port)
        await until(lambda: here.server.numbers()["sessions"] == 1)
        async with asyncio.timeout(2):
            await here.server.stop(10.0)
        assert await client.closed()


async def test_connections_over_the_limit_cost_no_handshake(trust: Trust) -> None:
    files = TlsFiles(trust.certificate, trust.key)
    async with house(connections=1, smtp={"tls": files, "listen": (Listen("127.0.0.1", 0, True),)}) as here:
        first = await connect(here.port)
        await until(lambda: here.server.numbers()["sessions"] == 1)
        refused = await connect(here.port)
        assert await refused.closed()  # without a word: in clear it would not be understood
        assert here.server.numbers()["tls_failed"] == 0
        first.writer.close()
