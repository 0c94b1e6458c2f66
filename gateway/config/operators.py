"""What a rule's operators mean: each is compiled into a pure test on the value of a fact."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import lru_cache

from gateway.config.document import Faulty, Items, Wrong, suggestion
from gateway.config.files import Place
from gateway.config.lists import inline_list
from gateway.config.operand import NONE, Operand, texts
from gateway.config.patterns import checked_pattern, compile_patterns
from gateway.config.words import octets, truth
from gateway.model.entry import Who, address_keys, parse_entry
from gateway.model.fact import FactSpec, Kind, Value
from gateway.model.lists import ListIndex, fold_text
from gateway.model.network import Network, parse_network
from gateway.model.rule import Test
from gateway.text import Text

HOURS = ("local_hour",)  # the facts that `between` reads as hours of a day

_HOURS = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))? ?[-~〜–] ?([0-9]{1,2})(?::([0-9]{2}))?")


# Several conditions look at the same body: it is folded and encoded once.
_folded = lru_cache(maxsize=32)(fold_text)


@lru_cache(maxsize=16)
def _encoded(text: str) -> bytes:
    return _folded(text).encode("utf-8", "replace")


def _first(hits: Iterable[bool | str]) -> bool | str:
    """The first hit, by which `explain` names what made the condition hold; False where there is none."""
    return next(iter(hits), False)


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
    return lambda value: _first(piece for text in texts(value) for piece in pieces if piece in _folded(text))


def _starts_with(operand: Operand) -> Test:
    pieces = operand.each(_piece)
    return lambda value: _first(
        piece for text in texts(value) for piece in pieces if _folded(text).lstrip().startswith(piece)
    )


def _ends_with(operand: Operand) -> Test:
    pieces = operand.each(_piece)
    return lambda value: _first(
        piece for text in texts(value) for piece in pieces if _folded(text).rstrip().endswith(piece)
    )


def _matches(operand: Operand) -> Test:
    found = compile_patterns(operand.each(checked_pattern))
    return lambda value: _first(hit for text in texts(value) if (hit := found(_encoded(text))))


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
    today = names.today if index.until else lambda: date.min
    return lambda value: _first(hit for text in texts(value) if (hit := match(index, text, today())) is not None)


def _address_is(operand: Operand) -> Test:
    words, none = operand.given()
    wanted = frozenset(operand.each(_whom, words))
    return _or_none(lambda value: _first(key for t in texts(value) for key in address_keys(t) if key in wanted), none)


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
    return _or_none(lambda value: _first(str(one) for t in texts(value) for one in networks if t in one), none)


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
    return _or_none(lambda value: _first(text for text in texts(value) if _folded(text) in wanted), none)


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
