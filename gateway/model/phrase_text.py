"""A text as phrases are looked for in it: folded, spaces between Japanese characters gone, lines joined."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Final

from gateway.model.lists import fold_text

SHORT_LINE: Final = 40  # bytes of UTF-8; a line that ends before was ended by its writer, not by a mail program
NEAR: Final = 150  # bytes of UTF-8 on either side that may belong to the same sentence: 50 Japanese characters

_BLANKS: Final = re.compile(r"(?<![ \t])[ \t]*\n[ \t\n]*")  # the look-behind keeps long runs of blanks linear
_UNEVEN: Final = (" \n", "\n ", "\n\n\n")  # what `_BLANKS` would change where no tabs are left
_LATIN: Final = re.compile(rb"(?<=[\x00-\x7f])\n(?=[\x00-\x7f])")
_INNER: Final = re.compile(r"[ \t]+(?=[^ -~\n])")
_RUNS: Final = re.compile(r"[ \t]{2,}|\t")
_SAME: Final = str.maketrans({"\r": None, "\u2019": "'", "\u2018": "'", "\u301c": "~"})
_ENDS: Final = re.compile(rb"[!?\n]|\xe3\x80\x82|\.(?= )|\.\.\.")  # 。


class PhraseText:
    """A folded text in UTF-8, seen as lines and as one run of words.

    `lines` keeps the line ends, for patterns on what stands alone. `joined` lacks those inside a paragraph (a blank
    stands for them between Latin words), so that a word broken by them is whole. Offsets count bytes.
    """

    __slots__ = ("_marked", "joined", "lines")

    def __init__(self, text: str) -> None:
        folded = fold_text(text)
        if not folded.isascii() or "\r" in folded:
            folded = _INNER.sub(_inner, folded.translate(_SAME))
        if "  " in folded or "\t" in folded:
            folded = _RUNS.sub(" ", folded)
        folded = folded.strip()
        if any(uneven in folded for uneven in _UNEVEN):
            folded = _BLANKS.sub(_line_end, folded)
        self.lines = folded.encode("utf-8", "replace")
        self.joined = self._join() if b"\n" in self.lines else self.lines
        self._marked: tuple[list[int], list[int]] | None = None  # found when they are asked for: most mail has no hit

    def _join(self) -> bytes:
        paragraphs = self.lines.split(b"\n\n")
        if self.lines.isascii():
            return b"\n".join([paragraph.replace(b"\n", b" ") for paragraph in paragraphs])
        return b"\n".join([_LATIN.sub(b" ", paragraph).replace(b"\n", b"") for paragraph in paragraphs])

    @property
    def _marks(self) -> tuple[list[int], list[int]]:
        """Offsets in `lines` of the line ends that `joined` lacks, and in `joined` of where a short line ended."""
        if self._marked is None:
            self._marked = self._mark()
        return self._marked

    def _mark(self) -> tuple[list[int], list[int]]:
        cuts: list[int] = []
        breaks: list[int] = []
        at = written = 0
        for line in self.lines.split(b"\n"):
            end = at + len(line)
            written += len(line)
            following = self.lines[end + 1 : end + 2]
            if following and line:
                if len(line) < SHORT_LINE:
                    breaks.append(written)
                if following == b"\n" or (line[-1] < 0x80 and following[0] < 0x80):
                    written += 1
                else:
                    cuts.append(end)
            elif following:
                cuts.append(end)
            at = end + 1
        return cuts, breaks

    def in_joined(self, offset: int) -> int:
        """Where in `joined` stands what is at `offset` in `lines`."""
        return offset - bisect_left(self._marks[0], offset)

    def sentence(self, start: int, end: int) -> tuple[int, int]:
        """The bounds in `joined` of the sentence around `start:end`, at most `NEAR` bytes away on either side."""
        low, high = max(0, start - NEAR), min(len(self.joined), end + NEAR)
        for found in _ENDS.finditer(self.joined, low, start):
            low = found.end()
        after = _ENDS.search(self.joined, end, high)
        high = after.start() if after else high
        breaks = self._marks[1]
        at = bisect_right(breaks, start)
        if at and breaks[at - 1] > low:
            low = breaks[at - 1]
        at = bisect_left(breaks, end)
        if at < len(breaks) and breaks[at] < high:
            high = breaks[at]
        return low, high


def _line_end(found: re.Match[str]) -> str:
    return "\n\n" if found[0].count("\n") > 1 else "\n"


def _inner(found: re.Match[str]) -> str:
    """Nothing for blanks between two characters beyond ASCII, such as in `し ね`."""
    start = found.start()
    return "" if start and found.string[start - 1] > "~" else found[0]


_LETTERS: Final = frozenset(bytes([c]) for c in b"abcdefghijklmnopqrstuvwxyz0123456789")
_KATAKANA: Final = frozenset(chr(c).encode() for c in (*range(0x30A1, 0x30FB), 0x30FC))


def stands_alone(word: bytes, text: bytes, start: int, end: int) -> bool:
    """Whether a word at `start:end` is no part of a longer Latin or katakana word, as `ブス` is of `サブスク`."""
    return not (
        (word[:1] in _LETTERS and text[max(0, start - 1) : start] in _LETTERS)
        or (word[-1:] in _LETTERS and text[end : end + 1] in _LETTERS)
        or (word[:3] in _KATAKANA and text[max(0, start - 3) : start] in _KATAKANA)
        or (word[-3:] in _KATAKANA and text[end : end + 3] in _KATAKANA)
    )
