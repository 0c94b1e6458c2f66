"""Tables that open right in Excel: CSV in UTF-8 with BOM, Japanese headings, and a second row of machine names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

BOM = b"\xef\xbb\xbf"
# A cell that begins like this would be run as a formula; an apostrophe before it makes it text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # what upsets a screen
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(columns: Mapping[str, str], rows: Iterable[Sequence[object]]) -> bytes:
    """The table; `columns` gives the heading of each machine name, in order."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns.values())
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(value) for value in row])
    return BOM + out.getvalue().encode("utf-8", "replace")


def cell(value: object) -> str:
    """A value as a cell of the table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    text = str(value)
    if text.startswith(_FORMULA) and not isinstance(value, (int, float)):
        text = "'" + text
    return uncontrolled(text)


def uncontrolled(text: str) -> str:
    """The text with the codes of what would turn it about or upset a screen: 〔U+202E〕."""
    return _CONTROL.sub(lambda found: f"〔U+{ord(found[0]):04X}〕", text)
