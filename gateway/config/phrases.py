"""Phrase files: words and patterns in weighted categories, each entry with its guards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.compose import parse
from gateway.config.document import Faulty, Items, Node, Scalar, Table, Wrong, known, suggestion, table
from gateway.config.files import Faults, Place, decode, read_bounded
from gateway.config.patterns import checked_pattern
from gateway.errors import Fault
from gateway.model.lists import fold_text
from gateway.model.phrases import Entry, PhraseBook
from gateway.text import Text

VERSION = "1"
MAX_BYTES = 4 * 1024 * 1024
MAX_ENTRIES = 20_000  # of all files of a ruleset
MAX_PATTERNS = 2_000  # of all files of a ruleset
MAX_WORDS = 1_000  # of one entry, and of one guard
LONGEST = 200  # characters of a word
HEAVIEST = 100

_KEYS = ("version", "guards", "parts", "categories")
_CATEGORY_KEYS = ("weight", "most", "least", "guards", "entries")
_ENTRY_KEYS = ("word", "pattern", "weight", "guards", "not_in", "not_near", "near")
_MULTILINE = b"(?m)"  # ^ and $ stand for the ends of a line
_WHOLE = re.compile(r"-?[0-9]{1,6}", re.ASCII)
_PART = re.compile(r"<[^<>\s]{1,40}>")

Words = tuple[bytes, ...]


@dataclass
class PhraseReader:
    """Reads the phrase files of one ruleset; every fault goes to `found`."""

    found: list[Fault]
    entries: list[Entry] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)
    _parts: dict[str, str] = field(default_factory=dict)  # of the file that is being read
    _patterns: int = 0

    def read(self, path: Path, file: str, faults: Faults, where: Scalar) -> bytes | None:
        """Takes in one file, called `file` in faults, and gives its bytes; None where it cannot be read at all."""
        raw = read_bounded(path, MAX_BYTES, faults, where)
        if raw is None:
            return None
        own = Faults(file, self.found)
        text = decode(raw, own)
        top = parse(text, own) if text is not None else None
        if top is not None:
            self._file(top, own)
        return raw

    def book(self) -> PhraseBook:
        """The compiled phrases of all files."""
        return PhraseBook(self.entries, self.most, self.least)

    def _file(self, top: Table, faults: Faults) -> None:
        pairs = known(top, _KEYS, faults)
        version = pairs["version"][1] if "version" in pairs else None
        if not isinstance(version, Scalar) or version.text != VERSION:
            said = Text("「version: 1」がありません。", "there is no `version: 1`")
            faults.add(version or top, said, Text("先頭に「version: 1」と書いてください。", "write it at the top"))
        guards: dict[str, Words] = {}
        try:
            for name, node in table(pairs["guards"][1], faults, _GUARDS).pairs if "guards" in pairs else ():
                guards[name.text] = ()
                guards[name.text] = _words(node, faults)
        except Faulty:
            pass
        self._parts = {}
        try:
            for name, node in table(pairs["parts"][1], faults, _PARTS).pairs if "parts" in pairs else ():
                if not isinstance(node, Scalar) or node.empty:
                    faults.add(node, Text("ここにはパターンを書きます。", "a pattern is needed here"))
                    continue
                self._parts[f"<{name.text}>"] = f"({self._whole_pattern(node.text)})"
        except Faulty:
            pass
        if "categories" not in pairs:
            mend = Text(
                "「categories:」の下に、分類と言葉を書いてください。", "write categories of words under `categories:`"
            )
            faults.add(top, Text("「categories」がありません。", "`categories` is missing"), mend)
            return
        try:
            categories = table(pairs["categories"][1], faults, Text("「categories」", "categories")).pairs
        except Faulty:
            return
        for name, node in categories:
            try:
                self._category(name, node, guards, faults)
            except Faulty:
                continue

    def _category(self, name: Scalar, node: Node, guards: Mapping[str, Words], faults: Faults) -> None:
        title = name.text.strip()
        if not 1 <= len(title) <= 40:
            faults.add(name, Text("分類の名前は 1 字以上 40 字以下です。", "a category's name has 1 to 40 characters"))
            raise Faulty
        pairs = known(
            table(node, faults, Text("分類「{name}」", "category {name}").with_(name=title)), _CATEGORY_KEYS, faults
        )
        weight = _whole(pairs["weight"][1], faults) if "weight" in pairs else 1
        if "most" in pairs:
            self.most[title] = _whole(pairs["most"][1], faults)
        if "least" in pairs:
            self.least[title] = _whole(pairs["least"][1], faults)
        shared = _named(pairs["guards"][1], guards, faults) if "guards" in pairs else ()
        listed = pairs["entries"][1] if "entries" in pairs else None
        if not isinstance(listed, Items) or not listed.items:
            said = Text("分類「{name}」に「entries」の並びがありません。", "category {name} has no list `entries`")
            mend = Text("「entries:」の下に「- 言葉」を並べてください。", "write `- word` lines under `entries:`")
            faults.add(listed or node, said.with_(name=title), mend)
            raise Faulty
        for one in listed.items:
            try:
                self._entry(Entry(title, weight, not_near=shared), one, guards, faults)
            except Faulty:
                continue

    def _entry(self, base: Entry, node: Node, guards: Mapping[str, Words], faults: Faults) -> None:
        if isinstance(node, Table):
            pairs = {key: value for key, (_, value) in known(node, _ENTRY_KEYS, faults).items()}
        else:
            pairs = {"word": node}
        words = _words(pairs["word"], faults) if "word" in pairs else ()
        patterns = _words(pairs["pattern"], faults, self._pattern) if "pattern" in pairs else ()
        if not words and not patterns:
            said = Text("「word」も「pattern」もありません。", "there is neither `word` nor `pattern`")
            faults.add(node, said, Text("「- word: 言葉」のように書いてください。", "write it as `- word: …`"))
            raise Faulty
        self._patterns += len(patterns)
        if len(self.entries) >= MAX_ENTRIES or self._patterns > MAX_PATTERNS:
            said = Text(
                "言葉が多すぎます（言葉 {entries} 件、パターン {patterns} 件まで）。",
                "too many phrases (at most {entries} entries and {patterns} patterns)",
            )
            faults.add(Place(0, 0), said.with_(entries=MAX_ENTRIES, patterns=MAX_PATTERNS))
            raise Faulty
        named = _named(pairs["guards"], guards, faults) if "guards" in pairs else ()
        weight = _whole(pairs["weight"], faults, -HEAVIEST) if "weight" in pairs else base.weight
        # what makes a hit harmless does not silence what speaks against the category
        shared = base.not_near if weight >= 0 else ()
        self.entries.append(
            Entry(
                base.category,
                weight,
                words,
                patterns,
                _words(pairs["not_in"], faults) if "not_in" in pairs else (),
                tuple(
                    dict.fromkeys(
                        (*shared, *named, *(_words(pairs["not_near"], faults) if "not_near" in pairs else ()))
                    )
                ),
                _words(pairs["near"], faults) if "near" in pairs else (),
            )
        )

    def _whole_pattern(self, pattern: str) -> str:
        """The pattern with each `<name>` of a part replaced by what the part says."""
        return _PART.sub(lambda found: self._parts.get(found[0], found[0]), pattern)

    def _pattern(self, text: str) -> bytes:
        return _MULTILINE + checked_pattern(self._whole_pattern(text))


_GUARDS = Text("「guards」", "guards")
_PARTS = Text("「parts」", "parts")
_MEND = Text("言葉を一つか、[A, B] のように並べて書いてください。", "write one word, or several as [A, B]")


def _scalars(node: Node, faults: Faults) -> tuple[Scalar, ...]:
    nodes = node.items if isinstance(node, Items) else (node,)
    if not 1 <= len(nodes) <= MAX_WORDS:
        said = Text("1 個以上 {most} 個以下で書いてください。", "write at least 1 and at most {most} of them")
        faults.add(node, said.with_(most=MAX_WORDS))
        raise Faulty
    wrong = next((one for one in nodes if not isinstance(one, Scalar) or one.empty), None)
    if wrong is not None:
        faults.add(wrong, Text("ここには言葉を書きます。", "a word is needed here"), _MEND)
        raise Faulty
    return tuple(one for one in nodes if isinstance(one, Scalar))


def _words(node: Node, faults: Faults, make: Callable[[str], bytes] | None = None) -> Words:
    """The folded words, or what `make` makes of each; raises `Faulty` after noting every fault."""
    made: list[bytes] = []
    faulty = False
    for word in _scalars(node, faults):
        try:
            made.append((make or _word)(word.text))
        except Wrong as wrong:
            faults.add(word, wrong.text, wrong.mend)
            faulty = True
    if faulty:
        raise Faulty
    return tuple(dict.fromkeys(made))


def _word(text: str) -> bytes:
    folded = fold_text(text).strip()
    if not 1 <= len(folded) <= LONGEST:
        raise Wrong(
            Text("言葉は 1 字以上 {most} 字以下です。", "a word has 1 to {most} characters").with_(most=LONGEST)
        )
    return folded.encode("utf-8", "replace")


def _whole(node: Node, faults: Faults, least: int = 0) -> int:
    if isinstance(node, Scalar) and _WHOLE.fullmatch(node.text) and least <= int(node.text) <= HEAVIEST:
        return int(node.text)
    said = Text(
        "ここには {least} から {most} までの整数を書きます。", "a whole number from {least} to {most} is needed here"
    )
    faults.add(node, said.with_(least=least, most=HEAVIEST))
    raise Faulty


def _named(node: Node, guards: Mapping[str, Words], faults: Faults) -> Words:
    """The words of the named guards."""
    words: list[bytes] = []
    faulty = False
    for name in _scalars(node, faults):
        if name.text not in guards:
            said = Text("「{name}」という guards はありません。", "there is no guard {name}").with_(name=name.text[:80])
            faults.add(name, said, suggestion(name.text, guards))
            faulty = True
        words.extend(guards.get(name.text, ()))
    if faulty:
        raise Faulty
    return tuple(dict.fromkeys(words))
