"""The examples under `tests:` of a rules file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.config.conditions import find_fact
from gateway.config.document import Faulty, Items, Node, Scalar, Table, known, suggestion, table
from gateway.config.files import Faults
from gateway.config.kinds import Reading
from gateway.config.operand import Names
from gateway.config.words import absolute, truth
from gateway.model.fact import FactSpec, Kind
from gateway.model.network import parse_ip
from gateway.model.rule import RuleTest
from gateway.model.verdict import Outcome
from gateway.text import Text

MOST = 1000
FIELDS = ("from", "to", "subject", "body", "ip", "helo", "mail_from")
EXPECT = ("then", "rule", "tag", "reply")
_KEYS = (*FIELDS, "file", "facts", "expect")


def read_tests(
    node: Node,
    shown: str,
    specs: Mapping[str, FactSpec],
    names: Names,
    rules: Sequence[str],
    reading: Reading,
) -> tuple[RuleTest, ...]:
    """The tests that have no fault; every fault is noted."""
    if not isinstance(node, Items) or len(node.items) > MOST:
        text = Text("「tests」には {most} 個までの例を並べます。", "tests is a list of at most {most} examples")
        reading.faults.add(node, text.with_(most=MOST))
        return ()
    tests: list[RuleTest] = []
    for entry in node.items:
        try:
            tests.append(_read(entry, shown, specs, names, rules, reading))
        except Faulty:
            continue
    return tuple(tests)


def _read(
    entry: Node, shown: str, specs: Mapping[str, FactSpec], names: Names, rules: Sequence[str], reading: Reading
) -> RuleTest:
    faults = reading.faults
    pairs = known(table(entry, faults, Text("テスト", "a test")), _KEYS, faults)
    fields = {name: _text(pairs[name][1], faults) for name in FIELDS if name in pairs}
    if "ip" in fields and parse_ip(fields["ip"]) is None:
        text = Text("「{said}」は IP アドレスではありません。", "{said!r} is not an IP").with_(said=fields["ip"][:40])
        faults.add(pairs["ip"][1], text, Text("192.0.2.1 のように書いてください。", "write it as 192.0.2.1"))
        raise Faulty
    file = ""
    if "file" in pairs:
        file = _sample(pairs["file"][1], reading)
    facts: dict[str, str] = {}
    if "facts" in pairs:
        for name, value in table(pairs["facts"][1], faults, Text("「facts」", "facts")).pairs:
            spec, argument = find_fact(name, specs, names)
            facts[spec.key(argument)] = _fact(spec, value, faults)
    if "expect" not in pairs:
        faults.add(
            entry,
            Text("テストに「expect」がありません。", "the test has no `expect`"),
            Text(
                "「expect: {then: deliver}」のように、期待する結果を書いてください。",
                "say what is expected, such as `expect: {then: deliver}`",
            ),
        )
        raise Faulty
    return RuleTest(f"{shown}:{entry.line}", file, fields, facts, _expect(pairs["expect"][1], rules, faults))


def _text(node: Node, faults: Faults) -> str:
    if isinstance(node, Scalar) and len(node.text) <= 100_000:
        return node.text
    faults.add(node, Text("ここには文字を書きます。", "a text is needed here"))
    raise Faulty


def _sample(node: Node, reading: Reading) -> str:
    text = _text(node, reading.faults)
    try:
        path = absolute(text, reading.base)
        if path.is_file():
            return str(path)
    except ValueError:
        pass
    reading.faults.add(
        node,
        Text("ファイル「{name}」がありません。", "the file {name} does not exist").with_(name=text[:200]),
        Text("ファイルを作るか、書かれている場所を直してください。", "make the file or correct the path"),
    )
    raise Faulty


def _fact(spec: FactSpec, node: Node, faults: Faults) -> str:
    """The fact's value as text, lists joined by commas, checked against its kind."""
    nodes = node.items if isinstance(node, Items) and (spec.many or spec.kind is Kind.SET) else (node,)
    words = [_text(one, faults) for one in nodes]
    for word in words:
        if not (word == "none" or _fits(spec, word)):
            text = Text("「{said}」は {fact} の値ではありません。", "{said!r} is not a value of {fact}")
            mend = suggestion(word, _CHOICES.get(spec.kind, spec.choices))
            faults.add(node, text.with_(said=word[:40], fact=spec.name), mend)
            raise Faulty
    if spec.kind is Kind.YES_NO and words[0] != "none":
        return "true" if truth(words[0]) else "false"
    return ",".join(words)


_CHOICES = {Kind.YES_NO: ("true", "false"), Kind.NUMBER: ("1, 2, 3, …",), Kind.IP: ("192.0.2.1",)}


def _fits(spec: FactSpec, word: str) -> bool:
    if spec.kind is Kind.YES_NO:
        try:
            truth(word)
        except ValueError:
            return False
        return True
    if spec.kind is Kind.NUMBER:
        return re.fullmatch(r"-?[0-9]{1,15}", word) is not None
    if spec.kind is Kind.CHOICE:
        return word in spec.choices
    if spec.kind is Kind.IP:
        return parse_ip(word) is not None
    return True


def _expect(node: Node, rules: Sequence[str], faults: Faults) -> dict[str, str]:
    entry: Table = table(node, faults, Text("「expect」", "expect"))
    pairs = known(entry, EXPECT, faults)
    expected = {name: _text(value, faults) for name, (_, value) in pairs.items()}
    choices: dict[str, Sequence[str]] = {"then": list(Outcome), "rule": rules}
    for name, allowed in choices.items():
        if name in expected and expected[name] not in allowed:
            text = Text("「{said}」という{what}はありません。", "there is no {what} {said}")
            what = Text("ルール", "rule") if name == "rule" else Text("扱い", "outcome")
            faults.add(
                pairs[name][1], text.with_(said=expected[name][:80], what=what), suggestion(expected[name], allowed)
            )
            raise Faulty
    if not expected:
        faults.add(node, Text("「expect」が空です。", "`expect` is empty"), suggestion("", EXPECT))
        raise Faulty
    return expected
