"""Kinds of values in a config file: how each is read, and what a JSON Schema says of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.config.document import Faulty, Items, Node, Scalar, Wrong, known, suggestion, table
from gateway.config.expand import expand
from gateway.config.files import Faults
from gateway.text import Text

T = TypeVar("T")
Schema = dict[str, Any]

_ONE = Text("ここには値を一つだけ書きます。", "a single value is needed here")
_WRITE = Text("{what}を書いてください。", "write {what}")
_EMPTY = Text("値がありません。", "there is no value")
_EMPTY_MEND = Text("値を書くか、この行を消してください。", "write a value or remove the line")


@dataclass(frozen=True)
class Reading:
    """What reading needs: where faults go, the folder that relative paths start at, the environment for `${NAME}`."""

    faults: Faults
    base: Path
    environ: Mapping[str, str]


class Kind(ABC, Generic[T]):
    """A kind of value."""

    @abstractmethod
    def read(self, node: Node, reading: Reading) -> T:
        """The value of a node; raises `Faulty` after noting the fault."""

    @abstractmethod
    def schema(self) -> Schema:
        """The JSON Schema of the kind."""


class Word(Kind[T]):
    """A single value: `parse` types the text, raising `Wrong`, or `ValueError` where `what` says enough."""

    def __init__(
        self,
        parse: Callable[[str, Reading], T],
        what: Text,
        *,
        pattern: str = "",
        values: Sequence[str] = (),
        raw: bool = False,
    ) -> None:
        self._parse = parse
        self._what = what
        self._pattern = pattern
        self._values = tuple(values)
        self._raw = raw  # the parser itself expands ${NAME}

    def read(self, node: Node, reading: Reading) -> T:
        """The typed value."""
        if not isinstance(node, Scalar):
            reading.faults.add(node, _ONE, _WRITE.with_(what=self._what))
            raise Faulty
        if node.empty:
            reading.faults.add(node, _EMPTY, _EMPTY_MEND)
            raise Faulty
        try:
            text = node.text if self._raw else expand(node.text, reading.base, reading.environ)
            return self._parse(text, reading)
        except Wrong as wrong:
            reading.faults.add(node, wrong.text, wrong.mend)
        except ValueError:
            said = Text("「{said}」は、ここでは使えません。", "{said!r} cannot be used here").with_(said=node.text[:80])
            reading.faults.add(node, said, _WRITE.with_(what=self._what))
        raise Faulty

    def schema(self) -> Schema:
        """A string, a number or a boolean: all are read as text first."""
        if self._values:
            return {"enum": list(self._values)}
        return {"type": ["string", "number"]} | ({"pattern": self._pattern} if self._pattern else {})


class Choice(Word[str]):
    """One of a few words."""

    def __init__(self, *names: str) -> None:
        def parse(text: str, reading: Reading) -> str:
            if text not in names:
                raise Wrong(
                    Text("「{said}」は選べません。", "{said!r} is not a choice here").with_(said=text[:80]),
                    suggestion(text, names),
                )
            return text

        listed = " | ".join(names)
        super().__init__(parse, Text(f"{listed} のどれか", f"one of {listed}"), values=names)


class Many(Kind[tuple[T, ...]]):
    """A list; a single value stands for a list of one."""

    def __init__(self, kind: Kind[T], *, least: int = 0, most: int = 10_000) -> None:
        self._kind = kind
        self._least = least
        self._most = most

    def read(self, node: Node, reading: Reading) -> tuple[T, ...]:
        """The values; raises `Faulty` where any of them has a fault."""
        nodes = node.items if isinstance(node, Items) else (node,)
        values: list[T] = []
        faulty = False
        if not self._least <= len(nodes) <= self._most:
            text = Text(
                "{least} 個以上 {most} 個以下で書いてください。", "write at least {least} and at most {most} of them"
            )
            reading.faults.add(node, text.with_(least=self._least, most=self._most))
            faulty = True
        for one in nodes:
            try:
                values.append(self._kind.read(one, reading))
            except Faulty:
                faulty = True
        if faulty:
            raise Faulty
        return tuple(values)

    def schema(self) -> Schema:
        """A list of the kind, or one."""
        one = self._kind.schema()
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": self._least}]}


@dataclass(frozen=True)
class Key:
    """A key of a section: its kind, what it is for, and the attribute it becomes (its name where `to` is empty)."""

    name: str
    kind: Kind[Any]
    about: Text
    required: bool = False
    to: str = ""


class Section(Kind[T]):
    """A group of keys that becomes one value; keys that are left out, or at fault, keep their defaults."""

    def __init__(self, build: Callable[..., T], what: Text, *keys: Key) -> None:
        self._build = build
        self.what = what
        self.keys = keys

    def read(self, node: Node, reading: Reading) -> T:
        """The built value; raises `Faulty` where a required key has none."""
        faults = reading.faults
        meant: set[str] = set()
        pairs = known(table(node, faults, self.what), [key.name for key in self.keys], faults, meant)
        values: dict[str, Any] = {}
        lacking = False
        for key in self.keys:
            if key.name in pairs:
                try:
                    values[key.to or key.name] = key.kind.read(pairs[key.name][1], reading)
                except Faulty:
                    lacking = lacking or key.required
            elif key.required:
                lacking = True
                if key.name in meant:
                    continue
                faults.add(
                    node,
                    Text("{what}に「{key}」がありません。", "{what} lacks {key}").with_(what=self.what, key=key.name),
                    Text("「{key}: …」の行を足してください。{about}", "add a line `{key}: …`; {about}").with_(
                        key=key.name, about=key.about
                    ),
                )
        if lacking:
            raise Faulty
        try:
            return self._build(**values)
        except Wrong as wrong:
            faults.add(node, wrong.text, wrong.mend)
            raise Faulty from wrong

    def schema(self) -> Schema:
        """An object that takes these keys and no others."""
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {k.name: k.kind.schema() | {"description": k.about.en} for k in self.keys},
            "required": [k.name for k in self.keys if k.required],
        }


class Either(Kind[T]):
    """A single value in short, or the section that says more."""

    def __init__(self, short: Kind[T], full: Section[T]) -> None:
        self._short = short
        self._full = full

    def read(self, node: Node, reading: Reading) -> T:
        """The value of whichever form is written."""
        return (self._short if isinstance(node, Scalar) else self._full).read(node, reading)

    def schema(self) -> Schema:
        """Either form."""
        return {"anyOf": [self._short.schema(), self._full.schema()]}


class Made(Kind[T]):
    """A value of another kind, turned into what a setting holds."""

    def __init__(self, kind: Kind[Any], make: Callable[[Any], T]) -> None:
        self._kind = kind
        self._make = make

    def read(self, node: Node, reading: Reading) -> T:
        """The made value."""
        return self._make(self._kind.read(node, reading))

    def schema(self) -> Schema:
        """The other kind's."""
        return self._kind.schema()
