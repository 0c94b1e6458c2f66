"""A record of the evidence log: its canonical JSON (RFC 8785) and the leaf that commits to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

VERSION = "sekisho/1"

# Times and numbers of a record are texts and integers: a float has no one spelling that every reader agrees on.
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
# Their keys are ASCII, so that sorting by code points is sorting by UTF-16 units, as RFC 8785 §3.2.3 wants.


class SafeRecord(dict[str, Any]):
    """A record that is built of texts, integers and yes/no alone, so that nobody has to look through it again."""


_SIMPLE = frozenset((str, int, bool, type(None)))


def canonical_json(record: Mapping[str, Any]) -> str:
    """The record as RFC 8785 writes it; TypeError on floats, and on keys that are not ASCII text.

    Lone surrogates, which have no UTF-8, are replaced by U+FFFD.
    """
    if not isinstance(record, SafeRecord):
        _check(record)
    try:
        return orjson.dumps(record, option=_OPTIONS).decode()
    except TypeError:  # lone surrogates, integers of more than 64 bits, and what belongs into no record
        return _canonical_slowly(record)


def _canonical_slowly(record: Mapping[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def time_text(at: datetime) -> str:
    """An aware UTC time as RFC 3339 writes it, with microseconds: `2026-01-31T04:05:06.000007Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def leaf_text(seq: int, at: datetime, kind: str, salt: bytes, record: str) -> bytes:
    """The leaf `sekisho/1 SEQ UTC-TIME KIND sha256(SALT32 ‖ RECORD)`; there is no personal data in it."""
    return bare_leaf_text(seq, at, kind, hashlib.sha256(salt + record.encode()).hexdigest())


def bare_leaf_text(seq: int, at: datetime, kind: str, digest: str) -> bytes:
    """The leaf of a record of which only the salted digest (hex) is known."""
    return f"{VERSION} {seq} {time_text(at)} {kind} {digest}".encode("ascii")


def _check(value: Any) -> None:
    if isinstance(value, dict):
        if not "".join(value).isascii():  # TypeError by itself where a key is not text
            raise TypeError("the keys of a record are ASCII")
        value = value.values()
    for inner in value:
        if inner.__class__ not in _SIMPLE:
            if not isinstance(inner, (dict, list, tuple, str, int)):
                raise TypeError(f"a record holds no {type(inner).__name__}")
            if not isinstance(inner, (str, int)):
                _check(inner)
