"""The part of Jinja2 that templates may use, with bounds on loops, output and time.

Jinja2's own sandbox guards against reaching into Python, not against `'a' * 10**9`. So templates are checked against a
list of what is allowed before they run, every loop draws on one budget, and the operators that can make much out of
little are intercepted once more while they run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.text import Text

MAX_STEPS = 2000  # rounds of all loops of one rendering together
MAX_OUTPUT = 64 * 1024  # characters
MAX_SECONDS = 0.5
MAX_SOURCE = 64 * 1024
_BUDGET = "_budget"

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.If,
    nodes.For, nodes.Assign, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.CondExpr, nodes.Add, nodes.Sub, nodes.Neg, nodes.List, nodes.Tuple, nodes.Keyword, nodes.Call,
)  # fmt: skip
_TAG = re.compile(r"\{%[^%\n]*%\}|\{#[^#\n]*#\}")
_TESTS = {"defined", "undefined", "none", "equalto", "eq", "ne", "in", "string", "number"}

NOT_ALLOWED = Text("「{what}」はテンプレートでは使えません。", "`{what}` cannot be used in a template.")
NO_FILTER = Text("「{what}」というフィルターはありません。", "There is no filter `{what}`.")
NO_NAME = Text("「{what}」という項目はありません。", "There is no value called `{what}`.")
TOO_LONG = Text("テンプレートの結果が長すぎます。", "The template's output is too long.")
TOO_SLOW = Text("テンプレートの処理に時間がかかりすぎます。", "The template takes too long.")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a template's source that is not allowed: line (from 1), what is wrong, the word it is about."""

    line: int
    text: Text
    word: str = ""
    mend: Text | None = None


class NotAllowed(Exception):
    """A template's source asks for what it may not have; `findings` in the order of the text."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(str(findings[0].text))
        self.findings = tuple(findings)


class Exhausted(Exception):
    """A rendering went beyond its bounds; `text` says which."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


class Budget:
    """What one rendering may use up."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS
        self._until = time.monotonic() + MAX_SECONDS
        self._written = 0

    def rounds(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items of a loop, each drawn from the budget."""
        for item in items:
            self._steps -= 1
            self.check()
            yield item

    def output(self, pieces: Iterable[str]) -> str:
        """The whole output, as far as it stays within bounds."""
        kept: list[str] = []
        for piece in pieces:
            self._written += len(piece)
            if self._written > MAX_OUTPUT:
                raise Exhausted(TOO_LONG)
            self.check()
            kept.append(piece)
        return "".join(kept)

    def check(self) -> None:
        """Raise `Exhausted` when steps or time are used up."""
        if self._steps < 0 or time.monotonic() > self._until:
            raise Exhausted(TOO_SLOW)


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2 cut down to what a mail needs: values, conditions, short loops, a handful of filters."""

    intercepted_binops = frozenset(["+", "-", "*", "**", "/", "//", "%"])

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            keep_trailing_newline=True,
            cache_size=0,
        )
        self.globals = {"range": _short_range}
        self.filters = dict(_FILTERS)
        self.tests = {name: test for name, test in self.tests.items() if name in _TESTS}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`+` and `-` on small values; nothing else (FACTS: `'a' * 10**9` takes 28 s and 1 GB)."""
        if operator in "+-" and isinstance(left, int) and isinstance(right, int):
            return left + right if operator == "+" else left - right
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _short(left + right)
        raise SecurityError(f"operator {operator} is not available in templates")

    def build(self, source: str, known: Mapping[str, Sequence[str]]) -> Template:
        """Compile `source`, which may use the names in `known` with their parts.

        Raises `NotAllowed`, and jinja2's TemplateSyntaxError, which has a line number.
        """
        if len(source) > MAX_SOURCE:
            raise NotAllowed([Finding(1, TOO_LONG)])
        self.parse(source)  # as written, so that an error names the line where it stands
        tree = self.parse(_close_tag_lines(source))
        local = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
        findings = [found for node in _walk(tree) for found in self._judge(node, known, local)]
        if findings:
            raise NotAllowed(sorted(findings, key=lambda finding: finding.line))
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Call(nodes.Name(_BUDGET, "load"), [loop.iter], [], None, None, lineno=loop.lineno)
        return Template.from_code(self, self.compile(tree), self.make_globals(None))

    def run(self, template: Template, values: Mapping[str, object]) -> str:
        """Render; raises `Exhausted`, and what jinja2 raises on undefined values."""
        budget = Budget()
        return budget.output(template.generate({**values, _BUDGET: budget.rounds}))

    def _judge(self, node: nodes.Node, known: Mapping[str, Sequence[str]], local: set[str]) -> Iterator[Finding]:
        line = node.lineno
        if not isinstance(node, _ALLOWED) or (isinstance(node, nodes.For) and node.recursive):
            kind = type(node).__name__.lower()
            what = _SIGNS.get(kind, kind)
            yield Finding(line, NOT_ALLOWED.with_(what=what), what)
        elif isinstance(node, nodes.Call):
            if not (isinstance(node.node, nodes.Name) and node.node.name == "range"):
                name = str(getattr(node.node, "attr", getattr(node.node, "name", "")))
                yield Finding(line, NOT_ALLOWED.with_(what=f"{name}()"), name, _NO_CALLS)
        elif isinstance(node, (nodes.List, nodes.Tuple)):
            # a list in a list in a list …, each written twice, grows as 2ⁿ
            if not all(isinstance(item, nodes.Const) for item in node.items):
                yield Finding(line, NOT_ALLOWED.with_(what="[…]"), "[", _CONSTANTS)
        elif isinstance(node, nodes.Filter) and node.name not in self.filters:
            yield Finding(line, NO_FILTER.with_(what=node.name), node.name, _choose(self.filters))
        elif isinstance(node, nodes.Test) and node.name not in self.tests:
            yield Finding(line, NOT_ALLOWED.with_(what=f"is {node.name}"), node.name, _choose(self.tests))
        elif isinstance(node, nodes.Name) and node.ctx == "load":
            if node.name not in known and node.name not in local | {"range", "loop"}:
                yield Finding(line, NO_NAME.with_(what=node.name), node.name, _choose(known))
        elif isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
            name, parts = node.node.name, known.get(node.node.name, ())
            if name in known and name not in local and node.attr not in parts:
                mend = _choose(f"{name}.{part}" for part in parts) if parts else None
                yield Finding(line, NO_NAME.with_(what=f"{name}.{node.attr}"), node.attr, mend)


_CONSTANTS = Text("[ ] の中には文字列と数だけを書けます。", "Between [ ] only strings and numbers may stand.")
_NO_CALLS = Text("{{ 項目|フィルター }} の形で書きます。", "Write {{ value|filter }} instead.")
_SIGNS = {"mul": "*", "pow": "**", "div": "/", "floordiv": "//", "mod": "%", "concat": "~"}


def _close_tag_lines(source: str) -> str:
    """A line of nothing but tags leaves no line behind: its newline moves into the tag, so line numbers stay true."""
    lines = source.split("\n")
    for number, line in enumerate(lines[:-1]):
        bare = line.strip()
        if bare.endswith(("%}", "#}")) and not _TAG.sub("", bare).strip():
            lines[number] = bare[:-2] + "\n" + bare[-2:]
        else:
            lines[number] = line + "\n"
    return "".join(lines)


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    """All nodes in the order they are written."""
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _choose(names: Iterable[str]) -> Text:
    return Text("使えるのは {names} です。", "Available: {names}.").with_(names=", ".join(sorted(names)))


def _short(text: str) -> str:
    if len(text) > MAX_OUTPUT:
        raise Exhausted(TOO_LONG)
    return text


def _short_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_STEPS:
        raise Exhausted(TOO_SLOW)
    return numbers


def _default(value: object, instead: object = "") -> object:
    """`instead` where the value is empty."""
    return value if value else instead


def _truncate(value: object, length: int = 60) -> str:
    text = str(value)
    return text if len(text) <= length else text[: max(0, length - 1)] + "…"


def _join(value: Iterable[object], between: str = ", ") -> str:
    pieces: list[str] = []
    size = 0
    for item in value:
        pieces.append(str(item))
        size += len(pieces[-1]) + len(between)
        if size > MAX_OUTPUT:
            raise Exhausted(TOO_LONG)
    return between.join(pieces)


_FILTERS: dict[str, Callable[..., Any]] = {
    "default": _default,
    "upper": lambda value: _short(str(value).upper()),
    "lower": lambda value: _short(str(value).lower()),
    "trim": lambda value: str(value).strip(),
    "length": len,
    "truncate": _truncate,
    "join": _join,
}
