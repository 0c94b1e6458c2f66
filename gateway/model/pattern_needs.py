"""What a text must hold for a pattern to match it, told from the pattern alone."""

from __future__ import annotations

import re
from typing import Final

_GROUP: Final = re.compile(r"\?(?:[a-zA-Z-]*(?P<flags>\))|[a-zA-Z-]*:|P<[^>]*>)")
_CLASS: Final = re.compile(r"\[(?P<not>\^?)(?P<members>\]?(?:[^\]\\\[]|\\.)*)\]")
_LETTERS: Final = re.compile(r"[^\\\[\](){}|?*+.^$]+(?![?*{])")  # what follows says nothing of how often
_COUNT: Final = re.compile(r"\{(?P<least>[0-9]+)(?:,[0-9]*)?\}")


class _Unsure(Exception):
    """The pattern holds something that is not read here."""


def beyond_ascii(pattern: str) -> bool:
    """Whether everything that the RE2 pattern matches holds a character beyond ASCII; False where that is not sure."""
    try:
        needed, end = _either(pattern, 0)
    except (_Unsure, RecursionError):
        return False
    return needed and end == len(pattern)


def _either(pattern: str, at: int) -> tuple[bool, int]:
    """Whether each of the alternatives from `at` on needs such a character, and where they end."""
    each, this = True, False
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            each, this = each and this, False
            at += 1
            continue
        needed, at = _one(pattern, at)
        if at < len(pattern) and pattern[at] in "?*":
            needed = False
        elif count := _COUNT.match(pattern, at):
            needed = needed and int(count["least"]) > 0
            at = count.end() - 1
        if at < len(pattern) and pattern[at] in "?*+}":
            at += 1
            if pattern[at : at + 1] == "?":
                at += 1
        this = this or needed
    return each and this, at


def _one(pattern: str, at: int) -> tuple[bool, int]:
    """The same of one character, class or group, before what says how often."""
    run = _LETTERS.match(pattern, at)
    if run is not None:
        return not run[0].isascii(), run.end()
    sign = pattern[at]
    if sign == "(":
        opening = _GROUP.match(pattern, at + 1)
        if opening is not None and opening["flags"]:
            return False, opening.end()
        if opening is None and pattern[at + 1 : at + 2] == "?":
            raise _Unsure
        needed, end = _either(pattern, opening.end() if opening else at + 1)
        if pattern[end : end + 1] != ")":
            raise _Unsure
        return needed, end + 1
    if sign == "[":
        found = _CLASS.match(pattern, at)
        if found is None:
            raise _Unsure
        return not found["not"] and not any(c.isascii() and c != "-" for c in found["members"]), found.end()
    if sign == "\\":
        if pattern[at + 1 : at + 2] in ("Q", "p", "P", "x", "C"):
            raise _Unsure
        return False, at + 2
    return not sign.isascii(), at + 1
