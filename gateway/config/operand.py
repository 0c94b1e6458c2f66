"""What stands to the right of an operator, and what it may refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from gateway.config.document import Faulty, Items, Node, Scalar, Wrong
from gateway.config.files import Faults
from gateway.model.fact import FactSpec, Value
from gateway.model.lists import ListIndex
from gateway.text import Text

T = TypeVar("T")

MAX_WORDS = 1000  # operands of one operator; more belong into a list
NONE = "none"  # `is: none` holds where a fact has no value


@dataclass(frozen=True)
class Names:
    """What operands may refer to: lists by name, and today's date in the shop's time zone."""

    lists: Mapping[str, ListIndex]
    today: Callable[[], date]
    faults: Faults


@dataclass(frozen=True)
class Operand:
    """What stands to the right of an operator."""

    spec: FactSpec
    node: Node
    names: Names

    def words(self) -> tuple[Scalar, ...]:
        """The single values: one, or a list of which any may fit. Raises `Faulty`."""
        nodes = self.node.items if isinstance(self.node, Items) else (self.node,)
        if not 1 <= len(nodes) <= MAX_WORDS:
            text = Text("1 個以上 {most} 個以下で書いてください。", "write at least 1 and at most {most} of them")
            self.names.faults.add(
                self.node, text.with_(most=MAX_WORDS), Text("多いときは lists を使います。", "use a list for more")
            )
            raise Faulty
        scalars = [node for node in nodes if isinstance(node, Scalar) and not node.empty]
        if len(scalars) < len(nodes):
            where = next(node for node in nodes if not isinstance(node, Scalar) or node.empty)
            self.names.faults.add(
                where,
                Text("ここには値を書きます。", "a value is needed here"),
                Text("値か、値の並び [A, B] を書いてください。", "write a value, or several as [A, B]"),
            )
            raise Faulty
        return tuple(scalars)

    def each(self, parse: Callable[[str], T], words: tuple[Scalar, ...] | None = None) -> tuple[T, ...]:
        """Every single value through `parse`, which raises `Wrong`. Raises `Faulty` after noting each fault."""
        values: list[T] = []
        faulty = False
        for word in self.words() if words is None else words:
            try:
                values.append(parse(word.text))
            except Wrong as wrong:
                self.names.faults.add(word, wrong.text, wrong.mend)
                faulty = True
        if faulty:
            raise Faulty
        return tuple(values)

    def given(self) -> tuple[tuple[Scalar, ...], bool]:
        """The single values without `none`, and whether `none` is among them."""
        words = self.words()
        left = tuple(word for word in words if word.text != NONE)
        return left, len(left) < len(words)

    def one(self) -> Scalar:
        """The only value. Raises `Faulty` where there are several."""
        words = self.words()
        if len(words) > 1 or isinstance(self.node, Items):
            self.names.faults.add(self.node, Text("ここには値を一つだけ書きます。", "a single value is needed here"))
            raise Faulty
        return words[0]


def texts(value: Value) -> tuple[str, ...]:
    """The texts in a value, of which any may fit."""
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()
