"""YAML text to a tree with line and column, within limits, and with every fault that the text has as YAML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from gateway.config.document import Faulty, Items, Node, Scalar, Table
from gateway.config.files import Faults, decode, read_bounded, shown
from gateway.config.syntax import explain
from gateway.errors import Fault
from gateway.text import Text

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 100_000  # aliases counted as often as they are used

_SIMPLER = Text("もっと簡単な形で書いてください。", "write it in a simpler form")
_OPENED = ("while scanning a quoted scalar", "while parsing a flow sequence", "while parsing a flow mapping")
_CANNOT_START = "found character that cannot start any token"


def read_document(path: str, found: list[Fault]) -> tuple[Table | None, Faults, bytes]:
    """The top table of a YAML file (None where there is none to speak of), its collector of faults, and its bytes."""
    faults = Faults(shown(path), found)
    raw = read_bounded(path, MAX_BYTES, faults)
    if raw is None:
        return None, faults, b""
    text = decode(raw, faults)
    return (parse(text, faults) if text is not None else None), faults, raw


def parse(text: str, faults: Faults) -> Table | None:
    """The top table of a YAML text, every fault that the text has as YAML noted."""
    try:
        root = _compose(text, faults)
    except Faulty:
        return None
    if not isinstance(root, Table):
        where = root or Scalar("", 1, 1)
        faults.add(
            where,
            Text("「キー: 値」の形の行がありません。", "there are no `key: value` lines"),
            Text(
                "sekisho init で作られるファイルを手本にしてください。", "take a file made by `sekisho init` as a model"
            ),
        )
        return None
    return root


def _compose(text: str, faults: Faults) -> Node | None:
    """The tree of a text. An entry that lacks its quotes is noted, stood in for, and the rest still read."""
    for _ in range(faults.room + 1):
        try:
            return _Composer(faults).compose(text)
        except yaml.MarkedYAMLError as error:
            opened = error.context in _OPENED  # what was never closed is shown where it begins
            mark = error.context_mark if opened else error.problem_mark
            line, column = (mark.line, mark.column) if mark else (0, 0)
            lines = text.split("\n")
            at = lines[line] if line < len(lines) else ""
            if error.context == "while scanning an alias":
                column -= 1
            bare = error.context == "while scanning an alias" or (
                error.problem == _CANNOT_START and at[column : column + 1] in {"@", "`", "%"}
            )
            if not bare or not 0 <= column < len(at):
                said, mend = explain(error, lines)
                faults.add(Scalar("", line + 1, column + 1), said, mend)
                raise Faulty from error
            _note_bare(Scalar("", line + 1, column + 1), at[column:], faults)
            lines[line] = f"{at[:column]}x{at[column + 1 :]}"
            text = "\n".join(lines)
        except yaml.YAMLError as error:
            faults.add(Scalar("", 1, 1), *explain(error, text.split("\n")))
            raise Faulty from error
    raise Faulty


def _note_bare(where: Scalar, rest: str, faults: Faults) -> None:
    entry = rest.split(" #")[0].rstrip().rstrip(",]}").rstrip()
    faults.add(
        where,
        Text(
            "「{sign}」で始まる値は、引用符で囲まないと YAML として読めません。",
            "a value that starts with {sign} must stand in quotes",
        ).with_(sign=entry[:1]),
        Text('"{entry}" のように囲んでください。', 'write it as "{entry}"').with_(entry=entry.split(",")[0].strip()),
    )
    faults.silence(where)


class _Composer:
    """Builds the tree out of YAML's events, without recursion, within the limits."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._anchors: dict[str, tuple[Node, int]] = {}
        # open collections: (start event, children with what they weigh)
        self._open: list[tuple[Any, list[Node], int]] = []
        self._root: Node | None = None
        self._documents = 0
        self._flow = 0  # how many of the open collections are written as [] or {}

    def compose(self, text: str) -> Node | None:
        """The root node."""
        events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)
        for event in events:
            where = _place(event)
            if isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    self._stop(
                        where,
                        Text(
                            "ファイルの中に「---」の区切りがあり、文書が二つあります。",
                            "the file holds a second document",
                        ),
                        Text("「---」の行を消して一つにしてください。", "remove the `---` line"),
                    )
            elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                self._refuse_tag(event, where)
                if len(self._open) >= MAX_DEPTH:
                    self._stop(where, Text("入れ子が深すぎます。", "the nesting is too deep"), _SIMPLER)
                self._open.append((event, [], 1))
                self._flow += bool(event.flow_style)
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._close()
            elif isinstance(event, yaml.ScalarEvent):
                self._refuse_tag(event, where)
                quoted = event.style is not None and event.style != ""
                if not quoted and event.value and not self._flow and _spans_lines(event):
                    self._faults.add(
                        where,
                        Text("値が次の行まで続いて読まれています。", "the value runs on into the next line"),
                        Text(
                            "次の行の字下げと「:」を確かめてください。本当に長い値なら引用符で囲みます。",
                            "check the next line's indentation and its `:`; put a value that is really long in quotes",
                        ),
                    )
                    self._faults.silence(where)
                self._put(Scalar(event.value, where.line, where.column, quoted), 1, event.anchor)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor or "", where)
        return self._root

    def _alias(self, name: str, where: Scalar) -> None:
        if name not in self._anchors:
            _note_bare(where, f"*{name}", self._faults)
            self._put(Scalar(f"*{name}", where.line, where.column), 1, None)
            return
        node, weight = self._anchors[name]
        self._put(node, weight, None)

    def _put(self, node: Node, weight: int, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = (node, weight)
        if not self._open:
            self._root = node
            return
        event, children, total = self._open[-1]
        if total + weight > MAX_NODES:
            self._stop(node, Text("値が多すぎます。", "there are too many values"), _SIMPLER)
        children.append(node)
        self._open[-1] = (event, children, total + weight)

    def _close(self) -> None:
        event, children, weight = self._open.pop()
        self._flow -= bool(event.flow_style)
        line, column = _place(event).line, _place(event).column
        node: Node
        if isinstance(event, yaml.SequenceStartEvent):
            node = Items(tuple(children), line, column)
        else:
            node = Table(tuple(self._pairs(children)), line, column)
        self._put(node, weight, event.anchor)

    def _pairs(self, children: list[Node]) -> Iterator[tuple[Scalar, Node]]:
        seen: dict[str, int] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._faults.add(key, Text("キーは一つの言葉でなければなりません。", "a key must be a single word"))
            elif key.text in seen:
                self._faults.add(
                    key,
                    Text(
                        "キー「{key}」が二度書かれています（最初は {line} 行目）。",
                        "the key {key} stands twice (first on line {line})",
                    ).with_(key=key.text, line=seen[key.text]),
                    Text("どちらか一つにしてください。", "keep one of them"),
                )
            else:
                seen[key.text] = key.line
                yield key, value

    def _refuse_tag(self, event: Any, where: Scalar) -> None:
        if event.tag and event.tag != "!":
            self._stop(
                where,
                Text("「!」で始まる YAML のタグは使えません。", "YAML tags that start with ! cannot be used"),
                Text("値を引用符で囲んでください。", "put the value in quotes"),
            )

    def _stop(self, where: Node, text: Text, mend: Text | None = None) -> None:
        self._faults.add(where, text, mend)
        raise Faulty


def _place(event: Any) -> Scalar:
    return Scalar("", event.start_mark.line + 1, event.start_mark.column + 1)


def _spans_lines(event: Any) -> bool:
    return bool(event.end_mark.line > event.start_mark.line)
