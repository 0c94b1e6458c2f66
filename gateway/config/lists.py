"""List files: one entry a line, with `# note` and `until=2026-12-31`."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from gateway.config.files import Faults, Place, decode, read_bounded
from gateway.errors import Fault
from gateway.model.entry import Entry, Who
from gateway.model.lists import ListBuilder, ListIndex
from gateway.text import Text

MAX_BYTES = 128 * 1024 * 1024

_NOTE = re.compile(r"(?:^|[\s\u3000])#.*")
_UNTIL = re.compile(r"[\s\u3000]+until=(\S*)$")
_LIKE_NETWORK = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f.:*]+[*/][0-9.*/]*")

_MEND = Text(
    "一行に一つ、name@example.com、@example.com、*.example.com、192.0.2.0/24、192.0.2.* のように書いてください。",
    "write one entry a line: name@example.com, @example.com, *.example.com, 192.0.2.0/24 or 192.0.2.*",
)


def read_list(name: str, path: Path, file: str, found: list[Fault]) -> tuple[ListIndex, bytes]:
    """The index of a list file and its bytes; faults are added to `found` under the name `file`."""
    faults = Faults(file, found)
    builder = ListBuilder(name)
    raw = read_bounded(path, MAX_BYTES, faults) or b""
    text = decode(raw, faults)
    for number, line in builder.add_text(text or ""):
        _add(builder, line, number, faults)
    return builder.build(), raw


def _add(builder: ListBuilder, line: str, number: int, faults: Faults) -> None:
    text = _NOTE.sub("", line).strip()
    until: date | None = None
    ends = _UNTIL.search(text)
    if ends:
        try:
            until = date.fromisoformat(ends[1])
        except ValueError:
            faults.add(
                Place(number, line.index("until=") + 7),
                Text("「{said}」は日付ではありません。", "{said!r} is not a date").with_(said=ends[1][:40]),
                Text("until=2026-12-31 のように書いてください。", "write it as until=2026-12-31"),
            )
        text = text[: ends.start()].strip()
    if not text:
        return
    entry = builder.add(text, until=until)
    if not _sound(text, entry):
        said = Text(
            "「{said}」は、アドレスにも IP アドレスにもなりません。", "{said!r} is neither an address nor an IP"
        )
        faults.add(Place(number, 1), said.with_(said=text[:80]), _MEND)


def _sound(text: str, entry: Entry | None) -> bool:
    """Whether an entry can mean what its author wanted: what looks like an address or a network must be one."""
    if entry is None:
        return "@" not in text and "＠" not in text and not _LIKE_NETWORK.fullmatch(text) and not text.startswith("*.")
    if entry.who is Who.ADDRESS and '"' not in text:
        return text.count("@") + text.count("＠") == 1 and not re.search(r"[\s,;<>]", text)
    return True


def inline_list(name: str, words: list[tuple[str, Place]], faults: Faults) -> ListIndex:
    """The index of entries that stand in the rules file itself."""
    builder = ListBuilder(name)
    for text, place in words:
        if not _sound(text, builder.add(text)):
            said = Text(
                "「{said}」は、アドレスにも IP アドレスにもなりません。", "{said!r} is neither an address nor an IP"
            )
            faults.add(place, said.with_(said=text[:80]), _MEND)
    return builder.build()
