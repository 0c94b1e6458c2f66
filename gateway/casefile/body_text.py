"""The text of a mail as groups of lines: the writer's own words and quotations, links told apart."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

from gateway.casefile.glyphs import Shown

MOST_LINES: Final = 5_000
MOST_CHARACTERS: Final = 300_000
LONGEST_LINE: Final = 20_000

_QUOTED: Final = re.compile(r"^[ \t\u3000]{0,3}((?:[>＞][ \t]?){1,20})")
_LINK: Final = re.compile(
    r"(?:https?|ftp)://[!-~]{1,2000}|mailto:[!-~]{3,300}|www\.[!-~]{3,500}|[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    re.ASCII,
)
_TRAILING: Final = ".,;:!?)]}>'\""


def cut(text: str) -> tuple[list[str], int]:
    """The lines that are printed, and how many characters are left out."""
    kept: list[str] = []
    left = MOST_CHARACTERS
    for line in text.split("\n"):
        line = line[:LONGEST_LINE].rstrip("\r\x0c\x0b \t\u3000\xa0")
        if len(kept) >= MOST_LINES or left <= 0:
            break
        kept.append(line[:left])
        left -= len(line) + 1
    while kept and not kept[-1].strip():
        kept.pop()
    while kept and not kept[0].strip():
        kept.pop(0)
    printed = sum(len(line) + 1 for line in kept)
    whole = len(text.strip())
    return kept, whole - printed if whole > printed + 200 else 0


def groups(lines: Iterable[str], shown: Shown) -> list[dict[str, Any]]:
    """Neighbouring lines of one kind together, as the template takes them."""
    found: list[dict[str, Any]] = []
    for line in lines:
        depth = 0
        if quoted := _QUOTED.match(line):
            depth = sum(quoted[1].count(mark) for mark in ">＞")
            line = line[quoted.end() :]
        rtl = _right_to_left(line)
        if not line.strip() and found:  # an empty line belongs to what stands above it
            depth, rtl = (depth or (found[-1]["depth"] if quoted else 0)), False
        made = _runs(line, shown)
        if found and found[-1]["depth"] == depth and found[-1]["rtl"] == rtl:
            found[-1]["lines"].append(made)
        else:
            found.append({"depth": depth, "rtl": rtl, "lines": [made]})
    return found


def _runs(line: str, shown: Shown) -> list[Any]:
    """Texts, and links as lists of one text; () for an empty line."""
    if not line.strip():
        return []
    out: list[Any] = []
    at = 0
    if "@" in line or ":" in line or "www." in line:
        for link in _LINK.finditer(line):
            said = link[0].rstrip(_TRAILING)
            if link.start() > at:
                out.append(_plain(line[at : link.start()], shown, first=not out))
            out.append([shown.breakable(said)])
            at = link.start() + len(said)
    if at < len(line):
        out.append(_plain(line[at:], shown, first=not out))
    return out


def _plain(text: str, shown: Shown, *, first: bool) -> str:
    """The text; blanks that indent a line or draw a table are kept by making them unbreakable."""
    said = shown.breakable(text)
    if first and said[:1] == " ":
        bare = said.lstrip(" ")
        said = "\u00a0" * (len(said) - len(bare)) + bare
    return re.sub(" {2,}", lambda blanks: "\u00a0" * (len(blanks[0]) - 1) + " ", said)


def _right_to_left(line: str) -> bool:
    """Whether the first letter of the line is of a script that runs to the left (UAX #9, P2)."""
    if line.isascii():
        return False
    for character in line:
        way = unicodedata.bidirectional(character)
        if way == "L":
            return False
        if way in ("R", "AL"):
            return True
    return False
