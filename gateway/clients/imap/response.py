"""Server responses as values: lines and literals read into words, strings and lists, byte for byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

Part = bytes | bytearray
Token = bytes | None | list["Token"]

_SPACE = b" \t"
_CODE = re.compile(rb"\[([A-Za-z0-9.-]+)(?: ([^\]]*))?\]")
_DATE = re.compile(rb"\s?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_DEEPEST = 20


@dataclass(frozen=True)
class Answer:
    """The tagged answer to a command, with the untagged responses that came before it."""

    status: str  # OK | NO | BAD
    text: bytes
    untagged: tuple[Sequence[Part], ...] = ()

    @property
    def code(self) -> str:
        """The response code of the tagged line, in capitals; "" where there is none."""
        return code_of(self.text)[0]

    def codes(self) -> dict[str, bytes]:
        """Every response code with its argument, those of untagged OK lines first."""
        found: dict[str, bytes] = {}
        for parts in self.untagged:
            line = bytes(parts[0])
            if line[:5].upper() in (b"* OK ", b"* NO "):
                code, argument = code_of(line[5:])
                found[code] = argument
        code, argument = code_of(self.text)
        found[code] = argument
        found.pop("", None)
        return found

    def named(self, name: bytes) -> list[list[Token]]:
        """The tokens of every untagged response `* NAME …`, the name left out."""
        prefix = b"* " + name
        return [
            tokens(parts)[2:]
            for parts in self.untagged
            if parts[0][: len(prefix)].upper() == prefix and parts[0][len(prefix) : len(prefix) + 1] in (b" ", b"")
        ]

    def fetched(self) -> list[dict[str, Token]]:
        """The items of every `* N FETCH (…)`, by their names in capitals."""
        found = []
        for parts in self.untagged:
            words = parts[0][:40].split(b" ", 3)
            if len(words) == 4 and words[2].upper() == b"FETCH":
                items = tokens(parts)[3:4]
                if items and isinstance(items[0], list):
                    found.append(_pairs(items[0]))
        return found


@dataclass
class _Reader:
    stack: list[list[Token]] = field(default_factory=lambda: [[]])

    def add(self, token: Token) -> None:
        self.stack[-1].append(token)


def tokens(parts: Sequence[Part]) -> list[Token]:
    """One response as tokens: atoms and strings are bytes, NIL is None, `(…)` a list. Never raises, never recurses."""
    reader = _Reader()
    for part in parts:
        if isinstance(part, bytearray):
            reader.add(bytes(part))
        else:
            _read(part, reader)
    return reader.stack[0]


def _read(line: bytes, reader: _Reader) -> None:
    at, end = 0, len(line)
    while at < end:
        byte = line[at : at + 1]
        if byte in (b" ", b"\t"):
            at += 1
        elif byte == b"(":
            if len(reader.stack) <= _DEEPEST:
                fresh: list[Token] = []
                reader.add(fresh)
                reader.stack.append(fresh)
            at += 1
        elif byte == b")":
            if len(reader.stack) > 1:
                reader.stack.pop()
            at += 1
        elif byte == b'"':
            text, at = _quoted(line, at + 1)
            reader.add(text)
        else:
            start, at = at, _atom(line, at)
            word = line[start:at]
            if not (word.startswith(b"{") and at == end):  # announces the literal that follows
                reader.add(None if word.upper() == b"NIL" else word)


def _quoted(line: bytes, at: int) -> tuple[bytes, int]:
    found = bytearray()
    while at < len(line):
        byte = line[at]
        if byte == 0x22:
            return bytes(found), at + 1
        if byte == 0x5C and at + 1 < len(line):
            at += 1
            byte = line[at]
        found.append(byte)
        at += 1
    return bytes(found), at


def _atom(line: bytes, at: int) -> int:
    """Where an atom ends; a section such as `BODY[HEADER.FIELDS (TO)]` belongs to it."""
    depth = 0
    while at < len(line):
        byte = line[at]
        if byte == 0x5B:
            depth += 1
        elif byte == 0x5D and depth:
            depth -= 1
        elif not depth and byte in b' \t()"':
            break
        at += 1
    return at


def _pairs(items: list[Token]) -> dict[str, Token]:
    found: dict[str, Token] = {}
    for name, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(name, bytes):
            found[name.decode("ascii", "replace").upper()] = value
    return found


def code_of(text: bytes) -> tuple[str, bytes]:
    """The response code that a status text begins with, and its argument."""
    found = _CODE.match(text)
    return (found[1].decode("ascii").upper(), found[2] or b"") if found else ("", b"")


def readable(text: bytes) -> str:
    """A server's words as one bounded, printable line, without the response code."""
    said = _CODE.sub(b"", text, count=1).decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in said[:1000]).split())[:300]


def number_set(text: bytes, most: int = 100_000) -> list[int]:
    """The numbers of `1:3,7` in the order given, at most `most`; [] where it is none."""
    found: list[int] = []
    for piece in text.split(b","):
        first, _, last = piece.partition(b":")
        if not first.isdigit() or (last and not last.isdigit()):
            return []
        low, high = int(first), int(last or first)
        if high < low:
            low, high = high, low
        found += range(low, min(high, low + most) + 1)
        if len(found) > most:
            return []
    return found


def number_ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as a sequence set (RFC 3501 §9): `1:3,7`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}:{b}" for a, b in ranges)


def internal_date(value: Token) -> datetime | None:
    """INTERNALDATE as an aware UTC time; None where it cannot be read."""
    found = _DATE.fullmatch(value) if isinstance(value, bytes) else None
    if found is None or found[2].lower() not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(found[n]) for n in (1, 3, 4, 5, 6))
    zone = timedelta(hours=int(found[8]), minutes=int(found[9])) * (-1 if found[7] == b"-" else 1)
    try:
        month = _MONTHS.index(found[2].lower()) + 1
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
