"""The conditions of a rule: facts, operators and operands under `when`, `any` and `unless` (CONTRACT §4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.config.document import Faulty, Items, Node, Scalar, Table, suggestion
from gateway.config.operand import Names, Operand
from gateway.config.operators import operators_of
from gateway.config.words import SPAN, whole_seconds
from gateway.model.fact import FactSpec, Value
from gateway.model.rule import Condition, Test
from gateway.text import Text

WITHIN = "within"
_FIELD = re.compile(r"[!-9;-~]{1,76}")  # a header field's name, RFC 5322 §3.6.8
_MOST = 200  # conditions of one group


def read_group(node: Node, group: str, specs: Mapping[str, FactSpec], names: Names) -> tuple[Condition, ...]:
    """The conditions of a group; raises `Faulty` after noting every fault in it."""
    conditions: list[Condition] = []
    faulty = False
    tables = node.items if isinstance(node, Items) else (node,)
    for entry in tables:
        try:
            conditions.extend(_read_entry(entry, group, specs, names))
        except Faulty:
            faulty = True
    if not conditions and not faulty and not (group == "when" and isinstance(node, Table)):
        names.faults.add(
            node,
            Text("「{group}」が空です。", "{group} is empty").with_(group=group),
            Text("条件を書くか、「{group}」を消してください。", "write a condition or remove {group}").with_(
                group=group
            ),
        )
        faulty = True
    if len(conditions) > _MOST:
        names.faults.add(
            node, Text("条件が多すぎます（上限 {most}）。", "too many conditions (at most {most})").with_(most=_MOST)
        )
        faulty = True
    if faulty:
        raise Faulty
    return tuple(conditions)


def _read_entry(entry: Node, group: str, specs: Mapping[str, FactSpec], names: Names) -> Sequence[Condition]:
    if not isinstance(entry, Table):
        names.faults.add(
            entry,
            Text("条件は「ファクト: 値」の形で書きます。", "a condition is written as `fact: value`"),
            Text(
                "例: {{blocked: true}} や {{subject: {{contains: 返金}}}}",
                "such as {{blocked: true}} or {{subject: {{contains: refund}}}}",
            ).with_(group=group),
        )
        raise Faulty
    if group != "when" and len(entry.pairs) != 1:
        names.faults.add(
            entry,
            Text(
                "「{group}」の一つの項目には、条件を一つだけ書きます。",
                "an entry of {group} holds exactly one condition",
            ).with_(group=group),
            Text("「- 」で始まる行に分けてください。", "write one `- fact: value` line for each"),
        )
        raise Faulty
    found: list[Condition] = []
    faulty = False
    for fact, value in entry.pairs:
        try:
            conditions = _read_fact(fact, value, specs, names)
            found.extend(conditions if group == "when" else [_together(conditions)])
        except Faulty:
            faulty = True
    if faulty:
        raise Faulty
    return found


def _read_fact(fact: Scalar, value: Node, specs: Mapping[str, FactSpec], names: Names) -> list[Condition]:
    spec, argument = find_fact(fact, specs, names)
    if not isinstance(value, Table):
        operator = next(iter(operators_of(spec)))
        return [_condition(spec, spec.key(argument), operator, value, names)]
    allowed = [*operators_of(spec), *([WITHIN] if spec.argument == WITHIN else [])]
    pairs = {name.text: (name, operand) for name, operand in value.pairs}
    faulty = False
    key = spec.key(argument)
    if WITHIN in allowed and WITHIN in pairs:
        key = _within(spec, pairs.pop(WITHIN)[1], names)
    conditions: list[Condition] = []
    for name, operand in pairs.values():
        if name.text not in allowed:
            text = Text("{fact} に「{operator}」は使えません。", "{operator} cannot be used on {fact}")
            names.faults.add(name, text.with_(operator=name.text[:40], fact=spec.name), suggestion(name.text, allowed))
            faulty = True
            continue
        try:
            conditions.append(_condition(spec, key, name.text, operand, names))
        except Faulty:
            faulty = True
    if not pairs:
        text = Text("{fact} の条件が空です。", "the condition on {fact} is empty").with_(fact=spec.name)
        names.faults.add(value, text, suggestion("", allowed))
        faulty = True
    if faulty:
        raise Faulty
    return conditions


def find_fact(fact: Scalar, specs: Mapping[str, FactSpec], names: Names) -> tuple[FactSpec, str | None]:
    """The declaration that a name in a rule means, and what stands after its dot. Raises `Faulty`."""
    spec = specs.get(fact.text)
    if spec is not None and spec.argument != "name":
        return spec, None
    base, dot, argument = fact.text.partition(".")
    spec = specs.get(base)
    if spec is not None and spec.argument == "name":
        if dot and _FIELD.fullmatch(argument):
            return spec, argument
        names.faults.add(
            fact,
            Text("「{fact}」には、ヘッダーの名前が要ります。", "{fact} needs the name of a header").with_(fact=base),
            Text("{fact}.X-Mailer のように書いてください。", "write it as {fact}.X-Mailer").with_(fact=base),
        )
        raise Faulty
    text = Text("「{fact}」というファクトはありません。", "there is no fact {fact}").with_(fact=fact.text[:80])
    names.faults.add(
        fact, text, suggestion(fact.text, (s.name + (".NAME" if s.argument == "name" else "") for s in specs.values()))
    )
    raise Faulty


def _within(spec: FactSpec, node: Node, names: Names) -> str:
    said = node.text if isinstance(node, Scalar) else ""
    try:
        return spec.key(whole_seconds(said))
    except ValueError:
        text = Text("「{said}」は期間ではありません。", "{said!r} is not a length of time").with_(said=said[:40])
        names.faults.add(node, text, Text("{what}を書いてください。", "write {what}").with_(what=SPAN))
        raise Faulty from None


def _condition(spec: FactSpec, key: str, operator: str, node: Node, names: Names) -> Condition:
    test = operators_of(spec)[operator](Operand(spec, node, names))
    return Condition(key, operator, _expected(node), test)


def _expected(node: Node) -> str:
    if isinstance(node, Scalar):
        return node.text
    items = node.items if isinstance(node, Items) else ()
    return ", ".join(item.text for item in items if isinstance(item, Scalar))


def _together(conditions: list[Condition]) -> Condition:
    """Several operators on one fact as one condition, so that a range under `any` or `unless` stays a range."""
    if len(conditions) == 1:
        return conditions[0]
    tests: tuple[Test, ...] = tuple(condition.test for condition in conditions)

    def test(value: Value) -> bool | str:
        hits = [one(value) for one in tests]
        return all(hits) and (" + ".join(hit for hit in hits if isinstance(hit, str)) or True)

    operators = " + ".join(condition.operator for condition in conditions)
    return Condition(conditions[0].key, operators, " + ".join(c.expected for c in conditions), test)
