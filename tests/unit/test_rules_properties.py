"""What holds of every ruleset and all facts: a verdict by the first rule that matches, nothing by what is unknown."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.fact import Fact, Unknown, Value, unknown
from gateway.model.rule import Condition, Rule, RuleSet
from gateway.model.verdict import Action, Outcome
from gateway.screening.rules import decide, evaluate
from gateway.text import Text

KEYS = ("sender", "subject", "abuse", "blocked")
NOT_KNOWN = unknown(Text("分かりません", "not known"))

values = st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["", "a", "b"]), st.just(("a", "b")))
facts = st.dictionaries(st.sampled_from(KEYS), st.one_of(values.map(Fact), st.just(NOT_KNOWN)))


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """One that a value meets or not, by yes and no or by the words that met it; some are met by every known value."""
    key, expected = draw(st.sampled_from(KEYS)), draw(values)
    named, always = draw(st.booleans()), draw(st.booleans())

    def test(value: Value) -> bool | str:
        assert not isinstance(value, Unknown)
        met = always or value == expected
        return ("word" if met else "") if named else met

    return Condition(key, "is", repr(expected), test)


groups = st.lists(conditions(), max_size=3).map(tuple)
rules = st.builds(
    Rule,
    name=st.uuids().map(str),
    at=st.just("rules.yaml:1"),
    action=st.sampled_from(Outcome).map(Action),
    mode=st.sampled_from(["enforce", "enforce", "watch", "off"]),
    when=groups,
    any=groups,
    unless=groups,
)
rulesets = st.lists(rules, max_size=6).map(
    lambda rules: RuleSet("hash", tuple(rules), Action(Outcome.DELIVER, tags=("default",)), "rules.yaml:9")
)


def holds(condition: Condition, known: dict[str, Fact]) -> bool:
    """As CONTRACT says it, apart from the engine."""
    fact = known.get(condition.key)
    return fact is not None and fact.known and bool(condition.test(fact.value))  # type: ignore[arg-type]


def matches(rule: Rule, known: dict[str, Fact]) -> bool:
    return (
        all(holds(one, known) for one in rule.when)
        and (not rule.any or any(holds(one, known) for one in rule.any))
        and not any(holds(one, known) for one in rule.unless)
    )


@given(rulesets, facts)
def test_there_is_always_a_verdict_and_the_first_rule_that_matches_makes_it(
    ruleset: RuleSet, known: dict[str, Fact]
) -> None:
    verdict = decide(ruleset, known)
    wanted = next((r for r in ruleset.rules if r.mode == "enforce" and matches(r, known)), None)
    assert verdict.rule == (wanted.name if wanted else "default")
    assert verdict.action is (wanted.action if wanted else ruleset.default)
    assert verdict.ruleset == ruleset.hash


@given(rulesets, facts)
def test_the_trail_ends_with_the_rule_that_decided_and_names_what_was_watched(
    ruleset: RuleSet, known: dict[str, Fact]
) -> None:
    verdict = decide(ruleset, known)
    seen = [rule for rule in ruleset.rules if rule.mode != "off"]
    assert [trace.name for trace in verdict.trail] == [rule.name for rule in seen[: len(verdict.trail)]]
    if verdict.rule != "default":
        assert verdict.trail[-1].name == verdict.rule
    else:
        assert len(verdict.trail) == len(seen)
    watched = [r for r in seen[: len(verdict.trail)] if r.mode == "watch" and matches(r, known)]
    assert verdict.watched == tuple((rule.name, rule.action.then) for rule in watched)


@given(rules, facts)
def test_no_condition_on_an_unknown_or_missing_fact_holds(rule: Rule, known: dict[str, Fact]) -> None:
    for trace in evaluate(rule, known).conditions:
        if not known.get(trace.fact, NOT_KNOWN).known:
            assert not trace.holds
            assert isinstance(trace.observed, Unknown)
        assert trace.hit in ("", "word")


@given(rulesets)
def test_where_nothing_is_known_only_rules_that_ask_nothing_decide(ruleset: RuleSet) -> None:
    verdict = decide(ruleset, dict.fromkeys(KEYS, NOT_KNOWN))
    asked = {rule.name for rule in ruleset.rules if rule.when or rule.any}
    assert verdict.rule not in asked
    assert decide(ruleset, {}).rule == verdict.rule


@given(rulesets, facts)
def test_rules_that_are_watched_or_off_change_no_verdict(ruleset: RuleSet, known: dict[str, Fact]) -> None:
    enforced = replace(ruleset, rules=tuple(rule for rule in ruleset.rules if rule.mode == "enforce"))
    with_them, without = decide(ruleset, known), decide(enforced, known)
    assert (with_them.rule, with_them.action) == (without.rule, without.action)
