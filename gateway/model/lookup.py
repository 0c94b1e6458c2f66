"""What look-ups answer: values that records and DNS give and filters read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
