"""The tree that a YAML file is read into: texts with line and column, and what every reader asks of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.config.files import Faults
from gateway.config.syntax import WIDE
from gateway.text import Text


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as written. `quoted` where it stood in quotes or as a block; line and column count from 1."""

    text: str
    line: int
    column: int
    quoted: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is written there."""
        return not self.quoted and self.text in {"", "~", "null"}


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Table:
    """Keys with their values, in the order they are written; no key stands twice."""

    pairs: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int

    def get(self, key: str) -> Node | None:
        """The value under `key`."""
        return next((value for name, value in self.pairs if name.text == key), None)


Node = Scalar | Items | Table


class Faulty(Exception):
    """What was being read has a fault that is already noted; whoever holds the next larger piece goes on without it."""


class Wrong(Exception):
    """A text that does not mean a value of the kind; says why and gives the mend."""

    def __init__(self, text: Text, mend: Text | None = None) -> None:
        super().__init__(str(text))
        self.text = text
        self.mend = mend


def table(node: Node, faults: Faults, what: Text) -> Table:
    """The node as a table; raises `Faulty` where it is none."""
    if isinstance(node, Table):
        return node
    faults.add(
        node,
        Text("{what}の中身は、キーと値の組でなければなりません。", "{what} must hold keys and values").with_(what=what),
        Text("「キー: 値」の形で書いてください。", "write it as `key: value`"),
    )
    raise Faulty


def known(
    node: Table, allowed: Iterable[str], faults: Faults, meant: set[str] | None = None
) -> dict[str, tuple[Scalar, Node]]:
    """The pairs of a table by key; a key that is not allowed is a fault with the likeliest one suggested.

    What was suggested is put into `meant`, so that nobody is told that it is missing as well.
    """
    names = list(allowed)
    found: dict[str, tuple[Scalar, Node]] = {}
    for key, value in node.pairs:
        if key.text in names:
            found[key.text] = (key, value)
        else:
            text = Text("「{key}」というキーはありません。", "there is no key {key}").with_(key=key.text)
            wide = "：" in key.text or "\u3000" in key.text
            faults.add(key, text, WIDE if wide else suggestion(key.text, names))
            if meant is not None:
                meant.update(_near(key.text, names))
    return found


def _near(word: str, names: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(word.lower()[:100], names, n=1, cutoff=0.6)


def suggestion(word: str, names: Iterable[str]) -> Text:
    """The mend for a word that is not known: the likeliest one meant, otherwise all that may stand there."""
    choices = sorted(set(names))
    near = _near(word, choices)
    if near:
        return Text("「{near}」のことですか。", "did you mean {near}?").with_(near=near[0])
    if not choices:
        return Text("ここには何も書けません。", "nothing can stand here")
    return Text("使えるのは: {names}", "what can stand here: {names}").with_(names=", ".join(choices[:40]))
