"""Each trap of aioimaplib 2.0.3 that was measured is closed by a test of its name."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from dataclasses import replace

import pytest

from gateway.clients.imap import ImapError, ImapLogin, ImapLost, ImapRefused, ImapSession, open_session
from gateway.clients.imap.session import CHUNK
from gateway.model.settings import Imap, Target
from gateway.testing.dovecot import PASSWORD, DovecotServer
from tests.integration.imap_fake import FakeImap
from tests.integration.imap_lab import account, mail
from tests.servers.trust import Trust


def fake_account(server: FakeImap, **more: object) -> Imap:
    return Imap("shop", Target("imap", "127.0.0.1", server.port), "shop", PASSWORD, **{"timeout": 0.5, **more})  # type: ignore[arg-type]


async def session_of(server: FakeImap, **more: object) -> ImapSession:
    session = await open_session(fake_account(server, **more))
    await session.select("INBOX")
    return session


async def test_a_lost_connection_fails_the_pending_command_at_once() -> None:
    async with FakeImap(close="FETCH") as server:
        session = await session_of(server, timeout=30.0)
        started = time.monotonic()
        with pytest.raises(ImapLost, match=r"closed|lost"):
            await session.overview([1])
        assert time.monotonic() - started < 15
        assert not session.alive


async def test_idle_and_waiting_for_a_push_notice_a_lost_connection() -> None:
    async with FakeImap() as server:
        session = await session_of(server, timeout=30.0)
        await session.search("ALL")
        waiting = asyncio.create_task(session.wait_for_news(600))
        await asyncio.sleep(0.2)
        server.writers[0].transport.abort()
        with pytest.raises(ImapLost):
            await asyncio.wait_for(waiting, 2)


async def test_a_server_that_closes_at_idle_is_noticed() -> None:
    async with FakeImap(close="IDLE") as server:
        session = await session_of(server)
        await session.search("ALL")
        with pytest.raises(ImapLost):
            await asyncio.wait_for(session.wait_for_news(600), 2)


async def test_many_response_lines_do_not_recurse() -> None:
    lines = [b"* %d FETCH (UID %d FLAGS (\\Seen))" % (n, n) for n in range(1, 20_001)]
    async with FakeImap(said={"FETCH": lines}) as server:
        session = await session_of(server, timeout=20.0)
        assert len(await session.overview(list(range(1, CHUNK + 1)))) == CHUNK


async def test_at_most_200_uids_are_fetched_by_a_command(mailserver: DovecotServer) -> None:
    await asyncio.to_thread(mailserver.put, "chunks", *(mail(f"{n}") for n in range(CHUNK + 50)))
    session = await open_session(account(mailserver, "chunks"))
    await session.select("INBOX")
    uids = await session.search("ALL")
    assert len(await session.overview(uids)) == CHUNK + 50
    with pytest.raises(ValueError, match="200"):
        await session.fetch(uids, 1)
    await session.logout()


async def test_a_star_and_a_blank_inside_a_response_stay() -> None:
    raw = b"Subject: a * b\r\n\r\n* 5 EXISTS\r\nx* y {3}\r\n)\r\n"
    line = b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%s)" % (len(raw), raw)
    async with FakeImap(said={"FETCH": [line]}) as server:
        session = await session_of(server)
        assert await session.fetch([1], len(raw)) == {1: raw}


async def test_exists_outside_idle_is_not_dropped() -> None:
    async with FakeImap(then={"NOOP": b"* 2 EXISTS\r\n"}) as server:
        session = await session_of(server)
        await session.search("ALL")
        await session.noop()
        await asyncio.sleep(0.1)
        assert await session.wait_for_news(0.3)


async def test_exists_with_the_acknowledgement_of_idle_ends_the_wait() -> None:
    async with FakeImap(then={"IDLE": b"* 2 EXISTS\r\n"}) as server:
        session = await session_of(server)
        await session.search("ALL")
        started = time.monotonic()
        assert await session.wait_for_news(600)
        assert time.monotonic() - started < 60
        assert await session.search("ALL") is not None


async def test_one_command_at_a_time() -> None:
    async with FakeImap() as server:
        session = await session_of(server)
        work = [step for _ in range(50) for step in (session.search("ALL"), session.noop())]
        answers = await asyncio.gather(*work)
        assert answers == [[1], None] * 50


async def test_a_command_during_idle_waits_for_its_end() -> None:
    async with FakeImap() as server:
        session = await session_of(server)
        await session.search("ALL")
        waiting = asyncio.create_task(session.wait_for_news(600))
        await asyncio.sleep(0.1)
        asking = asyncio.create_task(session.noop())
        await asyncio.sleep(0.1)
        assert not asking.done()
        session.wake()
        await asyncio.wait_for(asyncio.gather(waiting, asking), 2)


async def _everything(server: FakeImap) -> None:
    session = await session_of(server)
    try:
        await session.search("ALL")
        await session.fetch([1], 40)
        await session.wait_for_news(0.1)
    finally:
        assert not session.alive


@pytest.mark.parametrize("mute", ["greeting", "CAPABILITY", "LOGIN", "SELECT", "SEARCH", "FETCH", "IDLE", "DONE"])
async def test_after_any_timeout_the_connection_is_thrown_away(mute: str) -> None:
    async with FakeImap(mute=mute) as server:
        started = time.monotonic()
        with pytest.raises(ImapLost, match=r"in time|within"):
            await _everything(server)
        assert time.monotonic() - started < 30


async def test_a_mail_that_stops_half_way_is_a_timeout() -> None:
    async with FakeImap(half=True) as server:
        session = await session_of(server)
        with pytest.raises(ImapLost, match="within"):
            await session.fetch([1], 4000)


async def test_a_broken_off_command_is_not_answered_to_the_next_one() -> None:
    async with FakeImap(mute="SEARCH") as server:
        session = await session_of(server, timeout=30.0)
        asking = asyncio.create_task(session.search("ALL"))
        await asyncio.sleep(0.1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        with pytest.raises(ImapLost):
            await session.noop()


async def test_a_bad_xoauth2_token_is_answered_and_does_not_time_out() -> None:
    """The server says why as a challenge and waits for an empty line (Google's and Microsoft's way)."""
    why = base64.b64encode(json.dumps({"status": "400"}).encode()).decode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello\r\n")
        tag = (await reader.readline()).split()[0]
        writer.write(b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2\r\n%s OK x\r\n" % tag)
        words = (await reader.readline()).split()
        assert base64.b64decode(words[3]) == b"user=shop\1auth=Bearer bad\1\1"
        writer.write(f"+ {why}\r\n".encode())
        assert await reader.readline() == b"\r\n"
        writer.write(words[0] + b" NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    target = Target("imap", "127.0.0.1", server.sockets[0].getsockname()[1])

    async def token(*, fresh: bool = False) -> str:
        return "bad"

    with pytest.raises(ImapLogin, match="Invalid credentials") as caught:
        await open_session(Imap("店", target, "shop", timeout=2.0), token)
    assert "imap login 店" in caught.value.in_("ja")
    server.close()


async def test_starttls_is_spoken_and_what_was_said_before_is_forgotten(new_mailserver: object, trust: Trust) -> None:
    server = new_mailserver(tls=(trust.certificate, trust.key))  # type: ignore[operator]
    for scheme, port in (("imap", server.port), ("imaps", server.tls_port)):
        target = Target(scheme, "localhost", port, ca=trust.ca, starttls="required")
        session = await open_session(Imap("shop", target, "shop", PASSWORD, timeout=5.0))
        assert (await session.select("INBOX")).exists == 0
        assert not session.has("STARTTLS")
        await session.logout()
        with pytest.raises(ImapLost, match="certificate"):
            await open_session(Imap("shop", replace(target, ca=None), "shop", PASSWORD, timeout=5.0))


async def test_a_password_is_not_sent_where_starttls_is_missing() -> None:
    async with FakeImap() as server:
        target = Target("imap", "127.0.0.1", server.port, starttls="required")
        with pytest.raises(ImapLost, match="STARTTLS"):
            await open_session(replace(fake_account(server), server=target))
        assert not any("LOGIN" in command for command in server.commands)


async def test_what_comes_before_the_tls_handshake_ends_the_connection(trust: Trust) -> None:
    greeting = "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready"
    async with FakeImap(greeting=greeting, then={"STARTTLS": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN"}) as server:
        target = Target("imap", "localhost", server.port, starttls="required", ca=trust.ca)
        with pytest.raises(ImapLost):
            await open_session(replace(fake_account(server), server=target))


@pytest.mark.parametrize("name", ["保留", "a&b", 'quo"ted', "back\\slash", "with blank", "絵😀文字", "(a) {3}", "%"])
async def test_mailbox_names_are_quoted_and_in_modified_utf7(mailserver: DovecotServer, name: str) -> None:
    session = await open_session(account(mailserver, "names"))
    await session.create(name)
    await session.create(name)  # it is there already: no fault
    assert name in {folder.name for folder in await session.folders()}
    assert (await session.select(name)).exists == 0
    assert (await session.status(name))[2] == 0
    await session.logout()


async def test_search_sends_no_charset() -> None:
    async with FakeImap(refuse={"SEARCH": "BAD [BADCHARSET] no"}) as server:
        session = await session_of(server)
        with pytest.raises(ImapRefused):
            await session.search("ALL")
        assert not any("CHARSET" in command for command in server.commands)
        assert session.alive


async def test_a_flood_ends_the_connection_and_not_the_memory() -> None:
    flood = b"* OK " + b"x" * (17 * 1024 * 1024)
    async with FakeImap(said={"SEARCH": [flood]}) as server:
        session = await session_of(server, timeout=20.0)
        with pytest.raises(ImapLost, match=r"without end|more than"):
            await session.search("ALL")


async def test_a_server_that_does_not_speak_imap_is_told_apart() -> None:
    async with FakeImap(greeting="220 smtp.example ESMTP") as server:
        with pytest.raises(ImapError):
            await session_of(server)


async def test_nothing_is_marked_as_read(mailserver: DovecotServer) -> None:
    await asyncio.to_thread(mailserver.put, "unread", mail())
    session = await open_session(account(mailserver, "unread"))
    await session.select("INBOX")
    assert len(await session.fetch([1], 1000)) == 1
    assert "\\seen" not in (await session.overview([1]))[0].flags
    await session.logout()
