"""Persons as CSV: a row a value, with a heading for people and one for programs, as Excel opens it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.cli.usage import WrongUsage
from gateway.store.persons import TRAITS, Person
from gateway.store.selection import canonical
from gateway.text import Text

LARGEST = 100 * 1024 * 1024  # bytes
FIELDS = ("name", "kind", "value", "note")
HEADINGS = ("お名前", "種別", "値", "メモ")

_ENCODING = Text("CSV の文字コードを読み取れません（UTF-8 か Shift_JIS）。", "The CSV is neither UTF-8 nor Shift_JIS.")
_HEADING = Text(
    "CSV の見出しに {fields} がありません（1行目か2行目）。", "No heading {fields} in the first two lines of the CSV."
)
_KIND = Text("CSV の {line} 行目: 種別「{kind}」はありません。", "Line {line} of the CSV: there is no kind {kind!r}.")
_VALUE = Text(
    "CSV の {line} 行目: 「{value}」は {kind} として読み取れません。",
    "Line {line} of the CSV: {value!r} cannot be read as {kind}.",
)
_NAME = Text("CSV の {line} 行目: お名前がありません。", "Line {line} of the CSV names nobody.")
_LARGE = Text("CSV が大きすぎます。", "The CSV is too large.")


@dataclass(frozen=True, slots=True)
class Row:
    """A person to take in: values as (kind, canonical)."""

    name: str
    values: tuple[tuple[str, str], ...]
    note: str


def write_csv(people: Iterable[Person]) -> bytes:
    """UTF-8 with BOM, CRLF; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows((HEADINGS, FIELDS))
    for one in people:
        rows = [(kind, value) for kind in TRAITS for value in one.values.get(kind, ())] or [("", "")]
        for number, (kind, value) in enumerate(rows):
            writer.writerow([_safe(cell) for cell in (one.name, kind, value, "" if number else one.note)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def read_csv(raw: bytes) -> list[Row]:
    """The persons of a CSV; raises `WrongUsage` with the line of the first fault."""
    rows = list(csv.reader(io.StringIO(_text(raw), newline="")))
    heading = next((place for place, row in enumerate(rows[:2]) if {"name", "kind", "value"} <= set(row)), None)
    if heading is None:
        raise WrongUsage(_HEADING.with_(fields=", ".join(FIELDS)))
    columns = {name: rows[heading].index(name) for name in FIELDS if name in rows[heading]}
    values: dict[str, dict[tuple[str, str], None]] = {}
    notes: dict[str, dict[str, None]] = {}
    for line, row in enumerate(rows[heading + 1 :], heading + 2):
        cells = {name: _plain(row[at]).strip() for name, at in columns.items() if at < len(row)}
        if not any(cells.values()):
            continue
        name = cells.get("name", "")
        if not name:
            raise WrongUsage(_NAME.with_(line=line))
        found = values.setdefault(name, {})
        if cells.get("kind") or cells.get("value"):
            found[_value(line, cells.get("kind", ""), cells.get("value", ""))] = None
        if cells.get("note"):
            notes.setdefault(name, {})[cells["note"]] = None
    return [Row(name, tuple(found), "\n".join(notes.get(name, ()))) for name, found in values.items()]


def _value(line: int, kind: str, value: str) -> tuple[str, str]:
    if kind not in TRAITS:
        raise WrongUsage(_KIND.with_(line=line, kind=kind[:40]))
    if kind == "name":
        return kind, " ".join(value.split())
    try:
        return kind, canonical(kind, value)
    except ValueError as error:
        raise WrongUsage(_VALUE.with_(line=line, kind=kind, value=value[:80])) from error


def _text(raw: bytes) -> str:
    if len(raw) > LARGEST:
        raise WrongUsage(_LARGE)
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise WrongUsage(_ENCODING)


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "'")) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:2] in {"=", "+", "-", "@", "\t", "\r", "'"} else cell
