"""Tag lists as DKIM, ARC and DMARC write them; signatures and key records (RFC 6376 §3.2, §3.5, §3.6.1)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from gateway.model.address import same_domain_or_below

LONGEST_FIELD = 16 * 1024  # bytes of a signature field that are read
LONGEST_RECORD = 8 * 1024
MOST_SIGNED = 256  # names in h=
SMALLEST_KEY, LARGEST_KEY = 1024, 8192  # bits; RFC 8301 §3.2

_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_SELECTOR = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")

PublicKey = RSAPublicKey | Ed25519PublicKey


class BadTags(ValueError):
    """A tag list, a signature or a key record that cannot be used, and why in a word or two."""


def parse_tags(text: str) -> dict[str, str]:
    """Tags and values, white space around them removed; raises `BadTags` where the list breaks its grammar."""
    tags: dict[str, str] = {}
    for spec in text.split(";"):
        name, equals, value = spec.partition("=")
        name = name.strip()
        if not name and not equals and not spec.strip():
            continue
        if not equals or not _TAG.fullmatch(name):
            raise BadTags("not a tag list")
        if name in tags:
            raise BadTags(f"{name}= twice")
        tags[name] = value.strip()
    return tags


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature or ARC-Message-Signature that is sound enough to be verified."""

    domain: str  # d=, lower-case
    selector: str
    algorithm: str  # rsa-sha256 | ed25519-sha256 | rsa-sha1
    signature: bytes
    body_hash: bytes
    signed: tuple[str, ...]  # h=, lower-case
    relaxed_header: bool
    relaxed_body: bool
    partial: bool  # l= is there
    identity: str  # domain of i=, lower-case
    expires: int | None  # seconds since the epoch

    @property
    def key_name(self) -> str:
        """Where the public key stands in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


def parse_signature(value: bytes, *, arc: bool = False) -> Signature:
    """The signature in a header field's value; raises `BadTags` with the reason."""
    tags = field_tags(value)
    if not arc and tags.get("v") != "1":
        raise BadTags("v= is not 1")
    domain, selector, algorithm = signer(tags)
    signed = tuple(name.strip().lower() for name in required(tags, "h").split(":"))
    if len(signed) > MOST_SIGNED:
        raise BadTags("h= too long")
    if "from" not in signed and not arc:
        raise BadTags("From is not signed")
    if arc and "arc-seal" in signed:
        raise BadTags("ARC-Seal is signed")
    header, _, body = tags.get("c", "relaxed/relaxed" if arc else "simple").lower().partition("/")
    if header not in ("simple", "relaxed") or body not in ("", "simple", "relaxed"):
        raise BadTags("c= unknown")
    if "q" in tags and "dns/txt" not in tags["q"].lower():
        raise BadTags("q= unknown")
    identity = domain
    if "i" in tags and not arc:
        identity = tags["i"].rpartition("@")[2].strip().lower()
        if not same_domain_or_below(identity, domain):
            raise BadTags("i= outside d=")
    return Signature(
        domain=domain,
        selector=selector,
        algorithm=algorithm,
        signature=from_base64(required(tags, "b")),
        body_hash=from_base64(required(tags, "bh")),
        signed=signed,
        relaxed_header=header == "relaxed",
        relaxed_body=body == "relaxed",
        partial="l" in tags,
        identity=identity,
        expires=_moment(tags.get("x")),
    )


def field_tags(value: bytes) -> dict[str, str]:
    """The tags of a header field; raises `BadTags`."""
    if len(value) > LONGEST_FIELD:
        raise BadTags("field too long")
    return parse_tags(value.decode("latin-1"))


def signer(tags: dict[str, str]) -> tuple[str, str, str]:
    """Domain, selector and algorithm of a signature or a seal; raises `BadTags`."""
    domain, selector = required(tags, "d").lower(), required(tags, "s").lower()
    if not _DOMAIN.fullmatch(domain) or len(domain) > 253:
        raise BadTags("d= is not a domain")
    if not _SELECTOR.fullmatch(selector) or len(selector) + len(domain) > 240:
        raise BadTags("s= is not a selector")
    return domain, selector, required(tags, "a").lower()


def required(tags: dict[str, str], name: str) -> str:
    """The tag's value; raises `BadTags` where it is missing."""
    value = tags.get(name)
    if not value:
        raise BadTags(f"{name}= missing")
    return value


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A public key as published: `testing` is t=y, `exact` t=s (no subdomains in i=)."""

    key: PublicKey
    testing: bool = False
    exact: bool = False


@lru_cache(maxsize=1024)
def parse_key(record: str) -> KeyRecord | BadTags:
    """The key in a TXT record, or why there is none (returned, so that the reason is remembered too)."""
    try:
        return _parse_key(record)
    except BadTags as bad:
        return BadTags(*bad.args)


def _parse_key(record: str) -> KeyRecord:
    if len(record) > LONGEST_RECORD:
        raise BadTags("key record too long")
    tags = parse_tags(record)
    if tags.get("v", "DKIM1") != "DKIM1":
        raise BadTags("key record of another version")
    if "p" not in tags:
        raise BadTags("no key in the record")
    if not tags["p"]:
        raise BadTags("key revoked")
    if "h" in tags and "sha256" not in _words(tags["h"]):
        raise BadTags("key not for sha256")
    if not {"*", "email"} & _words(tags.get("s", "*")):
        raise BadTags("key not for mail")
    flags = _words(tags.get("t", ""))
    data = from_base64(tags["p"])
    key = _ed25519(data) if tags.get("k", "rsa").lower() == "ed25519" else _rsa(data, tags.get("k", "rsa"))
    return KeyRecord(key, testing="y" in flags, exact="s" in flags)


def _rsa(data: bytes, kind: str) -> RSAPublicKey:
    if kind.lower() != "rsa":
        raise BadTags("unknown kind of key")
    try:
        try:
            key = load_der_public_key(data)
        except ValueError:  # RFC 6376 erratum 3017: the bare RSAPublicKey is met as well
            pem = (
                b"-----BEGIN RSA PUBLIC KEY-----\n%s\n-----END RSA PUBLIC KEY-----\n" % base64.encodebytes(data).strip()
            )
            key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadTags("key unreadable") from error
    if not isinstance(key, RSAPublicKey):
        raise BadTags("not an RSA key")
    if key.key_size < SMALLEST_KEY:
        raise BadTags(f"key of {key.key_size} bits is too short")
    if key.key_size > LARGEST_KEY:
        raise BadTags(f"key of {key.key_size} bits is too long")
    return key


def _ed25519(data: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(data)
    except ValueError as error:
        raise BadTags("key unreadable") from error


def _words(value: str) -> set[str]:
    return {word.strip().lower() for word in value.split(":")}


def from_base64(text: str) -> bytes:
    """The bytes of a base64 value with white space in it; raises `BadTags`."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadTags("not base64") from error


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise BadTags("x= is not a time")
    return int(text)
