"""The exchange of keys on record: the old keys sign the new ones, and a verifier follows the chain."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.evidence import faults
from gateway.evidence.faults import Broken
from gateway.evidence.key_files import Keys, PublicKeys, sign_ecdsa, to_base64
from gateway.evidence.note import signed_by

KIND = "keys"  # of log records
HEADING = "sekisho key exchange v1"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A record `keys`: `new` keys come into use with the record `seq`, after `old` ones, None where they are the first.

    `statement` is the text that both signed; `signatures` are in Base64, by `old.ed25519`, `old.ecdsa`, `new.ed25519`
    and `new.ecdsa` (DER).
    """

    seq: int
    old: PublicKeys | None
    new: PublicKeys
    statement: str
    signatures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Term:
    """Keys and the sizes of the log that they may seal: more than `first` records, at most `last` (None: any more)."""

    keys: PublicKeys
    first: int
    last: int | None
    introduced: Exchange | None = None


class KeyRing:
    """The keys in their `terms`, as the chain of exchanges gives them from the keys that the reader trusts."""

    def __init__(self, trusted: Sequence[Ed25519PublicKey | PublicKeys], exchanges: Iterable[Exchange] = ()) -> None:
        known = [one if isinstance(one, PublicKeys) else PublicKeys(one, None) for one in trusted]
        self._keys = {one.ed25519.public_bytes_raw(): one for one in known}
        self._first: dict[bytes, Exchange] = {}
        self._last: dict[bytes, int] = {}
        self._follow(list(exchanges))
        self.terms = self._terms()

    def _terms(self) -> tuple[Term, ...]:
        made = []
        for raw, keys in self._keys.items():
            exchange = self._first.get(raw)
            first = exchange.seq if exchange is not None and exchange.old is not None else 0
            made.append(Term(keys, first, self._last.get(raw), exchange))
        return tuple(sorted(made, key=lambda term: (term.first, term.last is None, term.last or 0)))

    def signer(self, note: str, size: int) -> PublicKeys | None:
        """The keys that signed a note in their term; None where none of ours did."""
        for term in self.terms:
            in_term = term.first < size and (term.last is None or size <= term.last)
            if in_term and signed_by(note, term.keys.ed25519):
                return term.keys
        return None

    def _follow(self, exchanges: list[Exchange]) -> None:
        """Take in who is joined to a known key by an exchange that both sides signed, until nothing is new."""
        left = exchanges
        while left:
            waiting = []
            for one in left:
                new = one.new.ed25519.public_bytes_raw()
                old = one.old.ed25519.public_bytes_raw() if one.old is not None else None
                if new not in self._keys and (old is None or old not in self._keys):
                    waiting.append(one)
                    continue
                check(one)
                self._keys[new] = one.new
                self._first.setdefault(new, one)
                if one.old is not None and old is not None:
                    # what another record told of the old key's second half stays
                    if old not in self._keys or self._keys[old].ecdsa is None:
                        self._keys[old] = one.old
                    self._last[old] = min(one.seq, self._last.get(old, one.seq))
            if len(waiting) == len(left):
                return  # keys of gateways that the reader did not name
            left = waiting


def read_exchanges(rows: Iterable[tuple[int, str | None]], origin: str) -> list[Exchange]:
    """The records `keys` of a log, as (sequence number, record); raises `Broken` on one that cannot be read."""
    found = []
    for seq, record in rows:
        try:
            said = json.loads(record or "")
            old = PublicKeys.parse(said["old"]) if said["old"] is not None else None
            one = Exchange(seq, old, PublicKeys.parse(said["new"]), said["statement"], dict(said["signatures"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Broken(faults.KEYS.with_(seq=seq)) from error
        if one.statement != statement(origin, old, one.new):
            raise Broken(faults.KEYS.with_(seq=seq))
        found.append(one)
    return found


def check(exchange: Exchange) -> None:
    """Raise `Broken` where an exchange lacks a good signature of any key that it names."""
    text = exchange.statement.encode()
    try:
        for name, keys in (("old", exchange.old), ("new", exchange.new)):
            if keys is None:
                continue
            keys.ed25519.verify(base64.b64decode(exchange.signatures[f"{name}.ed25519"], validate=True), text)
            if keys.ecdsa is not None:
                told = base64.b64decode(exchange.signatures[f"{name}.ecdsa"], validate=True)
                keys.ecdsa.verify(told, text, ec.ECDSA(SHA256()))
    except (KeyError, binascii.Error, InvalidSignature) as error:
        raise Broken(faults.KEYS.with_(seq=exchange.seq)) from error


def statement(origin: str, old: PublicKeys | None, new: PublicKeys) -> str:
    """What is signed when keys come into use: a line each for the log's name, the old keys and the new ones."""
    before = old.told if old is not None else {"ed25519": "", "ecdsa": ""}
    lines = [HEADING, origin, before["ed25519"], before["ecdsa"], new.told["ed25519"], new.told["ecdsa"]]
    return "\n".join(line or "-" for line in lines) + "\n"


def exchange_record(origin: str, old: Keys | None, new: Keys) -> dict[str, Any]:
    """The record `keys` by which `new` keys come into use; the old ones sign the new ones, and these themselves."""
    said = statement(origin, old.public if old is not None else None, new.public)
    signatures: dict[str, str] = {}
    for name, keys in (("old", old), ("new", new)):
        if keys is not None:
            signatures[f"{name}.ed25519"] = to_base64(keys.ed25519.sign(said.encode()))
            signatures[f"{name}.ecdsa"] = to_base64(sign_ecdsa(keys.ecdsa, said))
    return {
        "action": "begin" if old is None else "rotate",
        "old": old.public.told if old is not None else None,
        "new": new.public.told,
        "statement": said,
        "signatures": signatures,
    }
