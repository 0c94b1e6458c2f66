"""The rules file read into a compiled, immutable ruleset (CONTRACT §4)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from gateway.config.actions import KEYS as ACTION_KEYS
from gateway.config.actions import read_action
from gateway.config.compose import read_document
from gateway.config.conditions import read_group
from gateway.config.document import Faulty, Items, Node, Scalar, Table, known, table
from gateway.config.files import Faults, Place, read_bounded, shown
from gateway.config.kinds import Choice, Reading
from gateway.config.lists import inline_list, read_list
from gateway.config.operand import Names
from gateway.config.packaged import template_names
from gateway.config.phrases import PhraseReader
from gateway.config.rule_tests import read_tests
from gateway.config.words import LINE, absolute
from gateway.errors import ConfigError, Fault
from gateway.model.fact import FactSpec
from gateway.model.lists import ListIndex
from gateway.model.phrases import PhraseBook
from gateway.model.rule import Rule, RuleSet, RuleTest
from gateway.model.settings import Settings
from gateway.model.verdict import Action
from gateway.text import Text

VERSION = "1"
DEFAULT = "default"  # the name that a verdict bears where no rule decided
MAX_RULES = 1000

_KEYS = ("version", "lists", "phrases", "rules", DEFAULT, "tests")
_RULE_KEYS = ("name", "mode", "when", "any", "unless", *ACTION_KEYS)
_MODE = Choice("enforce", "watch", "off")


def load_ruleset(path: Path, specs: Mapping[str, FactSpec], *, settings: Settings) -> RuleSet:
    """The compiled rules of a file and of all the files it names; raises `ConfigError` with every fault."""
    ruleset, faults = read_ruleset(path, specs, settings=settings)
    if ruleset is None:
        raise ConfigError(faults)
    return ruleset


def read_ruleset(
    path: Path, specs: Mapping[str, FactSpec], *, settings: Settings
) -> tuple[RuleSet | None, list[Fault]]:
    """The rules, None where there is any fault, and every fault."""
    found: list[Fault] = []
    top, faults, raw = read_document(str(path), found)
    if top is None:
        return None, found
    reader = _Reader(path, specs, settings, faults, found)
    reader.keep(path.name, raw, path)
    ruleset = reader.read(top)
    return (None if found else ruleset), found


class _Reader:
    """Reads one rules file."""

    def __init__(
        self, path: Path, specs: Mapping[str, FactSpec], settings: Settings, faults: Faults, found: list[Fault]
    ) -> None:
        self._base = path.absolute().parent
        self._shown = shown(path)
        self._specs = specs
        self._settings = settings
        self._faults = faults
        self._found = found
        self._hash = hashlib.sha256()
        self._files: list[str] = []
        self._reading = Reading(faults, self._base, {})
        self._templates = template_names(settings.templates)

    def keep(self, name: str, raw: bytes, path: Path) -> None:
        """Takes a file into the hash, under the name it is written with, and into the files to be watched."""
        for part in (name.encode("utf-8", "replace"), raw):
            self._hash.update(len(part).to_bytes(8, "big") + part)
        self._files.append(str(path.absolute()))

    def read(self, top: Table) -> RuleSet | None:
        """The whole file."""
        pairs = known(top, _KEYS, self._faults)
        self._version(pairs.get("version"), top)
        lists = self._lists(pairs["lists"][1]) if "lists" in pairs else {}
        phrases = self._phrases(pairs["phrases"][1]) if "phrases" in pairs else PhraseBook()
        zone = self._settings.shop.timezone
        names = Names(lists, lambda: datetime.now(zone).date(), self._faults)
        rules = self._rules(pairs["rules"][1], names) if "rules" in pairs else ()
        default, line = self._default(pairs.get(DEFAULT), top)
        tests: tuple[RuleTest, ...] = ()
        if "tests" in pairs:
            known_rules = [*self._rule_names(pairs), DEFAULT]
            tests = read_tests(pairs["tests"][1], self._shown, self._specs, names, known_rules, self._reading)
        if default is None:
            return None
        return RuleSet(
            self._hash.hexdigest(), rules, default, f"{self._shown}:{line}", lists, phrases, tests, tuple(self._files)
        )

    def _version(self, pair: tuple[Scalar, Node] | None, top: Table) -> None:
        mend = Text("先頭に「version: 1」と書いてください。", "write `version: 1` at the top")
        if pair is None:
            self._faults.add(top, Text("「version」がありません。", "`version` is missing"), mend)
        elif not isinstance(pair[1], Scalar) or pair[1].text != VERSION:
            self._faults.add(
                pair[1], Text("この版の書き方は読めません。", "this version of the format is not known"), mend
            )

    def _lists(self, node: Node) -> dict[str, ListIndex]:
        lists: dict[str, ListIndex] = {}
        try:
            pairs = table(node, self._faults, Text("「lists」", "lists")).pairs
        except Faulty:
            return lists
        for name, value in pairs:
            # a list that has a fault is still known by its name, so that rules on it give no second fault
            lists[name.text] = ListIndex.build(name.text, ())
            if isinstance(value, Items):
                words = [(w.text, Place(w.line, w.column)) for w in value.items if isinstance(w, Scalar)]
                if len(words) < len(value.items):
                    self._faults.add(value, Text("リストには値だけを並べます。", "a list holds single values"))
                lists[name.text] = inline_list(name.text, words, self._faults)
                continue
            path = self._path(value)
            if path is not None and isinstance(value, Scalar) and self._present(path, value):
                lists[name.text], raw = read_list(name.text, path, shown(path), self._found)
                self.keep(value.text, raw, path)
        return lists

    def _phrases(self, node: Node) -> PhraseBook:
        reader = PhraseReader(self._found)
        for value in node.items if isinstance(node, Items) else (node,):
            path = self._path(value)
            if path is not None and isinstance(value, Scalar):
                raw = reader.read(path, shown(path), self._faults, value)
                if raw is not None:
                    self.keep(value.text, raw, path)
        return reader.book()

    def _path(self, node: Node) -> Path | None:
        try:
            if isinstance(node, Scalar) and not node.empty:
                return absolute(node.text, self._base)
        except ValueError:
            pass
        self._faults.add(
            node,
            Text("ここにはファイルの場所を書きます。", "the path of a file is needed here"),
            Text("lists/partners.txt のように書いてください。", "write it as lists/partners.txt"),
        )
        return None

    def _present(self, path: Path, where: Scalar) -> bool:
        if path.exists():
            return True
        return read_bounded(path, 0, self._faults, where) is not None

    def _rule_names(self, pairs: Mapping[str, tuple[Scalar, Node]]) -> list[str]:
        rules = pairs["rules"][1] if "rules" in pairs else None
        found = (
            [rule.get("name") for rule in rules.items if isinstance(rule, Table)] if isinstance(rules, Items) else []
        )
        return [name.text for name in found if isinstance(name, Scalar)]

    def _rules(self, node: Node, names: Names) -> tuple[Rule, ...]:
        if not isinstance(node, Items):
            text = Text("「rules」は、ルールの並びでなければなりません。", "rules must be a list of rules")
            mend = Text("ルールごとに「- name: 名前」から書いてください。", "begin each rule with `- name: …`")
            self._faults.add(node, text, mend)
            return ()
        if len(node.items) > MAX_RULES:
            text = Text("ルールが多すぎます（上限 {most}）。", "too many rules (at most {most})").with_(most=MAX_RULES)
            self._faults.add(node, text)
            return ()
        rules: list[Rule] = []
        seen: dict[str, int] = {}
        closed = ""
        for entry in node.items:
            try:
                rule, name = self._rule(entry, names)
            except Faulty:
                continue
            if rule.name in seen:
                text = Text(
                    "ルール「{name}」が二つあります（最初は {line} 行目）。",
                    "there are two rules {name} (first on line {line})",
                )
                mend = Text("別の名前にしてください。", "give them different names")
                self._faults.add(name, text.with_(name=rule.name, line=seen[rule.name]), mend)
            seen.setdefault(rule.name, name.line)
            if closed:
                text = Text(
                    "このルールには届きません。前の「{name}」がすべてのメールに当てはまります。",
                    "this rule is never reached: {name} above matches every message",
                )
                mend = Text(
                    "順番を変えるか、前のルールに条件を足してください。",
                    "change the order, or give the rule above a condition",
                )
                self._faults.add(name, text.with_(name=closed), mend)
            if not rule.conditions and rule.mode == "enforce":
                closed = rule.name
            rules.append(rule)
        return tuple(rules)

    def _rule(self, entry: Node, names: Names) -> tuple[Rule, Node]:
        pairs = known(table(entry, self._faults, Text("ルール", "a rule")), _RULE_KEYS, self._faults)
        faulty = False
        name, mode = "", "enforce"
        where: Node = entry
        try:
            name, where = self._name(pairs, entry)
        except Faulty:
            faulty = True
        try:
            mode = _MODE.read(pairs["mode"][1], self._reading) if "mode" in pairs else mode
        except Faulty:
            faulty = True
        groups: dict[str, tuple[object, ...]] = {}
        for group in ("when", "any", "unless"):
            try:
                groups[group] = read_group(pairs[group][1], group, self._specs, names) if group in pairs else ()
            except Faulty:
                faulty = True
        try:
            action = read_action(pairs, entry, self._reading, self._templates)
        except Faulty:
            faulty = True
        if faulty:
            raise Faulty
        return Rule(name, f"{self._shown}:{entry.line}", action, mode, **groups), where  # type: ignore[arg-type]

    def _name(self, pairs: Mapping[str, tuple[Scalar, Node]], entry: Node) -> tuple[str, Node]:
        if "name" not in pairs:
            mend = Text(
                "「name: 名前」を足してください。記録にはこの名前が残ります。", "add `name: …`; records show it"
            )
            self._faults.add(entry, Text("ルールに「name」がありません。", "the rule has no `name`"), mend)
            raise Faulty
        node = pairs["name"][1]
        name = LINE.read(node, self._reading)
        if name == DEFAULT:
            text = Text("「default」はルールの名前には使えません。", "a rule cannot be called default")
            self._faults.add(node, text, Text("別の名前にしてください。", "give it another name"))
            raise Faulty
        return name, node

    def _default(self, pair: tuple[Scalar, Node] | None, top: Table) -> tuple[Action | None, int]:
        if pair is None:
            self._faults.add(
                top,
                Text("「default」がありません。", "`default` is missing"),
                Text(
                    "どのルールにも当てはまらないときの扱いを「default: {then: deliver}」のように書いてください。",
                    "say what becomes of all other mail, such as `default: {then: deliver}`",
                ),
            )
            return None, 0
        try:
            node = table(pair[1], self._faults, Text("「default」", "default"))
            return read_action(known(node, ACTION_KEYS, self._faults), node, self._reading, self._templates), pair[
                0
            ].line
        except Faulty:
            return None, 0
