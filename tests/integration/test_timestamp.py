"""Time stamps are taken where `openssl ts -verify` takes them, and refused where it does."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.evidence.timestamp import LARGEST, StampRefused, ask, judge, make_request, read_roots
from tests.servers.tsa import Authority, Tsa

DATA = b"sekisho/0123456789abcdef\n4711\n"


def ours(tsa: Authority, data: bytes, request: bytes, response: bytes) -> bool:
    try:
        judge(data, request, response, read_roots(tsa.root))
    except StampRefused:
        return False
    return True


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_stamp_over_http_is_good_for_us_and_for_openssl(tsa: Tsa) -> None:
    request = make_request(DATA)
    response = await ask(tsa.url, request)
    before = datetime.now(UTC)
    stamp = judge(DATA, request, response, read_roots(tsa.ca))
    assert abs(stamp.at - before) < timedelta(seconds=10)
    assert stamp.policy == "1.2.3.4.1"
    assert stamp.authority.encode() == tsa.ca.read_bytes()
    assert tsa.authority.verify(DATA, request, response)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("good", {}),
        ("no EKU", {"usages": ()}),
        ("EKU not critical", {"critical": False}),
        (
            "EKU for more than time stamps",
            {"usages": (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CLIENT_AUTH)},
        ),
        ("another EKU", {"usages": (ExtendedKeyUsageOID.CODE_SIGNING,)}),
        ("key that does not sign", {"signs": False}),
        ("expired", {"ends": timedelta(hours=-1)}),
        ("not yet valid", {"begins": timedelta(hours=1)}),
    ],
)
def test_signers_certificates_are_judged_as_openssl_judges(authority: Authority, name: str, how: dict) -> None:
    authority.issue("good")
    authority.issue("signer", **how)
    request = make_request(DATA)
    response = authority.resign(authority.reply(request, "good", named=False), "signer")
    theirs = authority.verify(DATA, request, response)
    assert ours(authority, DATA, request, response) == theirs
    assert theirs == (name == "good")


@pytest.mark.parametrize("ess", ["sha1", "sha256", "sha384", "sha512"])
def test_the_signers_certificate_is_named_by_any_hash(authority: Authority, ess: str) -> None:
    authority.issue("good")
    request = make_request(DATA)
    response = authority.reply(request, "good", ess=ess)
    assert ours(authority, DATA, request, response)
    assert authority.verify(DATA, request, response)


def test_a_signature_that_does_not_name_its_certificate_is_refused(authority: Authority) -> None:
    authority.issue("good")
    request = make_request(DATA)
    response = authority.resign(authority.reply(request, "good"), "good", named=False)
    assert not ours(authority, DATA, request, response)
    assert not authority.verify(DATA, request, response)


def test_a_stamp_in_another_ones_name_is_refused(authority: Authority) -> None:
    authority.issue("good")
    authority.issue("signer")
    request = make_request(DATA)
    response = authority.resign(authority.reply(request, "good"), "signer")
    assert not ours(authority, DATA, request, response)
    assert not authority.verify(DATA, request, response)


def test_what_was_changed_on_the_way_is_refused_as_openssl_refuses(authority: Authority) -> None:
    authority.issue("signer")
    request = make_request(DATA)
    good = authority.reply(request, "signer")
    other = make_request(DATA)
    assert ours(authority, DATA, request, good)
    cases = {
        "other data": (DATA + b"x", request, good),
        "another request": (DATA, other, good),
        "cut short": (DATA, request, good[:-20]),
        "empty": (DATA, request, b""),
        "no DER": (DATA, request, b"<html>busy</html>"),
        "refused": (DATA, request, bytes.fromhex("30 13 30 11 02 01 02 30 08 0c 06 62 75 73 79 21 21 03 02 05 20")),
        "refused, well formed": (DATA, request, bytes.fromhex("30 05 30 03 02 01 02")),
    }
    for name, (data, asked, response) in cases.items():
        assert not ours(authority, data, asked, response), name
    digest = hashlib.sha256(DATA).digest()
    found = 0
    for at in range(len(good)):  # one bit anywhere: never another error than `StampRefused`
        for bit in range(8):
            changed = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
            taken = ours(authority, DATA, request, changed)
            if taken and bit == at % 8 == 0:
                found += 1
                assert authority.verify(DATA, request, changed), at
    assert 0 < found < len(good) / 20
    assert digest in good


def test_an_authority_that_is_not_trusted_is_refused(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    stranger.issue("theirs")
    request = make_request(DATA)
    response = stranger.reply(request, "theirs")
    assert ours(stranger, DATA, request, response)
    assert not ours(authority, DATA, request, response)
    assert not authority.verify(DATA, request, response)


async def test_an_expired_certificate_of_the_authority_spoils_no_old_stamp(authority: Authority) -> None:
    """FACTS and EVIDENCE: `openssl ts -verify` fails after the expiry unless given -attime."""
    authority.issue("short", ends=datetime.now(UTC) - _now() + timedelta(seconds=3))
    request = make_request(DATA)
    response = authority.reply(request, "short")
    stamp = judge(DATA, request, response, read_roots(authority.root))
    assert authority.verify(DATA, request, response)
    await asyncio.sleep(4)
    assert not authority.verify(DATA, request, response)
    assert authority.verify(DATA, request, response, at=stamp.at)
    assert judge(DATA, request, response, read_roots(authority.root)) == stamp


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b""), (302, b""), (200, b"x" * (LARGEST + 1))],
    ids=["error", "redirect", "endless"],
)
async def test_an_authority_that_answers_nonsense_is_reported(tsa: Tsa, status: int, body: bytes) -> None:
    tsa.answer = lambda request: (status, body)
    with pytest.raises(StampRefused):
        await ask(tsa.url, make_request(DATA))


async def test_an_authority_that_is_away_is_reported() -> None:
    with pytest.raises(StampRefused):
        await ask("http://127.0.0.1:9/tsr", make_request(DATA))
    with pytest.raises(StampRefused):
        await ask("file:///etc/passwd", make_request(DATA))
    with pytest.raises(StampRefused):
        read_roots(Path("/nowhere/ca.pem"))


def _now() -> datetime:
    from tests.servers import tsa

    return tsa._NOW
