"""Verdicts: what the rules decided about a message, and every step that led there."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from gateway.model.fact import Unknown, Value


class Outcome(StrEnum):
    """What becomes of the message; exactly one."""

    DELIVER = "deliver"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class ReplyOrder:
    """What a rule says about the automatic reply: `once_per` in seconds, `only_if` `authenticated` or `any`."""

    template: str
    once_per: int = 86400
    only_if: str = "authenticated"


@dataclass(frozen=True, slots=True)
class Action:
    """Everything that a rule, or the default, says is to be done."""

    then: Outcome
    tags: tuple[str, ...] = ()
    reply: ReplyOrder | None = None
    notify: tuple[str, ...] = ()  # "owner" or addresses
    forward: tuple[str, ...] = ()
    smtp_text: str = ""


class ConditionTrace(NamedTuple):  # as RuleTrace a named tuple: every message makes dozens of them
    """One condition as it was evaluated; `group` is `when`, `any` or `unless`."""

    fact: str
    operator: str
    expected: str
    observed: Value | Unknown
    holds: bool
    group: str = "when"
    hit: str = ""  # the words, entry or network that made it hold


class RuleTrace(NamedTuple):
    """One rule as it was evaluated; a rule in mode `watch` can match without deciding."""

    name: str
    at: str  # file:line
    mode: str
    matched: bool
    conditions: tuple[ConditionTrace, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one message: the action, the rule that made it and where it stands, the ruleset's SHA-256."""

    action: Action
    rule: str
    at: str
    ruleset: str
    trail: tuple[RuleTrace, ...] = ()
    watched: tuple[tuple[str, Outcome], ...] = field(default=())  # rules in mode watch that matched, what they would do
