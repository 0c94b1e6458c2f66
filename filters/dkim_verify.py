"""DKIM signatures judged against the keys that the DNS holds (RFC 6376 §6.1, RFC 8301, RFC 8463)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from filters.dkim_canon import Field, body_hash, header_bytes
from filters.dkim_tags import BadTags, KeyRecord, Signature, parse_key
from gateway.model.lookup import DnsAnswer

CLOCKS_APART = 3600  # seconds that a signer's clock may differ from ours


@dataclass(frozen=True, slots=True)
class Judged:
    """One signature as judged: result pass, fail, none, temperror or permerror, and why in a word or two."""

    domain: str
    selector: str
    result: str
    reason: str = ""
    record: str = ""  # the key record as seen


@dataclass(slots=True)
class Bodies:
    """The body's hashes, each made when first asked for."""

    raw: bytes
    start: int
    simple: bytes = b""
    relaxed: bytes = b""

    def hash(self, relaxed: bool) -> bytes:
        """SHA-256 of the body in this canonical form."""
        if relaxed:
            self.relaxed = self.relaxed or body_hash(self.raw, self.start, True)
            return self.relaxed
        self.simple = self.simple or body_hash(self.raw, self.start, False)
        return self.simple


def judge(
    signature: Signature, field: Field, fields: Sequence[Field], bodies: Bodies, answer: DnsAnswer, now: float
) -> Judged:
    """The verdict on one signature. The header is verified before the body is even read, so that junk costs little."""

    def said(result: str, reason: str = "", record: str = "") -> Judged:
        return Judged(signature.domain, signature.selector, result, reason, record)

    if signature.algorithm == "rsa-sha1":
        return said("none", "rsa-sha1 proves nothing")  # RFC 8301 §3.1
    if signature.algorithm not in ("rsa-sha256", "ed25519-sha256"):
        return said("permerror", "unknown algorithm")
    if signature.expires is not None and signature.expires < now - CLOCKS_APART:
        return said("permerror", "expired")
    if answer.status == "failed":
        return said("temperror", "key not found out")
    key, record = first_key(answer)
    if isinstance(key, BadTags):
        return said("permerror", str(key), record)
    if key.exact and signature.identity != signature.domain:
        return said("permerror", "i= is not d=", record)
    signed = header_bytes(fields, signature.signed, field, signature.relaxed_header)
    bad = "none" if key.testing else "fail"
    if not valid(key.key, signature.algorithm, signature.signature, signed):
        return said(bad, "signature does not fit the header", record)
    if signature.partial:
        return said("none", "l= leaves part of the body unsigned", record)
    if bodies.hash(signature.relaxed_body) != signature.body_hash:
        return said(bad, "body was changed", record)
    return said("pass", "", record)


def first_key(answer: DnsAnswer) -> tuple[KeyRecord | BadTags, str]:
    """The first usable key of an answer and its record, else why there is none."""
    found: tuple[KeyRecord | BadTags, str] = (BadTags("no key"), "")
    for record in answer.records[:4]:
        key = parse_key(record)
        if isinstance(key, KeyRecord):
            return key, record
        found = (key, record)
    return found


def valid(key: RSAPublicKey | Ed25519PublicKey, algorithm: str, signature: bytes, signed: bytes) -> bool:
    """Whether `signature` is the key's over `signed`."""
    try:
        if algorithm == "ed25519-sha256" and isinstance(key, Ed25519PublicKey):
            key.verify(signature, hashlib.sha256(signed).digest())  # RFC 8463 §3
        elif algorithm == "rsa-sha256" and isinstance(key, RSAPublicKey):
            key.verify(signature, signed, PKCS1v15(), SHA256())
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True
