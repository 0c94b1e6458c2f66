"""What look-ups answer: values that records and DNS give and filters read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.text import Text


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """An active blacklist entry as it is on record."""

    id: str
    entry: str  # canonical: address, @domain, *.domain, network, phone
    reason: str
    person: str  # "" where none is named
    watched: bool  # only watched, not blocked


@dataclass(frozen=True, slots=True)
class Seen:
    """A sender (or origin) as the records know it: first and last time, and how many mails."""

    first: datetime
    last: datetime
    mails: int


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """The answer to one DNS question: `status` is ok, none (no such name or no such record) or failed (no answer).

    `records` are texts: addresses, host names without the final dot, MX as "PREFERENCE HOST", TXT strings joined
    as bytes decoded latin-1.
    """

    status: str
    records: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person on record and the addresses that are known to be theirs, as canonical entries."""

    name: str
    entries: tuple[str, ...]  # address, @domain or *.domain


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scanner said. `asked` is whether it gave an answer; where it did not, `note` says why.

    `score` is in thousandths of the scanner's points; `found` names what was found, "" for nothing.
    """

    asked: bool
    score: int = 0
    found: str = ""
    note: Text | None = None
    evidence: tuple[tuple[str, str], ...] = ()


NOT_SET_UP: Final = Text("設定されていません（external）。", "not set up (external)")
NOT_ASKED: Final = Scan(False, note=Text("ここでは検査しません。", "not asked here"))
