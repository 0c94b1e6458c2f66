"""The engine: facts in, verdict out, every step kept; filters asked in order under a budget."""

import asyncio
from dataclasses import dataclass, field

import pytest

from filters.offline import offline
from gateway.errors import StoreError
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact, FactSpec, Kind, Unknown, unknown
from gateway.model.rule import Condition, Rule, RuleSet
from gateway.model.settings import Settings
from gateway.model.verdict import Action, Outcome
from gateway.screening.rules import decide
from gateway.screening.screener import Screener, needed, order
from gateway.text import Text

HOLD, PASS = Action(Outcome.QUARANTINE, tags=("held",)), Action(Outcome.DELIVER)
NOTE = Text("不明", "unknown")


def condition(key, expected):
    return Condition(key, "is", str(expected), lambda value: value == expected)


def rules(*given, default=PASS):
    return RuleSet("h" * 64, tuple(given), default, "rules.yaml:99")


def rule(name, *when, action=HOLD, mode="enforce", any_of=(), unless=()):
    return Rule(name, f"rules.yaml:{len(name)}", action, mode, tuple(when), tuple(any_of), tuple(unless))


def facts(**values):
    return {key: value if isinstance(value, Fact) else Fact(value) for key, value in values.items()}


def test_the_first_rule_that_matches_decides():
    ruleset = rules(rule("a", condition("x", 1)), rule("bb", condition("x", 2)), rule("ccc", condition("x", 2)))
    verdict = decide(ruleset, facts(x=2))
    assert (verdict.rule, verdict.at, verdict.action) == ("bb", "rules.yaml:2", HOLD)
    assert [(t.name, t.matched) for t in verdict.trail] == [("a", False), ("bb", True)]
    assert verdict.ruleset == "h" * 64


def test_the_default_decides_where_no_rule_does():
    verdict = decide(rules(rule("a", condition("x", 1))), facts(x=2))
    assert (verdict.rule, verdict.at, verdict.action) == ("default", "rules.yaml:99", PASS)


@pytest.mark.parametrize(
    ("when", "any_of", "unless", "matched"),
    [
        ([1, 1], [], [], True),
        ([1, 0], [], [], False),
        ([], [0, 1], [], True),
        ([], [0, 0], [], False),
        ([1], [], [0, 0], True),
        ([1], [], [0, 1], False),
        ([1], [1], [0], True),
        ([], [], [], True),
    ],
)
def test_when_all_any_one_unless_none(when, any_of, unless, matched):
    def conditions(wanted):
        return [condition("x", 7 if w else 8) for w in wanted]

    tried = rule("a", *conditions(when), any_of=conditions(any_of), unless=conditions(unless))
    assert (decide(rules(tried), facts(x=7)).rule == "a") is matched


def test_an_unknown_fact_holds_no_condition_in_any_group():
    lost = facts(x=unknown(NOTE))
    assert decide(rules(rule("a", Condition("x", "is", "", lambda _: True))), lost).rule == "default"
    assert decide(rules(rule("a", any_of=[Condition("x", "is", "", lambda _: True)])), lost).rule == "default"
    assert decide(rules(rule("a", unless=[Condition("x", "is", "", lambda _: True)])), lost).rule == "a"
    trace = decide(rules(rule("a", condition("gone", 1))), {}).trail[0].conditions[0]
    assert isinstance(trace.observed, Unknown)
    assert not trace.holds


def test_watch_only_records_and_off_is_not_looked_at():
    ruleset = rules(
        rule("off", condition("x", 1), mode="off"),
        rule("watch", condition("x", 1), mode="watch"),
        rule("real", condition("x", 1), action=PASS),
    )
    verdict = decide(ruleset, facts(x=1))
    assert verdict.rule == "real"
    assert verdict.watched == (("watch", Outcome.QUARANTINE),)
    assert [t.name for t in verdict.trail] == ["watch", "real"]


@dataclass
class Finder:
    """A filter that gives what it is told to."""

    name: str
    gives: dict = field(default_factory=dict)
    needs: tuple = ()
    waits: bool = False
    error: Exception | None = None
    delay: float = 0
    asked: int = 0

    @property
    def facts(self):
        return tuple(FactSpec(key, Kind.NUMBER, NOTE) for key in self.gives)

    async def find(self, case):
        self.asked += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.error:
            raise self.error
        return {key: Fact(value) for key, value in self.gives.items()}


def exchange():
    return Exchange(b"Subject: x\r\n\r\nbody\r\n", Envelope("a@b.jp", ("shop@shop.example",), Peer("192.0.2.1")))


def screener(*filters, budget=5.0):
    return Screener(Settings(), filters, offline(), budget=budget)


async def test_only_the_filters_that_the_rules_need_are_asked():
    one, two, three = Finder("one", {"x": 1}), Finder("two", {"y": 2}, needs=("z",)), Finder("three", {"z": 3})
    found = await screener(one, two, three).screen(exchange(), rules(rule("a", condition("y", 2))))
    assert found.verdict.rule == "a"
    assert (one.asked, two.asked, three.asked) == (0, 1, 1)
    everything = await screener(one, two, three).screen(exchange(), rules(), all_facts=True)
    assert {"x", "y", "z"} <= set(everything.facts)


async def test_a_filter_that_fails_costs_a_fact_and_never_a_mail():
    broken = Finder("broken", {"x": 1}, error=RuntimeError("secret"))
    away = Finder("away", {"y": 1}, error=StoreError(Text("休み", "the database is away")))
    found = await screener(broken, away).screen(
        exchange(), rules(rule("a", condition("x", 1)), rule("b", condition("y", 1)))
    )
    assert found.verdict.rule == "default"
    assert not found.facts["x"].known
    assert "secret" not in str(found.facts["x"].note)
    assert str(found.facts["y"].note) == "the database is away"


async def test_a_filter_that_is_late_is_cut_off():
    late, quick = Finder("late", {"x": 1}, waits=True, delay=30), Finder("quick", {"y": 1})
    found = await screener(late, quick, budget=0.05).screen(
        exchange(), rules(rule("a", condition("x", 1)), rule("b", condition("y", 1)))
    )
    assert not found.facts["x"].known
    assert found.verdict.rule == "b"


def test_filters_stand_after_those_they_need_and_the_waiting_ones_last():
    dns, ip, text = Finder("dns", {"d": 1}, ("i",), True), Finder("ip", {"i": 1}), Finder("text", {"t": 1}, ("d",))
    assert [f.name for f in order((dns, text, ip))] == ["ip", "dns", "text"]
    assert [f.name for f in needed(order((dns, text, ip)), {"d"})] == ["ip", "dns"]
    with pytest.raises(ValueError, match="circle"):
        order((Finder("a", {"x": 1}, ("y",)), Finder("b", {"y": 1}, ("x",))))
