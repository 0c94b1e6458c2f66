"""The fonts of the exhibits, out of Python packages alone, and which characters they have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import manimgx_fonts
import pylopdf_fonts_jp
from fontTools.ttLib import TTFont

_OTHERS = Path(manimgx_fonts.__file__).parent
# In the order in which they are asked for a character. Variable fonts are set in their regular weight.
FAMILIES = (
    ("Noto Serif JP", pylopdf_fonts_jp.serif_path()),
    ("Noto Sans JP", pylopdf_fonts_jp.sans_path()),
    ("Noto Sans", _OTHERS / "NotoSans[wght].ttf"),
    *((f"Noto Sans {name}", _OTHERS / f"NotoSans{name}[wght].ttf") for name in (
        "Arabic", "Hebrew", "Thai", "Devanagari", "Bengali", "Tamil", "Telugu", "Gujarati", "Gurmukhi", "Kannada",
        "Malayalam", "Oriya", "Sinhala", "Khmer", "Lao", "Myanmar", "Armenian", "Georgian", "Ethiopic", "Symbols",
    )),
    ("Noto Emoji", _OTHERS / "NotoEmoji[wght].ttf"),
)  # fmt: skip


@dataclass(frozen=True)
class Coverage:
    """The characters of each font, and the variants of Japanese characters that variation selectors ask for."""

    fonts: tuple[frozenset[int], ...]
    variants: frozenset[tuple[int, int]]
    every: frozenset[int]

    def shows(self, cluster: str) -> bool:
        """Whether one font has all characters of a cluster."""
        codes = {ord(character) for character in cluster}
        return any(codes <= font for font in self.fonts)


def folders() -> list[str]:
    """The folders that the fonts lie in."""
    return sorted({str(path.parent) for _, path in FAMILIES})


@cache
def coverage() -> Coverage:
    """What the fonts have, read once a process (0.3 s)."""
    fonts: list[frozenset[int]] = []
    variants: set[tuple[int, int]] = set()
    for at, (_, path) in enumerate(FAMILIES):
        with TTFont(path, lazy=True) as font:
            fonts.append(frozenset(font.getBestCmap()))
            if at == 0:
                for table in font["cmap"].tables:
                    if table.format == 14:
                        variants.update(
                            (base, selector) for selector, pairs in table.uvsDict.items() for base, _ in pairs
                        )
    return Coverage(tuple(fonts), frozenset(variants), frozenset().union(*fonts))
