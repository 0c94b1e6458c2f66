"""Header and dialogue of an exhibit as lines of a fixed-width font."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gateway.casefile.glyphs import Shown, wrap
from gateway.casefile.redaction import Redaction
from gateway.mime.words import text_of

COLUMNS: Final = 108  # cells of the fixed-width font on a line, one more for the mark of a line that goes on
MOST_LINES: Final = 1_500


def fixed_lines(lines: Sequence[str], redaction: Redaction, shown: Shown) -> list[list[str]]:
    """Each line as the pieces that fit the paper."""
    kept = redaction.lines(lines[:MOST_LINES])
    made = [[_keep_blanks(piece) for piece in wrap(shown.text(line), COLUMNS)] for line in kept]
    if len(lines) > MOST_LINES:
        made.append([f"（ほか {len(lines) - MOST_LINES} 行。全文は原本をご覧ください）"])
    return made


def text_lines(raw: bytes) -> list[str]:
    """Raw header bytes as lines, folds as sent; 8-bit bytes as the text they most likely are."""
    text = raw.decode("ascii") if raw.isascii() and b"\x1b" not in raw else "\n".join(map(text_of, raw.split(b"\n")))
    return [line.rstrip("\r") for line in text.rstrip("\r\n").split("\n")]


def _keep_blanks(piece: str) -> str:
    bare = piece.lstrip(" ")
    said = "\u00a0" * (len(piece) - len(bare)) + bare
    return re.sub(" (?= )", "\u00a0", said)
