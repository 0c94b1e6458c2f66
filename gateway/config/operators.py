"""What a rule's operators mean: each is compiled into a pure test on the value of a fact."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TypeVar

import re2

from gateway.config.document import Faulty, Items, Node, Scalar, Wrong, suggestion
from gateway.config.files import Faults, Place
from gateway.config.lists import inline_list
from gateway.config.words import octets, truth
from gateway.model.entry import Who, address_keys, parse_entry
from gateway.model.fact import FactSpec, Kind, Value
from gateway.model.lists import ListIndex, fold_text
from gateway.model.network import Network, parse_network
from gateway.model.rule import Test
from gateway.text import Text

T = TypeVar("T")

MAX_PATTERN = 1000  # characters
MAX_WORDS = 1000  # operands of one operator; more belong into a list
NONE = "none"  # `is: none` holds where a fact has no value
HOURS = ("local_hour",)  # the facts that `between` reads as hours of a day

_HOURS = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))? ?[-~〜–] ?([0-9]{1,2})(?::([0-9]{2}))?")


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


# Several conditions look at the same body: it is folded and encoded once.
_folded = lru_cache(maxsize=32)(fold_text)


@lru_cache(maxsize=16)
def _encoded(text: str) -> bytes:
    return _folded(text).encode("utf-8", "replace")


def _absent(value: Value) -> bool:
    return value is None or value == "" or value == ()


def _or_none(test: Test, none: bool) -> Test:
    return (lambda value: _absent(value) or test(value)) if none else test


def _text_is(operand: Operand) -> Test:
    words, none = operand.given()
    wanted = frozenset(fold_text(word.text.strip()) for word in words)
    return _or_none(lambda value: any(_folded(text).strip() in wanted for text in texts(value)), none)


def _piece(text: str) -> str:
    folded = fold_text(text)
    if not folded.strip():
        raise Wrong(
            Text("空の言葉はどの文にも含まれてしまいます。", "an empty word is part of every text"),
            Text("探す言葉を書いてください。", "write the word to look for"),
        )
    return folded


def _contains(operand: Operand) -> Test:
    pieces = operand.each(_piece)
    return lambda value: any(piece in _folded(text) for text in texts(value) for piece in pieces)


def _starts_with(operand: Operand) -> Test:
    pieces = operand.each(_piece)
    return lambda value: any(_folded(text).lstrip().startswith(pieces) for text in texts(value))


def _ends_with(operand: Operand) -> Test:
    pieces = operand.each(_piece)
    return lambda value: any(_folded(text).rstrip().endswith(pieces) for text in texts(value))


def _matches(operand: Operand) -> Test:
    patterns = operand.each(compile_pattern)
    return lambda value: any(one.search(_encoded(text)) is not None for text in texts(value) for one in patterns)


def compile_pattern(pattern: str) -> re2._Regexp:
    """An RE2 pattern for folded text: upper and lower case are one, half- and full-width forms too. Raises `Wrong`."""
    if not 1 <= len(pattern) <= MAX_PATTERN:
        raise Wrong(
            Text("パターンは 1 字以上 {most} 字以下です。", "a pattern has 1 to {most} characters").with_(
                most=MAX_PATTERN
            ),
            Text("短く分けて並べてください。", "split it into several"),
        )
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    try:
        return re2.compile(fold_pattern(pattern).encode("utf-8"), options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if isinstance(error, re2.error) and error.args else error
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise Wrong(
            Text("パターンを読めません（{reason}）。", "the pattern cannot be read ({reason})").with_(reason=reason),
            Text(
                "RE2 の書き方で直してください。先読み・後読み (?=…) (?<=…) と後方参照 \\1 は使えません。",
                "write it in RE2's syntax, which has no lookaround (?=…) (?<=…) and no back-references \\1",
            ),
        ) from error


def fold_pattern(pattern: str) -> str:
    """A pattern as it must be to meet folded text: what is not ASCII is folded; signs that this makes are literal."""

    def fold(run: re.Match[str]) -> str:
        return re.sub(r"([\\.+*?()|\[\]{}^$-])", r"\\\1", fold_text(run[0]))

    return re.sub(r"[^\x00-\x7f]+", fold, pattern)


def _text_in(operand: Operand) -> Test:
    return _in(operand, ListIndex.match_text)


def _address_in(operand: Operand) -> Test:
    return _in(operand, ListIndex.match_address)


def _ip_in(operand: Operand) -> Test:
    return _in(operand, ListIndex.match_ip)


def _in(operand: Operand, match: Callable[[ListIndex, str, date], str | None]) -> Test:
    names = operand.names
    if isinstance(operand.node, Items):
        words = [(word.text, Place(word.line, word.column)) for word in operand.words()]
        index = inline_list("", words, names.faults)
    else:
        name = operand.one()
        if name.text not in names.lists:
            text = Text("「{name}」というリストはありません。", "there is no list {name}").with_(name=name.text[:80])
            declare = Text(
                "lists: に「{name}: lists/{name}.txt」を足すか、[A, B] と並べてください。",
                "add `{name}: lists/{name}.txt` under `lists:`, or write the entries as [A, B]",
            ).with_(name=name.text[:80])
            names.faults.add(name, text, suggestion(name.text, names.lists) if names.lists else declare)
            raise Faulty
        index = names.lists[name.text]
    today = names.today
    return lambda value: any(match(index, text, today()) is not None for text in texts(value))


def _address_is(operand: Operand) -> Test:
    words, none = operand.given()
    wanted = frozenset(operand.each(_whom, words))
    return _or_none(lambda value: any(not wanted.isdisjoint(address_keys(text)) for text in texts(value)), none)


def _whom(text: str) -> str:
    entry = parse_entry(text)
    if entry is None or entry.who not in {Who.ADDRESS, Who.DOMAIN, Who.SUBDOMAINS}:
        raise Wrong(
            Text("「{said}」はアドレスではありません。", "{said!r} is not an address").with_(said=text[:80]),
            Text(
                'name@example.com、"@example.com"、"*.example.com" のどれかで書くか、contains を使ってください。',
                'write name@example.com, "@example.com" or "*.example.com", or use `contains`',
            ),
        )
    return entry.value


def _ip_is(operand: Operand) -> Test:
    words, none = operand.given()
    networks = operand.each(_network, words)
    return _or_none(lambda value: any(text in one for text in texts(value) for one in networks), none)


def _network(text: str) -> Network:
    network = parse_network(text.strip())
    if network is None:
        raise Wrong(
            Text("「{said}」は IP アドレスでも範囲でもありません。", "{said!r} is neither an IP nor a network").with_(
                said=text[:80]
            ),
            Text(
                "192.0.2.1、192.0.2.0/24、192.0.2.* のように書いてください。",
                "write 192.0.2.1, 192.0.2.0/24 or 192.0.2.*",
            ),
        )
    return network


def _number(spec: FactSpec) -> Callable[[str], float]:
    def parse(text: str) -> float:
        plain = unicodedata.normalize("NFKC", text).strip()
        if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", plain):
            return float(plain)
        if spec.name == "size":
            try:
                return octets(plain)
            except ValueError:
                pass
        raise Wrong(
            Text("「{said}」は数ではありません。", "{said!r} is not a number").with_(said=text[:80]),
            Text("5 のように数字で書いてください。", "write it in digits, such as 5"),
        )

    return parse


def _amount(value: Value) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _number_is(operand: Operand) -> Test:
    words, none = operand.given()
    wanted = frozenset(operand.each(_number(operand.spec), words))
    return _or_none(lambda value: _amount(value) in wanted, none)


def _at_least(operand: Operand) -> Test:
    (bound,) = operand.each(_number(operand.spec), (operand.one(),))
    return lambda value: (amount := _amount(value)) is not None and amount >= bound


def _at_most(operand: Operand) -> Test:
    (bound,) = operand.each(_number(operand.spec), (operand.one(),))
    return lambda value: (amount := _amount(value)) is not None and amount <= bound


def _between(operand: Operand) -> Test:
    spans = operand.each(_hours)
    return lambda value: (
        (hour := _amount(value)) is not None
        and any(first <= hour < end if first < end else hour >= first or hour < end for first, end in spans)
    )


def _hours(text: str) -> tuple[int, int]:
    """First hour and the hour at which it ends: `22-6` is from 22:00 up to 6:00."""
    found = _HOURS.fullmatch(unicodedata.normalize("NFKC", text).strip())
    first, end = (int(found[1]), int(found[3])) if found else (0, 0)
    whole = found is not None and (found[2] or "00") == "00" and (found[4] or "00") == "00"
    if not whole or first == end or first > 23 or end > 24:
        raise Wrong(
            Text("「{said}」は時間帯ではありません。", "{said!r} is not a span of hours").with_(said=text[:80]),
            Text(
                '"22:00-06:00" か 22-6 のように、正時で書いてください。',
                'write whole hours, such as "22:00-06:00" or 22-6',
            ),
        )
    return first, end


def _yes_no_is(operand: Operand) -> Test:
    word = operand.one()
    if word.text == NONE:
        return lambda value: value is None
    try:
        wanted = truth(word.text)
    except ValueError:
        text = Text("「{said}」は true でも false でもありません。", "{said!r} is neither true nor false")
        operand.names.faults.add(
            word, text.with_(said=word.text[:80]), Text("true か false と書いてください。", "write true or false")
        )
        raise Faulty from None
    return lambda value: value is wanted


def _choice_is(operand: Operand) -> Test:
    choices = operand.spec.choices

    def parse(text: str) -> str:
        if text.strip().lower() not in {*choices, NONE}:
            said = Text("「{said}」は {fact} の値ではありません。", "{said!r} is not a value of {fact}")
            raise Wrong(said.with_(said=text[:80], fact=operand.spec.name), suggestion(text, choices))
        return text.strip().lower()

    wanted = frozenset(operand.each(parse))
    none = NONE in wanted
    return lambda value: (value is None and none) or any(text in wanted for text in texts(value))


def _has(operand: Operand) -> Test:
    words, none = operand.given()
    wanted = frozenset(fold_text(word.text.strip()) for word in words)
    return _or_none(lambda value: any(_folded(text) in wanted for text in texts(value)), none)


Maker = Callable[[Operand], Test]
_PIECES: dict[str, Maker] = {
    "contains": _contains,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "matches": _matches,
}
OPERATORS: Mapping[Kind, Mapping[str, Maker]] = {
    Kind.TEXT: {"is": _text_is, **_PIECES, "in": _text_in},
    Kind.ADDRESS: {"is": _address_is, "in": _address_in, **_PIECES},
    Kind.IP: {"is": _ip_is, "in": _ip_in},
    Kind.NUMBER: {"is": _number_is, "at_least": _at_least, "at_most": _at_most},
    Kind.YES_NO: {"is": _yes_no_is},
    Kind.CHOICE: {"is": _choice_is},
    Kind.SET: {"has": _has},
}


def operators_of(spec: FactSpec) -> Mapping[str, Maker]:
    """The operators that a rule may use on a fact; the first is meant where none is written."""
    if spec.name in HOURS:
        return {**OPERATORS[spec.kind], "between": _between}
    return OPERATORS[spec.kind]
