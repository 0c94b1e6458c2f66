"""Phrases that a shop looks for: words and patterns in weighted categories, with what makes a hit harmless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import re2
from ahocorasick_rs import BytesAhoCorasick

from gateway.model.pattern_set import PatternSets, re2_options, sees_line_ends
from gateway.model.phrase_text import PhraseText, stands_alone

MAX_TEXT: Final = 200_000  # characters that are looked at
TRIES: Final = 100  # hits of one entry that are held against its guards; a text of nothing but guarded ones is spam
_LONGEST: Final = 40  # characters of a hit that are shown


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a category: any of `words` and `patterns`, unless a guard says that it is harmless.

    Words and guards are folded texts, patterns RE2 on folded text; all in UTF-8. `not_in`: longer expressions that the
    hit is a part of. `not_near`, `near`: what must not, or must, stand in the same sentence. An entry of negative
    weight speaks against its category; it is no hit, it only counts where small signs are added up.
    """

    category: str
    weight: int
    words: tuple[bytes, ...] = ()
    patterns: tuple[bytes, ...] = ()
    not_in: tuple[bytes, ...] = ()
    not_near: tuple[bytes, ...] = ()
    near: tuple[bytes, ...] = ()

    @property
    def guarded(self) -> bool:
        """Whether anything can make a hit harmless."""
        return bool(self.not_in or self.not_near or self.near)


@dataclass(frozen=True, slots=True)
class Hit:
    """What made an entry hit: the words as they stand in the folded text, and the entry's weight."""

    category: str
    words: str
    weight: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The hits in the order of the text; `complete` is False where the text was too long to be looked at to its end."""

    hits: tuple[Hit, ...] = ()
    complete: bool = True


class PhraseBook:
    """Compiled entries: one pass of Aho-Corasick over all words and a few of RE2 over all patterns.

    `most` holds the largest sum of weights by category, for those that have one; `least` the sum below which the hits
    of a category do not count unless one of them weighs as much alone: signs that say little say enough together.
    """

    def __init__(
        self,
        entries: Sequence[Entry] = (),
        most: Mapping[str, int] | None = None,
        least: Mapping[str, int] | None = None,
    ) -> None:
        self.entries = tuple(entries)
        self.most = dict(most or {})
        self.least = dict(least or {})
        self.categories: tuple[str, ...] = tuple(dict.fromkeys(entry.category for entry in self.entries))
        words = [(word, entry) for entry in self.entries for word in entry.words]
        self._words = BytesAhoCorasick([word for word, _ in words]) if words else None
        self._of_word = words
        patterns = [(pattern, entry) for entry in self.entries for pattern in entry.patterns]
        self._patterns = patterns
        self._compiled: dict[int, re2._Regexp] = {}  # those that ever matched: most never do
        self._anywhere = PatternSets([pattern for pattern, _ in patterns])
        # In most patterns a line end is nothing: what they find in the lines they find in the joined text, too.
        self._of_lines = [index for index, (pattern, _) in enumerate(patterns) if sees_line_ends(pattern)]
        self._in_lines = PatternSets([patterns[index][0] for index in self._of_lines])

    def __len__(self) -> int:
        return len(self.entries)

    def search(self, text: str) -> Findings:
        """What hits in `text`; of hits that overlap in one category the heaviest, then the longest, counts."""
        if not self.entries:
            return Findings()
        seen = PhraseText(text[:MAX_TEXT])
        first: dict[int, tuple[int, int, Entry]] = {}
        for entry, start, end in self._found(seen):
            if id(entry) not in first and _counts(entry, seen, start, end):
                first[id(entry)] = (start, end, entry)
        hits: list[tuple[int, int, Entry]] = []
        against: dict[str, int] = {}
        for one in sorted(first.values(), key=lambda hit: (-hit[2].weight, hit[0] - hit[1])):
            start, end, entry = one
            if entry.weight < 0:
                against[entry.category] = against.get(entry.category, 0) + entry.weight
            elif not any(e.category == entry.category and s < end and start < t for s, t, e in hits):
                hits.append(one)
        if self.least:
            hits = self._enough(hits, against)
        shown = tuple(Hit(e.category, _shown(seen.joined[s:t]), e.weight) for s, t, e in sorted(hits, key=_place))
        return Findings(shown, len(text) <= MAX_TEXT)

    def weigh(self, hits: Sequence[Hit]) -> int:
        """The sum of the weights, each category at most its `most`."""
        sums: dict[str, int] = {}
        for hit in hits:
            sums[hit.category] = sums.get(hit.category, 0) + hit.weight
        return sum(min(weight, self.most.get(category, weight)) for category, weight in sums.items())

    def _enough(
        self, hits: Sequence[tuple[int, int, Entry]], against: Mapping[str, int]
    ) -> list[tuple[int, int, Entry]]:
        """The hits of those categories that reach their least sum, or in which one hit is enough."""
        sums = dict(against)
        enough = {category for category in self.categories if category not in self.least}
        for _, _, entry in hits:
            sums[entry.category] = sums.get(entry.category, 0) + entry.weight
            if entry.weight >= self.least.get(entry.category, 0):
                enough.add(entry.category)
        enough.update(category for category, least in self.least.items() if sums.get(category, 0) >= least)
        return [one for one in hits if one[2].category in enough]

    def _found(self, seen: PhraseText) -> Iterator[tuple[Entry, int, int]]:
        """Every hit before guards, as offsets in `seen.joined`, at most `TRIES` an entry and kind."""
        tries: dict[int, int] = {}
        if self._words is not None:
            for index, start, end in self._words.find_matches_as_indexes(seen.joined, overlapping=True):
                word, entry = self._of_word[index]
                if not stands_alone(word, seen.joined, start, end):
                    continue
                tries[id(entry)] = tries.get(id(entry), 0) + 1
                if tries[id(entry)] <= TRIES:
                    yield entry, start, end
        for index in self._anywhere.matching(seen.joined):
            yield from self._places(index, seen.joined)
        if seen.lines is not seen.joined:
            for index in self._in_lines.matching(seen.lines):
                for entry, start, end in self._places(self._of_lines[index], seen.lines):
                    yield entry, seen.in_joined(start), seen.in_joined(end)

    def _places(self, index: int, text: bytes) -> Iterator[tuple[Entry, int, int]]:
        """Where a pattern matches, at most `TRIES` times."""
        pattern, entry = self._patterns[index]
        compiled = self._compiled.get(index)
        if compiled is None:
            compiled = self._compiled[index] = re2.compile(pattern, re2_options())
        for found in islice(compiled.finditer(text), TRIES):
            yield entry, *found.span()


def _place(hit: tuple[int, int, Entry]) -> tuple[int, int]:
    return hit[0], hit[1]


def _counts(entry: Entry, seen: PhraseText, start: int, end: int) -> bool:
    """Whether no guard makes the hit harmless."""
    text = seen.joined
    for longer in entry.not_in:
        if text.find(longer, max(0, start - len(longer) + 1), end + len(longer) - 1) >= 0:
            return False
    if entry.not_near or entry.near:
        low, high = seen.sentence(start, end)
        if any(text.find(word, low, high) >= 0 for word in entry.not_near):
            return False
        if entry.near and not any(text.find(word, low, high) >= 0 for word in entry.near):
            return False
    return True


def _shown(words: bytes) -> str:
    text = words.decode("utf-8", "replace").replace("\n", " ").strip()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
