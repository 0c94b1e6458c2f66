"""RE2 as it is used on folded text: its options, and many patterns searched in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import re2

from gateway.model.pattern_needs import beyond_ascii

TOGETHER: Final = 32  # patterns in one set; a larger one outgrows RE2's cache of states, which is then built ever anew
TOGETHER_ANY: Final = 256  # the same where ASCII may match: such patterns have few states, and each set costs a pass
_PROOF = b"proof"
# What in a pattern can fit a line end or depends on it: a line end itself, `[^…]`, classes, the flag s, anchors.
_LINE_END = re.compile(rb"\\[nrsvfxWDPCzA]|\n|\[:|\(\?[a-zA-Z]*s|[\^$]")
_RULED_OUT = (b"\\n", b"\n", b"\\s")


def re2_options() -> re2.Options:
    """Upper and lower case are one, nothing is captured, and nothing is written to standard error."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    options.never_capture = True
    return options


class PatternSets:
    """Many patterns, told quickly which of them match: they are searched in sets.

    Of a text in ASCII only those are asked that such a text can match.
    """

    def __init__(self, patterns: Sequence[bytes]) -> None:
        beyond = [beyond_ascii(pattern.decode()) for pattern in patterns]
        self._any = _in_sets(patterns, [index for index, needed in enumerate(beyond) if not needed], TOGETHER_ANY)
        self._beyond = _in_sets(patterns, [index for index, needed in enumerate(beyond) if needed], TOGETHER)

    def matching(self, text: bytes) -> Iterator[int]:
        """The indexes of the patterns that match somewhere, and of all that RE2 could not take together."""
        for indexes, together in self._any if text.isascii() else (*self._any, *self._beyond):
            if together is None:
                yield from indexes
            else:
                yield from (indexes[found] for found in together.matching(text))


def _in_sets(
    patterns: Sequence[bytes], chosen: Sequence[int], most: int
) -> list[tuple[Sequence[int], PatternSet | None]]:
    parts = [chosen[first : first + most] for first in range(0, len(chosen), most)]
    return [(part, pattern_set([patterns[index] for index in part])) for part in parts]


def sees_line_ends(pattern: bytes) -> bool:
    """Whether a line end can make a difference to the pattern; yes where unsure."""
    return any(_LINE_END.search(_without_class(piece)) for piece in pattern.split(b"]"))


def _without_class(piece: bytes) -> bytes:
    """Without the class at its end that rules line ends out, as `[^。\\n` does."""
    before, opening, inside = piece.partition(b"[^")
    return before if opening and any(end in inside for end in _RULED_OUT) else piece


class PatternSet:
    """Some patterns in one pass."""

    __slots__ = ("_count", "_set")

    def __init__(self, together: re2.Set, count: int) -> None:
        self._set = together
        self._count = count

    def matching(self, text: bytes) -> list[int]:
        """The indexes of the patterns that match somewhere."""
        found = self._set.Match(text)
        return [index for index in found if index < self._count] if found else []


def pattern_set(patterns: Sequence[bytes]) -> PatternSet | None:
    """The patterns to be searched in one pass; None where there are none, or where they are too large for that.

    A set that lacks the memory finds nothing and says nothing, so one more pattern is put to the proof.
    """
    if not patterns:
        return None
    together = re2.Set.SearchSet(re2_options())
    try:
        for pattern in (*patterns, _PROOF):
            together.Add(pattern)
        together.Compile()
    except re2.error:
        return None
    return PatternSet(together, len(patterns)) if len(patterns) in (together.Match(_PROOF) or ()) else None
