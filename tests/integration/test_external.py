"""rspamd and ClamAV as Debian ships them, asked over their own protocols."""

from __future__ import annotations

import asyncio
import base64
import os
import signal

import pytest

from gateway.clients.scanners import Scanners
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.settings import Endpoint, External
from tests.servers.clamd import LARGEST, MARK, NAME, Clamd
from tests.servers.rspamd import Rspamd

# the pattern that every spam filter knows, so that none needs real spam to be tried
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
HEAD = (
    b"From: Taro <taro@example.com>\r\nTo: shop@shop.example\r\nSubject: order 1001\r\n"
    b"Date: Sun, 01 Mar 2026 12:00:00 +0900\r\nMessage-ID: <1@example.com>\r\n\r\n"
)


def mail(text: bytes) -> Exchange:
    envelope = Envelope("taro@example.com", ("shop@shop.example",), Peer("203.0.113.9", helo="mail.example.com"))
    return Exchange(HEAD + text + b"\r\n", envelope)


@pytest.fixture
def rspamd_asked(rspamd: Rspamd) -> Scanners:
    return Scanners(External(rspamd=Endpoint("127.0.0.1", rspamd.port), timeout=20))


@pytest.fixture(params=["unix", "tcp"])
def clamd_asked(request: pytest.FixtureRequest, clamd: Clamd) -> Scanners:
    endpoint = Endpoint(path=clamd.socket) if request.param == "unix" else Endpoint("127.0.0.1", clamd.port)
    return Scanners(External(clamd=endpoint, timeout=20))


async def test_rspamd_scores_an_ordinary_mail_low_and_spam_high(rspamd_asked: Scanners) -> None:
    plain = await rspamd_asked.spam(mail("注文した皿はいつ届きますか。".encode()), "203.0.113.9", "mail.example.com")
    assert plain.asked, plain.note
    assert plain.score < 15_000
    spam = await rspamd_asked.spam(mail(GTUBE), "203.0.113.9", "mail.example.com")
    assert spam.asked, spam.note
    assert dict(spam.evidence)["action"] == "reject"
    assert spam.note is not None


async def test_rspamd_takes_a_large_mail_and_many_at_once(rspamd_asked: Scanners) -> None:
    large = await rspamd_asked.spam(mail(b"x" * 70 + b"\r\n" + (b"y" * 76 + b"\r\n") * 60_000), "203.0.113.9", "")
    assert large.asked, large.note
    scans = await asyncio.gather(*(rspamd_asked.spam(mail(b"hello"), "", "") for _ in range(20)))
    assert all(scan.asked for scan in scans)


async def test_clamd_finds_what_its_signature_says(clamd_asked: Scanners) -> None:
    found = await clamd_asked.virus(mail(b"before " + MARK + b" after"))
    assert found.asked, found.note
    assert found.found.startswith(NAME)
    clean = await clamd_asked.virus(mail("注文した皿はいつ届きますか。".encode()))
    assert clean.asked, clean.note
    assert clean.found == ""


async def test_clamd_looks_into_attachments(clamd_asked: Scanners) -> None:
    text = (
        b"From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.bin\r\n\r\n"
    )
    raw = text + base64.encodebytes(b"\0\1\2" * 50 + MARK).replace(b"\n", b"\r\n")
    found = await clamd_asked.virus(Exchange(raw, mail(b"").envelope))
    assert found.found.startswith(NAME)


async def test_clamd_refuses_what_is_too_large_for_it_and_is_not_given_up(clamd_asked: Scanners) -> None:
    for _ in range(4):
        scan = await clamd_asked.virus(mail((b"y" * 76 + b"\r\n") * (LARGEST // 40)))
        assert not scan.asked
    assert (await clamd_asked.virus(mail(b"small"))).asked


async def test_a_scanner_that_hangs_is_unknown_in_time_and_comes_back(rspamd: Rspamd) -> None:
    """Stopped in the midst, as by a full disk: the kernel still takes connections for it."""
    asked = Scanners(External(rspamd=Endpoint("127.0.0.1", rspamd.port), timeout=0.5))
    workers = _children(rspamd.pids[0])
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        scan = await asked.spam(mail(b"hello"), "", "")
        assert not scan.asked
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    patient = Scanners(External(rspamd=Endpoint("127.0.0.1", rspamd.port), timeout=20))
    assert (await patient.spam(mail(b"hello"), "", "")).asked


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]
