"""What a complaint is: a grievance in the sender's own words, told from another by its text."""

from __future__ import annotations

import hashlib
from functools import cache

import re2

from filters.data import lines
from gateway.model.lists import fold_text
from gateway.model.pattern_set import re2_options

LONGEST = 20_000  # characters that are looked at


def grievance(words: str) -> str:
    """The first word of a grievance in a mail's own words; "" where it complains of nothing.

    Wishes and questions (返品, 交換, キャンセル, refund) are none by themselves: customers ask for these in good
    right, and may have to ask thrice.
    """
    found = _pattern().search(fold_text(words[:LONGEST]).encode("utf-8", "replace"))
    return found.group().decode("utf-8", "replace") if found else ""


def digest(words: str) -> bytes:
    """What tells one complaint from another: SHA-256 of letters and digits alone, width and case folded."""
    folded = fold_text(words[:LONGEST])
    return hashlib.sha256("".join(filter(str.isalnum, folded)).encode("utf-8", "replace")).digest()


@cache
def _pattern() -> re2._Regexp:
    return re2.compile("|".join(re2.escape(fold_text(word)) for word in lines("grievances")).encode(), re2_options())
