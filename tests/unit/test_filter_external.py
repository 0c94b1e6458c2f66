"""What scanners say becomes facts, and what they do not say stays unknown, quickly."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from filters.api import Case, Scan
from filters.external import ExternalFilter
from gateway.clients.breaker import Breaker
from gateway.clients.scanners import Scanners
from gateway.config import load_settings
from gateway.errors import ConfigError
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.settings import Endpoint, External
from tests.unit.cases import case

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Told:
    """Scanners that say what a test writes."""

    def __init__(self, spam: Scan, virus: Scan) -> None:
        self._spam, self._virus = spam, virus
        self.asked: list[str] = []

    async def spam(self, exchange: Exchange, ip: str, helo: str) -> Scan:
        self.asked.append(f"spam {ip} {helo}")
        return self._spam

    async def virus(self, exchange: Exchange) -> Scan:
        self.asked.append("virus")
        return self._virus


def of(told: Told, *wanted: str) -> Case:
    made = case("From: a@example.com", wanted=wanted)
    made.lookups = dataclasses.replace(made.lookups, scanners=told)
    return made


@pytest.mark.parametrize(("thousandths", "value"), [(0, 0), (7990, 7), (8000, 8), (-500, -1), (14999, 14)])
async def test_the_score_is_rounded_down(thousandths: int, value: int) -> None:
    """So that `at_least: 15` never holds on 14.999."""
    made = of(Told(Scan(True, thousandths, evidence=(("score", "x"),)), Scan(True)), "spam")
    assert (await ExternalFilter().find(made))["spam"].value == value
    assert made.evidence["spam"] == {"score": "x"}


async def test_only_what_a_rule_asks_for_is_asked() -> None:
    told = Told(Scan(True), Scan(True, found="Eicar"))
    got = await ExternalFilter().find(of(told, "virus"))
    assert told.asked == ["virus"]
    assert set(got) == {"virus"}
    assert got["virus"].value == "Eicar"
    await ExternalFilter().find(of(told, "spam"))
    assert told.asked[-1] == "spam 203.0.113.9 mail.example.com"


async def test_a_clean_message_has_no_virus() -> None:
    assert (await ExternalFilter().find(of(Told(Scan(True), Scan(True)), "virus")))["virus"] == Fact(None)


async def test_what_is_not_set_up_is_unknown_and_says_so() -> None:
    made = case("From: a@example.com", wanted=("spam", "virus"))
    made.lookups = dataclasses.replace(made.lookups, scanners=Scanners(External()))
    got = await ExternalFilter().find(made)
    for name in ("spam", "virus"):
        assert not got[name].known
        assert got[name].note is not None
        assert "external" in got[name].note.in_("en")


MAIL = Exchange(
    b"Subject: x\r\n\r\n" + b"y" * 100 + b"\r\n", Envelope("a@b.example", ("c@d.example",), Peer("192.0.2.1"))
)


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    """A server on loopback that does what a function says; its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        await writer.drain()
        await reader.read()

    return serve


def scanners(port: int, **more: float) -> Scanners:
    endpoint = Endpoint("127.0.0.1", port)
    return Scanners(External(rspamd=endpoint, clamd=endpoint, **{"timeout": 0.5, **more}))  # type: ignore[arg-type]


def http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


GOOD = {
    "score": 7.25,
    "required_score": 15,
    "action": "add header",
    "symbols": {"A": {"score": 5.1}, "B": {"score": 0}},
}


async def test_rspamd_is_told_the_envelope() -> None:
    seen = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not seen.endswith(MAIL.raw):
            seen.extend(await reader.read(65536))
        writer.write(http(json.dumps(GOOD).encode()))

    async with serving(serve) as port:
        scan = await scanners(port).spam(MAIL, "192.0.2.1", "mail.example.com\r\nX-Evil: 1")
    assert scan.asked
    assert scan.score == 7250
    head = bytes(seen).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert head[0] == "POST /checkv2 HTTP/1.1"
    assert {"IP: 192.0.2.1", "Helo: mail.example.com??X-Evil: 1", "From: <a@b.example>", "Rcpt: <c@d.example>"} <= set(
        head
    )
    assert dict(scan.evidence) == {"score": "7.25", "action": "add header", "symbols": "A(5.10)"}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        http(b"{}"),
        http(b"[]"),
        http(b"{"),
        http(b'{"score": NaN}'),
        http(b'{"score": 1e999}'),
        http(b'{"score": "much"}'),
        http(b'{"score": 1, "symbols": [1]}'),
        http(b"[" * 100_000),
        http(b"{}", b"500 Error"),
        http(b'{"score": 1}')[:-3],
        http(b'{"is_skipped": true, "score": 0}'),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 2_000_000,
    ],
)
async def test_an_answer_of_rspamd_that_cannot_be_read_is_none(answer: bytes) -> None:
    async with serving(answering(answer)) as port:
        scan = await scanners(port).spam(MAIL, "", "")
    assert not scan.asked
    assert scan.note is not None


@pytest.mark.parametrize(
    ("answer", "asked", "found"),
    [
        (b"stream: OK\0", True, ""),
        (b"stream: Eicar-Test-Signature FOUND\0", True, "Eicar-Test-Signature"),
        (b"INSTREAM size limit exceeded. ERROR\0", False, ""),
        (b"stream: Can't allocate memory ERROR\0", False, ""),
        (b"UNKNOWN COMMAND\0", False, ""),
        (b"stream: FOUND\0", False, ""),
        (b"x" * 100_000, False, ""),
        (b"", False, ""),
    ],
)
async def test_answers_of_clamd(answer: bytes, asked: bool, found: str) -> None:
    async with serving(answering(answer)) as port:
        scan = await scanners(port).virus(MAIL)
    assert (scan.asked, scan.found) == (asked, found)


async def test_a_scanner_that_never_answers_costs_its_time_and_no_more() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as port:
        asking = scanners(port, timeout=0.2)
        begin = asyncio.get_running_loop().time()
        first, second = await asyncio.gather(asking.spam(MAIL, "", ""), asking.virus(MAIL))
        assert asyncio.get_running_loop().time() - begin < 1
    assert not first.asked
    assert not second.asked


async def test_a_scanner_that_is_away_is_left_alone_after_three_mails() -> None:
    asking = scanners(1)
    notes = []
    for _ in range(4):
        scan = await asking.virus(MAIL)
        assert not scan.asked
        assert scan.note is not None
        notes.append(scan.note.in_("en"))
    assert len(set(notes[:3])) == 1
    assert "left alone" in notes[3]


async def test_a_scanner_that_takes_nothing_so_large_is_not_away() -> None:
    async with serving(answering(b"INSTREAM size limit exceeded. ERROR\0")) as port:
        asking = scanners(port)
        for _ in range(5):
            scan = await asking.virus(MAIL)
            assert scan.note is not None
            assert "StreamMaxLength" in scan.note.in_("en")


async def test_a_large_mail_is_not_handed_out() -> None:
    async with serving(answering(b"stream: OK\0")) as port:
        scan = await scanners(port, max_size=50).virus(MAIL)
    assert not scan.asked
    assert scan.note is not None
    assert "50" in scan.note.in_("en")


async def test_ten_at_a_time() -> None:
    now = most = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        writer.write(b"stream: OK\0")

    async with serving(serve) as port:
        asking = scanners(port, timeout=5)
        assert all(scan.asked for scan in await asyncio.gather(*(asking.virus(MAIL) for _ in range(35))))
    assert most == 10


def test_the_breaker_lets_one_question_through_after_its_pause() -> None:
    now = 0.0
    breaker = Breaker(failures=2, pause=10, clock=lambda: now)
    assert breaker.may_ask()
    assert [breaker.failed(), breaker.failed(), breaker.failed()] == [False, True, False]
    assert not breaker.may_ask()
    now = 10.0
    assert [breaker.may_ask(), breaker.may_ask()] == [True, False]
    assert breaker.answered()
    assert breaker.may_ask()
    assert not breaker.answered()


def settings(folder: Path, external: str) -> External:
    text = "shop: {name: x, contact: a@b.example, addresses: a@b.example, owner: a@b.example}\nmailbox: maildir:m\n"
    (folder / "config.yaml").write_text(text + "external:\n" + external)
    return load_settings(folder / "config.yaml", {"HOST": "scan.example"}).external


def test_the_config_names_them(tmp_path: Path) -> None:
    got = settings(tmp_path, "  rspamd: http://127.0.0.1:11333\n  clamd: unix:/run/clamav/clamd.ctl\n  timeout: 2s\n")
    assert got.rspamd == Endpoint("127.0.0.1", 11333)
    assert got.clamd == Endpoint(path=Path("/run/clamav/clamd.ctl"))
    assert got.timeout == 2
    got = settings(tmp_path, "  rspamd: http://${HOST}/\n  clamd: tcp://[::1]:3310\n")
    assert (got.rspamd, got.clamd) == (Endpoint("scan.example", 11333), Endpoint("::1", 3310))
    assert settings(tmp_path, "  clamd: unix:clamd.ctl\n").clamd == Endpoint(path=tmp_path / "clamd.ctl")


@pytest.mark.parametrize(
    "line",
    [
        "rspamd: 127.0.0.1:11333",
        "rspamd: https://x",
        "rspamd: http://x/y",
        "clamd: /run/x",
        "clamd: unix:",
        "clamd: tcp:x",
    ],
)
def test_faults_of_the_config(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError):
        settings(tmp_path, f"  {line}\n")


def test_the_shop_names_its_orders(tmp_path: Path) -> None:
    shop = "name: x, contact: a@b.example, addresses: a@b.example, owner: a@b.example"
    text = "shop: {" + shop + ", orders: {%s}}\nmailbox: maildir:m\n"
    path = tmp_path / "config.yaml"
    path.write_text(text % r"formats: [amazon], custom: ['NG-\d{8}']")
    orders = load_settings(path, {}).shop.orders
    assert (orders.formats, orders.custom) == (("amazon",), (r"NG-\d{8}",))
    for wrong in (r"custom: ['\d*']", "custom: ['(?=x)']", "formats: [ebay]", "custom: ['(']"):
        path.write_text(text % wrong)
        with pytest.raises(ConfigError):
            load_settings(path, {})
