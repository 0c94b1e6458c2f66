"""Blacking out: words are replaced in the data before anything is set, so that nothing lies under the black."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from gateway.model.address import ZERO_WIDTH

_ENCODINGS = ("utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16-le", "utf-16-be")
BLACK = "■■■■"  # always as long, so that the length tells nothing


class Redaction:
    """Finds words whatever their width, case, blanks and invisible characters, and counts what it took out."""

    def __init__(self, words: Iterable[str]) -> None:
        folded = {_fold(word)[0] for word in words} - {""}
        self.words = tuple(sorted(folded, key=lambda word: (-len(word), word)))
        self._pattern = re.compile("|".join(map(re.escape, self.words))) if self.words else None
        self.hits: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """`text` with every word blacked out."""
        if self._pattern is None or not text:
            return text
        folded, places = _fold(text)
        pieces: list[str] = []
        end = 0
        for found in self._pattern.finditer(folded):
            self.hits[found[0]] += 1
            pieces += (text[end : places[found.start()]], BLACK)
            end = places[found.end() - 1] + 1
        return "".join((*pieces, text[end:])) if pieces else text

    def lines(self, lines: Sequence[str]) -> list[str]:
        """Lines with every word blacked out, also where it goes on in the next line."""
        return self.text("\n".join(lines)).split("\n") if self._pattern is not None and lines else list(lines)

    def within(self, data: bytes) -> bool:
        """Whether one of the words stands in bytes, in an encoding that Japanese mail and documents use."""
        if self._pattern is None:
            return False
        return any(self.touches(data.decode(encoding, "replace")) for encoding in _ENCODINGS)

    def touches(self, text: str) -> bool:
        """Whether one of the words stands in `text`."""
        return self._pattern is not None and self._pattern.search(_fold(text)[0]) is not None


def _fold(text: str) -> tuple[str, list[int]]:
    """The text as it is compared, and of each of its characters the place in `text`."""
    out: list[str] = []
    places: list[int] = []
    for at, character in enumerate(text):
        if character.isspace() or ord(character) in ZERO_WIDTH:
            continue
        folded = character.lower() if character.isascii() else unicodedata.normalize("NFKC", character).casefold()
        for piece in folded:
            if not piece.isspace():
                out.append(piece)
                places.append(at)
    return "".join(out), places
