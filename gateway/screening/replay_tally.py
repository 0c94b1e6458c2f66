"""What a replay counts: verdicts before and after, changes with samples, an operator's decisions, watched rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.model.verdict import ConditionTrace, RuleTrace
from gateway.screening.screener import Screening
from gateway.store.past_records import NOT_RECORDED
from gateway.text import Text

Move = tuple[str, str]
_MOST_LOST = 100  # messages that could not be screened and are named


@dataclass(frozen=True, slots=True)
class Sample:
    """One message: what was done with it, what these rules would have done, and the conditions that decide.

    Where no rule decides any more, `conditions` are those by which the rule that had decided fails now.
    """

    id: str
    seq: int
    received_at: datetime
    sender: str
    subject: str
    decided: str  # release | refuse, by an operator
    before: str
    before_rule: str
    after: str
    after_rule: str
    after_at: str
    conditions: tuple[ConditionTrace, ...] = ()


_COUNTERS = (
    *("before", "after", "before_rules", "after_rules", "before_replies", "after_replies"),
    *("moves", "decisions", "not_recorded"),
)


@dataclass
class Watched:
    """A rule in mode watch: what it was recorded to have said, and what these rules' would say."""

    recorded: Counter[str] = field(default_factory=Counter)
    now: Counter[str] = field(default_factory=Counter)
    otherwise: int = 0  # of `now`, how often it would have changed what was done
    samples: list[Sample] = field(default_factory=list)


@dataclass
class Tally:
    """The counts; at most `most` samples are kept of each kind, so that it stays small whatever is counted."""

    most: int = 10
    mails: int = 0  # screened
    gone: int = 0  # deleted after their time
    failed: int = 0  # damaged, or a defect of ours
    same_verdict_other_rule: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    before_rules: Counter[str] = field(default_factory=Counter)
    after_rules: Counter[str] = field(default_factory=Counter)
    before_replies: Counter[str] = field(default_factory=Counter)  # ordered, by template; whether it went is another
    after_replies: Counter[str] = field(default_factory=Counter)
    moves: Counter[Move] = field(default_factory=Counter)
    samples: dict[Move, list[Sample]] = field(default_factory=dict)
    decisions: Counter[Move] = field(default_factory=Counter)  # (release | refuse, verdict after)
    decision_samples: dict[Move, list[Sample]] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)
    not_recorded: Counter[str] = field(default_factory=Counter)  # facts that the rules ask for, unknown of that time
    losses: list[tuple[str, Text]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """How many messages were looked at."""
        return self.mails + self.gone + self.failed

    @property
    def changed(self) -> int:
        """How many verdicts would have been others."""
        return self.moves.total()

    def lost(self, id: str, why: Text) -> None:
        """Count a message that could not be screened."""
        self.failed += 1
        if len(self.losses) < _MOST_LOST:
            self.losses.append((id, why))

    def add(self, sample: Sample, record: Mapping[str, Any], screening: Screening, asked: Collection[str]) -> None:
        """Count a message with its record and what these rules, which ask for these facts, make of it."""
        verdict = screening.verdict
        self.mails += 1
        self.before[sample.before] += 1
        self.after[sample.after] += 1
        self.before_rules[sample.before_rule] += 1
        self.after_rules[sample.after_rule] += 1
        if record.get("reply"):
            self.before_replies[record["reply"]["template"]] += 1
        if verdict.action.reply is not None:
            self.after_replies[verdict.action.reply.template] += 1
        for key, fact in screening.facts.items():
            if not fact.known and fact.note is NOT_RECORDED and key in asked:
                self.not_recorded[key] += 1
        move = sample.before, sample.after
        changed = sample.before != sample.after
        if changed or sample.decided:
            sample = replace(sample, conditions=_deciding(sample, verdict.trail))
        if changed:
            self.moves[move] += 1
            self._keep(self.samples.setdefault(move, []), sample)
        elif sample.before_rule != sample.after_rule:
            self.same_verdict_other_rule += 1
        if sample.decided:
            decision = sample.decided, sample.after
            self.decisions[decision] += 1
            self._keep(self.decision_samples.setdefault(decision, []), sample)
        for rule, then in record["verdict"].get("watched") or ():
            self._watched(rule).recorded[then] += 1
        for rule, outcome in verdict.watched:
            self._watch(rule, str(outcome), sample, verdict.trail)

    def merge(self, other: Tally) -> None:
        """Take in the counts of the mail that came after that of this tally."""
        self.mails += other.mails
        self.gone += other.gone
        self.failed += other.failed
        self.same_verdict_other_rule += other.same_verdict_other_rule
        for name in (
            "before",
            "after",
            "before_rules",
            "after_rules",
            "before_replies",
            "after_replies",
            "not_recorded",
        ):
            getattr(self, name).update(getattr(other, name))
        self.moves.update(other.moves)
        self.decisions.update(other.decisions)
        for mine, theirs in ((self.samples, other.samples), (self.decision_samples, other.decision_samples)):
            for move, samples in theirs.items():
                for sample in samples:
                    self._keep(mine.setdefault(move, []), sample)
        for rule, watched in other.watched.items():
            own = self._watched(rule)
            own.recorded.update(watched.recorded)
            own.now.update(watched.now)
            own.otherwise += watched.otherwise
            for sample in watched.samples:
                self._keep(own.samples, sample)
        self.losses = (self.losses + other.losses)[:_MOST_LOST]

    def _watched(self, rule: str) -> Watched:
        return self.watched.setdefault(rule, Watched())

    def _watch(self, rule: str, then: str, sample: Sample, trail: tuple[RuleTrace, ...]) -> None:
        watched = self._watched(rule)
        watched.now[then] += 1
        if then != sample.before:
            watched.otherwise += 1
            trace = next(trace for trace in trail if trace.name == rule)
            would = replace(sample, after=then, after_rule=rule, after_at=trace.at, conditions=_holding(trace))
            self._keep(watched.samples, would)

    def _keep(self, samples: list[Sample], sample: Sample) -> None:
        """The newest ones are kept: they are what people remember."""
        samples.append(sample)
        if len(samples) > self.most:
            del samples[0]


def _deciding(sample: Sample, trail: tuple[RuleTrace, ...]) -> tuple[ConditionTrace, ...]:
    traces = {trace.name: trace for trace in trail}
    if sample.after_rule in traces:
        return _holding(traces[sample.after_rule])
    return _failing(traces[sample.before_rule]) if sample.before_rule in traces else ()


def _holding(trace: RuleTrace) -> tuple[ConditionTrace, ...]:
    return tuple(_short(condition) for condition in trace.conditions if condition.holds and condition.group != "unless")


def _failing(trace: RuleTrace) -> tuple[ConditionTrace, ...]:
    found = [c for c in trace.conditions if c.holds == (c.group == "unless") and c.group != "any"]
    some = [c for c in trace.conditions if c.group == "any"]
    if not any(c.holds for c in some):
        found += some
    return tuple(map(_short, found))


_LONGEST = 300  # characters of what was observed, and of what was expected


def _short(condition: ConditionTrace) -> ConditionTrace:
    """The condition without the whole text of a mail, or of a list of words, in it."""
    observed = condition.observed
    if isinstance(observed, str):
        observed = observed[:_LONGEST]
    elif isinstance(observed, tuple):
        observed = tuple(one[:_LONGEST] for one in observed[:20])
    return condition._replace(expected=condition.expected[:_LONGEST], observed=observed)
