"""Text as the fonts can show it: what has no glyph becomes its code, what cannot be seen is counted."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

from gateway.casefile.fonts import coverage

TAB = 4
LONG_RUN = 40  # ASCII characters without a blank from which a line may be broken inside them
PIECE = 20

_BREAK = "\u200b"  # only ever ours: those of the mail are counted and left out
_INVISIBLE = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff\ufff9\ufffa\ufffb"
)
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINERS = frozenset("\u200c\u200d")
_LONG = re.compile(rf"[!-~]{{{LONG_RUN},}}")
_WIDE = re.compile(r"[!-~]{18,}")
_SEAM = re.compile(r"[@._/=&?+-]+(?=.)|[^@._/=&?+-]{16}(?=.)")


def _selector(code: int) -> bool:
    return 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF


def code(character: str) -> str:
    """A character as its code: 〔U+1F621〕."""
    return f"〔U+{ord(character):04X}〕"


@dataclass
class Shown:
    """Makes texts showable and keeps count of what could not be shown as it is.

    `strict` shows single characters of the fonts for Japanese and Latin alone: for texts whose characters, put together
    in ways that no language has, defeat the typesetter.
    """

    strict: bool = False
    missing: Counter[str] = field(default_factory=Counter)
    invisible: Counter[str] = field(default_factory=Counter)
    variants: int = 0

    def text(self, text: str) -> str:
        """`text` with a glyph for every character; one line, tabs as blanks."""
        if text.isascii() and text.isprintable():
            return text
        if "\t" in text:
            text = text.expandtabs(TAB)
        if self.strict:
            return "".join(map(self._single, unicodedata.normalize("NFC", text)))
        return "".join(self._cluster(cluster) for cluster in _clusters(text))

    def breakable(self, text: str) -> str:
        """The same, and long runs of ASCII may be broken."""
        shown = self.text(text)
        return _LONG.sub(_with_breaks, shown) if len(shown) >= LONG_RUN else shown

    def in_cell(self, text: str) -> str:
        """The same for a narrow column: also addresses and names of files may be broken."""
        return _WIDE.sub(_with_seams, self.text(text))

    def _cluster(self, cluster: str) -> str:
        if len(cluster) > 1:
            cluster = unicodedata.normalize("NFC", cluster) if not _compatibility(cluster[0]) else cluster
            if len(cluster) > 1:
                return self._composed(cluster)
        return self._single(cluster)

    def _single(self, character: str) -> str:
        code_point = ord(character)
        if character in _INVISIBLE or character in _JOINERS:
            self.invisible[character] += 1
            return ""
        if _selector(code_point):
            self.variants += 1
            return ""
        if character in _DIRECTION or unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"):
            self.missing[character] += 1
            return code(character)
        if self.strict:
            simple = code_point in coverage().fonts[0] and unicodedata.category(character)[0] != "M"
        else:
            simple = code_point in coverage().every
        if simple:
            return character
        if unicodedata.category(character) == "Zs":
            return " "
        self.missing[character] += 1
        return code(character)

    def _composed(self, cluster: str) -> str:
        """A base with its marks, joiners and selectors, as far as one font has them all."""
        fonts = coverage()
        base = cluster[0]
        kept = [base]
        for mark in cluster[1:]:
            point = ord(mark)
            if point == 0xFE0F and base.isascii():
                continue  # a digit with its keycap: the font knows the two without the selector alone
            if _selector(point):
                if (ord(base), point) in fonts.variants or (point == 0xFE0F and fonts.shows("".join((*kept, mark)))):
                    kept.append(mark)
                elif point not in (0xFE0E, 0xFE0F):
                    self.variants += 1
            elif fonts.shows("".join((*(c for c in kept if not _selector(ord(c))), mark))):
                kept.append(mark)
            elif mark in _JOINERS or mark in _INVISIBLE:
                self.invisible[mark] += 1
            else:
                shown = "".join(kept) if len(kept) > 1 else self._single(base)
                return shown + "".join(self._single(c) for c in cluster[cluster.index(mark) :])
        return "".join(kept) if len(kept) > 1 else self._single(base)


def _compatibility(base: str) -> bool:
    return 0xF900 <= ord(base) <= 0xFAFF or 0x2F800 <= ord(base) <= 0x2FA1F  # normalising would change the character


def _clusters(text: str) -> list[str]:
    """Bases with what belongs to them; emoji joined by ZWJ stay together."""
    found: list[str] = []
    joined = False
    for character in text:
        point = ord(character)
        belongs = joined or (
            point >= 0x300
            and (
                _selector(point)
                or 0x1F3FB <= point <= 0x1F3FF
                or character in _JOINERS
                or unicodedata.category(character) in ("Mn", "Mc", "Me")
            )
        )
        if belongs and found and len(found[-1]) < 16 and found[-1] not in _INVISIBLE and ord(found[-1][0]) > 0x20:
            found[-1] += character
        else:
            found.append(character)
        joined = character == "\u200d" and len(found[-1]) > 1 and ord(found[-1][0]) >= 0x2190
    return found


def _with_breaks(run: re.Match[str]) -> str:
    said = run[0]
    return _BREAK.join(said[at : at + PIECE] for at in range(0, len(said), PIECE))


def _with_seams(run: re.Match[str]) -> str:
    return _SEAM.sub(lambda seam: seam[0] + _BREAK, run[0])


def wrap(line: str, columns: int) -> list[str]:
    """A line cut into pieces of at most `columns` cells of a fixed-width font."""
    if len(line) <= columns and line.isascii():
        return [line]
    pieces: list[str] = []
    start = width = 0
    for at, character in enumerate(line):
        cells = 1 if character.isascii() else 0 if unicodedata.combining(character) else 2
        if width + cells > columns:
            pieces.append(line[start:at])
            start, width = at, 0
        width += cells
    pieces.append(line[start:])
    return pieces
