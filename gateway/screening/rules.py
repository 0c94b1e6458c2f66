"""The rules engine: facts in, verdict out, every step kept (CONTRACT §4)."""

from __future__ import annotations

from gateway.model.fact import UNKNOWN, Facts, Unknown
from gateway.model.rule import Condition, Rule, RuleSet
from gateway.model.verdict import ConditionTrace, Outcome, RuleTrace, Verdict


def decide(ruleset: RuleSet, facts: Facts) -> Verdict:
    """The verdict of the first enforced rule that matches, or of the default; pure, never raises."""
    trail: list[RuleTrace] = []
    watched: list[tuple[str, Outcome]] = []
    for rule in ruleset.rules:
        if rule.mode == "off":
            continue
        trace = evaluate(rule, facts)
        trail.append(trace)
        if not trace.matched:
            continue
        if rule.mode == "watch":
            watched.append((rule.name, rule.action.then))
            continue
        return Verdict(rule.action, rule.name, rule.at, ruleset.hash, tuple(trail), tuple(watched))
    return Verdict(ruleset.default, "default", ruleset.default_at, ruleset.hash, tuple(trail), tuple(watched))


def evaluate(rule: Rule, facts: Facts) -> RuleTrace:
    """One rule on the facts: all of `when`, one of `any`, none of `unless`; every condition is looked at and kept."""
    when = [_look(c, facts, "when") for c in rule.when]
    any_of = [_look(c, facts, "any") for c in rule.any]
    unless = [_look(c, facts, "unless") for c in rule.unless]
    matched = (
        all(c.holds for c in when) and (not any_of or any(c.holds for c in any_of)) and not any(c.holds for c in unless)
    )
    return RuleTrace(rule.name, rule.at, rule.mode, matched, (*when, *any_of, *unless))


def _look(condition: Condition, facts: Facts, group: str) -> ConditionTrace:
    fact = facts.get(condition.key)
    if fact is None or isinstance(fact.value, Unknown):
        # No condition on an unknown fact holds, in no group: what could not be found out decides against nobody.
        return ConditionTrace(condition.key, condition.operator, condition.expected, UNKNOWN, False, group)
    told = condition.test(fact.value)
    hit = told if isinstance(told, str) else ""
    return ConditionTrace(condition.key, condition.operator, condition.expected, fact.value, bool(told), group, hit)
