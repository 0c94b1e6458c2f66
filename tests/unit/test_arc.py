"""ARC: chains sealed by the field's own library, whole and tampered with (RFC 8617)."""

from __future__ import annotations

import re
import time

import dkim
import pytest

from filters.arc_chain import ArcResult, Chain, judge_chain, read_chain
from filters.dkim_canon import split_fields
from filters.dkim_verify import Bodies
from gateway.model.lookup import DnsAnswer
from gateway.testing.mail import DkimKey, letter

KEYS = (DkimKey.make("list.example", "one"), DkimKey.make("forward.example", "two"))
RESULT = b"Authentication-Results: %s; arc=%s; spf=pass smtp.mailfrom=customer.example\r\n"
FIELDS = [b"from", b"to", b"subject", b"date"]


def seal(raw: bytes, key: DkimKey) -> bytes:
    """The mail with one more ARC set on top."""
    host = key.domain.encode()
    received = RESULT % (host, b"pass" if b"ARC-Seal" in raw else b"none") + raw
    added = dkim.arc_sign(received, key.selector.encode(), host, key.private, host, include_headers=FIELDS)
    return b"".join(added) + received


def judge(raw: bytes, *, missing: str = "", failing: str = "") -> ArcResult:
    parts = split_fields(raw)
    assert parts is not None
    fields, body = parts
    chain = read_chain(fields)
    if not isinstance(chain, Chain):
        return chain
    known = {f"{key.selector}._domainkey.{key.domain}": DnsAnswer("ok", (key.record,)) for key in KEYS}
    if missing:
        known[missing] = DnsAnswer("none")
    if failing:
        known[failing] = DnsAnswer("failed")
    return judge_chain(chain, fields, Bodies(raw, body), {n: known[n] for n in chain.key_names}, time.time())


ONCE = seal(letter(subject="送料について", date=0), KEYS[0])
TWICE = seal(ONCE, KEYS[1])


def test_chains_pass_and_name_who_sealed() -> None:
    assert judge(ONCE) == ArcResult("pass", "", ("list.example",))
    assert judge(TWICE) == ArcResult("pass", "", ("list.example", "forward.example"))


def test_mail_without_seals_has_no_chain() -> None:
    assert judge(letter()).result == "none"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("先日".encode(), "昨日".encode(), "body was changed"),
        (b"Subject: ", b"Subject: x", "signature does not fit the header"),
        (b"spf=pass", b"spf=fail", "seal 2 does not fit"),
        (b"cv=pass", b"cv=fail", "a seal says that the chain was broken"),
        (b"cv=pass", b"cv=none", "a seal says that the chain was broken"),
        (b"ARC-Message-Signature: i=1", b"X-Gone: i=1", "sets incomplete"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=1", "a set twice"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=99", "i= out of range"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=2; h=from;", "h= in a seal"),
        (b"ARC-Seal: i=2;", b"ARC-Seal: i=2; ;;x", "not a tag list"),
    ],
)
def test_a_chain_that_was_tampered_with_fails(before: bytes, after: bytes, reason: str) -> None:
    assert before in TWICE
    found = judge(TWICE.replace(before, after))
    assert (found.result, found.reason) == ("fail", reason)


def test_a_changed_older_set_breaks_the_newer_seal() -> None:
    changed = re.sub(rb"(ARC-Authentication-Results: i=1; list.example;\s+arc=)none", rb"\1fail", TWICE)
    assert changed != TWICE
    assert judge(changed).reason == "seal 2 does not fit"


def test_keys_that_are_gone_or_not_found_out() -> None:
    assert judge(TWICE, missing="one._domainkey.list.example").result == "fail"
    assert judge(TWICE, failing="one._domainkey.list.example").result == "temperror"


def test_a_chain_has_a_bounded_length() -> None:
    fields = tuple(("arc-seal", b"ARC-Seal: i=%d; a=rsa-sha256\r\n" % i) for i in range(1, 60))
    found = read_chain(fields)
    assert found == ArcResult("fail", "i= out of range")
