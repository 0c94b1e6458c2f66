"""What a server says of folders and mails, as values; dates and numbers as IMAP writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.clients.imap.response import Answer, Token, number_set


@dataclass(frozen=True, slots=True)
class Selected:
    """A folder as it was opened. `uidnext` is 0 where the server does not say."""

    name: str
    uidvalidity: int
    uidnext: int
    exists: int
    read_only: bool
    keywords: bool  # whether keywords can be kept


@dataclass(frozen=True, slots=True)
class Overview:
    """What is known about a mail before it is fetched; `size` in bytes as the server says."""

    uid: int
    size: int
    flags: frozenset[str]  # in lower case
    date: datetime | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the account with its attributes in lower case (`\\drafts`, `\\noselect`)."""

    name: str
    attributes: frozenset[str]
    delimiter: str


def copied(answer: Answer) -> dict[int, int]:
    """New UIDs by the old ones, where the server told them (COPYUID, RFC 4315)."""
    given = answer.codes().get("COPYUID", b"").split()
    if len(given) != 3:
        return {}
    old, new = number_set(given[1]), number_set(given[2])
    return dict(zip(old, new, strict=True)) if len(old) == len(new) else {}


def number(value: Token) -> int:
    """A number; 0 where it is none."""
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) <= 20 else 0


def text(value: Token) -> str:
    """A word as text; "" where it is none."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def search_date(moment: datetime) -> str:
    """A day as SEARCH takes it (RFC 3501 §9, `date`)."""
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year:04}"


def append_date(moment: datetime) -> str:
    """A moment as APPEND takes it (RFC 3501 §9, `date-time`)."""
    return f'"{moment.day:2}-{_MONTHS[moment.month - 1]}-{moment.year:04} {moment:%H:%M:%S} {moment:%z}"'
