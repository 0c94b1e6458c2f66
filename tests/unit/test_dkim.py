"""DKIM: canonical forms, tag lists, keys and signatures, with the field's own library and RFC vectors as judges."""

from __future__ import annotations

import base64
import time
from hashlib import sha256

import dkim
import pytest
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given
from hypothesis import strategies as st

from filters.dkim_canon import body_hash, canonical_field, split_fields, value_of, without_signature
from filters.dkim_tags import BadTags, KeyRecord, parse_key, parse_signature, parse_tags
from filters.dkim_verify import Bodies, Judged, judge
from gateway.model.lookup import DnsAnswer
from gateway.testing.mail import DkimKey, letter

KEY = DkimKey.make("customer.example")
MAIL = letter(subject="注文について", body="本文  です \n\n\n")

RFC_8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
RFC_8463_KEYS = (
    "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16"
    "JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/"
    "K4w3QIDAQAB",
)


def check(raw: bytes, *records: str, status: str = "ok", number: int = 0) -> Judged:
    """The verdict on one signature of a mail, counted from the top."""
    parts = split_fields(raw)
    assert parts is not None
    fields, body = parts
    field = [f for f in fields if f[0] == "dkim-signature"][number]
    answer = DnsAnswer(status, records)
    return judge(parse_signature(value_of(field)), field, fields, Bodies(raw, body), answer, time.time())


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "ed25519-sha256"])
@pytest.mark.parametrize("canonical", [("relaxed", "relaxed"), ("simple", "simple"), ("relaxed", "simple")])
def test_a_signed_mail_passes(algorithm: str, canonical: tuple[str, str]) -> None:
    key = DkimKey.make("customer.example", algorithm=algorithm)
    found = check(key.sign(MAIL, canonical=canonical), key.record)
    assert (found.result, found.domain, found.selector, found.reason) == ("pass", "customer.example", "test", "")
    assert found.record == key.record


@pytest.mark.parametrize("number", [0, 1])
def test_the_vectors_of_rfc_8463_pass(number: int) -> None:
    record = RFC_8463_KEYS[number]
    assert check(RFC_8463, record, number=number).result == "pass"
    assert check(RFC_8463.replace(b"We lost", b"We won"), record, number=number).reason == "body was changed"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("本文".encode(), "本分".encode(), "body was changed"),
        (b"From: hanako@", b"From: jiro@", "signature does not fit the header"),
        (b"Subject: =?", b"Subject: Re: =?", "signature does not fit the header"),
    ],
)
def test_a_changed_mail_fails(before: bytes, after: bytes, reason: str) -> None:
    signed = KEY.sign(MAIL)
    assert before in signed
    found = check(signed.replace(before, after), KEY.record)
    assert (found.result, found.reason) == ("fail", reason)


def test_headers_that_were_refolded_still_pass_relaxed() -> None:
    signed = KEY.sign(MAIL).replace(b"To: shop", b"TO:\t \r\n  shop")
    assert check(signed, KEY.record).result == "pass"


def test_rsa_sha1_and_partial_bodies_prove_nothing() -> None:
    """FACTS: the library accepts rsa-sha1 and l=."""
    sha1 = DkimKey.make("customer.example", algorithm="rsa-sha1")
    assert (check(sha1.sign(MAIL), sha1.record).result) == "none"
    appended = KEY.sign(MAIL, length=True) + b"More, unsigned.\r\n"
    assert dkim.verify(appended, dnsfunc=lambda *_, **__: KEY.record.encode())
    found = check(appended, KEY.record)
    assert (found.result, found.reason) == ("none", "l= leaves part of the body unsigned")


def test_a_key_below_1024_bits_is_refused() -> None:
    weak = DkimKey.make("customer.example", bits=1024)
    assert check(weak.sign(MAIL), weak.record).result == "pass"
    short = (  # 512 bits
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALr8jz7U6pBsTYQUrkIWmBHvKkA1lbUnLPbGZwPuBnB1hP"
        "pTNlpPjE7QYrLQiWlCbIN7AV0Ny6cWk1Gb7nTZgbsCAwEAAQ=="
    )
    found = check(weak.sign(MAIL), f"v=DKIM1; p={short}")
    assert found.result == "permerror"
    assert "512 bits is too short" in found.reason


@pytest.mark.parametrize(
    ("record", "result", "reason"),
    [
        ("v=DKIM1; k=rsa; p=", "permerror", "key revoked"),
        ("v=DKIM2; p={p}", "permerror", "key record of another version"),
        ("k=rsa; s=tlsrpt; p={p}", "permerror", "key not for mail"),
        ("k=rsa; h=sha1; p={p}", "permerror", "key not for sha256"),
        ("k=dsa; p={p}", "permerror", "unknown kind of key"),
        ("p=%%%", "permerror", "not base64"),
        ("p=QUJD", "permerror", "key unreadable"),
        ("google-site-verification=abc", "permerror", "not a tag list"),
        ("v=DKIM1; t=y", "permerror", "no key in the record"),
        ("p={p}", "pass", ""),
        ("v=DKIM1; s=email:other; h=sha1:sha256; t=s; n=note; p={p}", "pass", ""),
    ],
)
def test_key_records(record: str, result: str, reason: str) -> None:
    public = base64.b64encode(KEY.public).decode()
    found = check(KEY.sign(MAIL), record.format(p=public) if "{p}" in record else record)
    assert (found.result, found.reason) == (result, reason)


def test_a_key_in_testing_mode_never_fails_a_mail() -> None:
    signed = KEY.sign(MAIL).replace("本文".encode(), "本分".encode())
    assert check(signed, KEY.record + "; t=y").result == "none"


def test_no_answer_is_temporary_and_no_key_is_not() -> None:
    assert check(KEY.sign(MAIL), status="failed").result == "temperror"
    assert check(KEY.sign(MAIL), status="none").result == "permerror"


def test_the_bare_rsa_key_of_the_erratum_is_read() -> None:
    whole = base64.b64decode(base64.b64encode(KEY.public))
    bare = whole[24:]  # SubjectPublicKeyInfo for 2048 bits has 24 bytes before the RSAPublicKey
    assert isinstance(parse_key(f"p={base64.b64encode(bare).decode()}"), KeyRecord)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"v=1", b"v=2"), "v= is not 1"),
        ((b"d=customer.example", b"d=localhost"), "d= is not a domain"),
        ((b"h=from", b"h=fromm"), "From is not signed"),
        ((b"c=relaxed/relaxed", b"c=weird"), "c= unknown"),
        ((b"i=@customer.example", b"i=@other.example"), "i= outside d="),
        ((b"q=dns/txt", b"q=http"), "q= unknown"),
        ((b"v=1;", b"v=1; v=1;"), "v= twice"),
        ((b"v=1;", b"v=1; nonsense;"), "not a tag list"),
    ],
)
def test_unsound_signatures_are_told(change: tuple[bytes, bytes], reason: str) -> None:
    field = KEY.sign(MAIL).partition(b"From:")[0]
    value = field.partition(b":")[2]
    assert change[0] in value
    with pytest.raises(BadTags, match=reason):
        parse_signature(value.replace(*change))


def test_an_expired_signature_is_no_proof() -> None:
    signed = KEY.sign(MAIL).replace(b"v=1;", b"v=1; x=1000000000;", 1)
    assert check(signed, KEY.record).reason == "expired"


def test_tags_keep_values_with_equal_signs_and_drop_blanks() -> None:
    assert parse_tags(" a = b=c== ;\r\n\tx=;") == {"a": "b=c==", "x": ""}


def test_only_b_is_emptied_and_nothing_else() -> None:
    field = ("dkim-signature", b"DKIM-Signature: bh=abc; b = QUJD\r\n RA==; s=b\r\n")
    assert without_signature(field)[1] == b"DKIM-Signature: bh=abc; b =; s=b\r\n"
    last = ("dkim-signature", b"DKIM-Signature: bh=abc; b=QUJD\r\n")
    assert canonical_field(without_signature(last), True) == b"dkim-signature:bh=abc; b=\r\n"


PIECES = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"bc", b"\xe3\x81\x82"]), max_size=60)
BODY = PIECES.map(lambda pieces: b"".join([*pieces, b"\r\n"]) if pieces else b"")


@given(BODY)
def test_body_hashes_are_those_of_the_library(body: bytes) -> None:
    assert body_hash(b"xy" + body, 2, True) == sha256(Relaxed.canonicalize_body(body)).digest()
    assert body_hash(b"xy" + body, 2, False) == sha256(Simple.canonicalize_body(body)).digest()


@given(BODY, st.integers(1, 40))
def test_body_hashes_do_not_depend_on_the_blocks(body: bytes, size: int) -> None:
    whole = body_hash(body, 0, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("filters.dkim_canon._BLOCK", size)
        assert body_hash(body, 0, True) == whole
        assert body_hash(body, 0, False) == sha256(Simple.canonicalize_body(body)).digest()


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"a", b":"]), max_size=30).map(b"".join))
def test_relaxed_fields_are_those_of_the_library(value: bytes) -> None:
    (name, expected), *_ = Relaxed.canonicalize_headers([(b"X-Test", value)])
    assert canonical_field(("x-test", b"X-Test:" + value + b"\r\n"), True) == name + b":" + expected


def test_runs_of_blanks_take_linear_time() -> None:
    """The library needs 2.5 s for 40 kB of blanks in one line, and 16 times as long for four times as many."""
    started = time.thread_time()
    body_hash(b"a" + b" \t" * 500_000 + b"b\r\n" + b"\r\n" * 500_000 + b" " * 500_000, 0, True)
    parse = b"DKIM-Signature: v=1; b" + b" " * 200_000 + b"\r\n"
    without_signature(("dkim-signature", parse))
    assert time.thread_time() - started < 5.0


def test_a_header_with_bare_line_feeds_is_not_read() -> None:
    assert split_fields(b"A: b\nFrom: c\r\n\r\nbody") is None
    assert split_fields(b"\r\nbody") == ((), 2)
    assert split_fields(b"A: b\r\n c\r\nD: e") == ((("a", b"A: b\r\n c\r\n"), ("d", b"D: e\r\n")), 14)


@given(st.binary(max_size=400))
def test_nothing_that_is_sent_can_break_the_verification(junk: bytes) -> None:
    raw = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=; b="
        + junk
        + b"\r\nFrom: a@a.example\r\n\r\n"
    )
    parts = split_fields(raw)
    if parts is None:
        return
    for field in parts[0]:
        try:
            signature = parse_signature(value_of(field))
        except BadTags:
            continue
        found = judge(signature, field, parts[0], Bodies(raw, parts[1]), DnsAnswer("ok", (KEY.record,)), 0.0)
        assert found.result != "pass"
