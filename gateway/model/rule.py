"""Rules as data: conditions on facts, actions, and the ordered set of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.model.fact import Value
from gateway.model.lists import ListIndex
from gateway.model.phrases import PhraseBook
from gateway.model.verdict import Action

Test = Callable[[Value], bool | str]  # whether it holds; a text names what made it hold


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: `test` gets the known, non-None-checked value of the fact under `key`.

    `expected` is the text that `explain` shows. `test` is pure and total: it never raises and takes linear time.
    """

    key: str  # the fact's key, such as header.x-mailer or mails_from_sender[3600]
    operator: str
    expected: str
    test: Test = field(compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule: all of `when`, one of `any`, none of `unless`. An empty group does not restrict."""

    name: str
    at: str  # file:line
    action: Action
    mode: str = "enforce"  # enforce | watch | off
    when: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions of the rule in the order they are written."""
        return (*self.when, *self.any, *self.unless)


@dataclass(frozen=True, slots=True)
class RuleTest:
    """An example under `tests:`: a message (a file, or headers to make one of) and what is expected of the verdict.

    `expect` keys: then, rule, tag, reply (template name or "no"). `fields` holds from, to, subject, body, ip, helo,
    mail_from as far as given; `facts` overrides facts such as `blocked` for this test.
    """

    at: str
    file: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RuleSet:
    """An immutable, compiled rules file with all it refers to; `hash` is the SHA-256 (hex) over all its files."""

    hash: str
    rules: tuple[Rule, ...]
    default: Action
    default_at: str
    lists: Mapping[str, ListIndex] = field(default_factory=dict)
    phrases: PhraseBook = field(default_factory=PhraseBook)
    tests: tuple[RuleTest, ...] = ()
    files: tuple[str, ...] = ()  # every file read, for reload and for the record of a rule change

    @property
    def keys(self) -> frozenset[str]:
        """The keys of all facts that the rules ask for."""
        return frozenset(c.key for rule in self.rules if rule.mode != "off" for c in rule.conditions)
