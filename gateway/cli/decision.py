"""A decision for people: the verdict, the automatic reply, what was found out, and every rule with its conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text as RichText

from gateway.cli.context import current
from gateway.cli.output import console, one_line, printable
from gateway.cli.words import THEN, word
from gateway.text import Text

LONGEST = 120  # characters of a value
LONGEST_WANTED = 60  # characters of what a condition asks for; beyond them what hit is shown instead

VERDICT = Text("判定", "verdict")
TAGS = Text("タグ", "tags")
REPLY = Text("自動返信", "reply")
SENT = Text("送ります", "goes out")
WITHHELD = Text("送りません", "does not go out")
FACTS = Text("分かったこと", "facts")
RULES = Text("ルール", "rules")
UNKNOWN = Text("不明", "unknown")
NONE = Text("なし", "none")
WATCHED = Text("様子見のルール「{rule}」なら「{then}」でした。", "rule {rule!r} in mode watch would have said: {then}")


def show_decision(verdict: Mapping[str, Any], facts: Mapping[str, Any], reply: Mapping[str, Any] | None) -> None:
    """Print a decision as the records hold it: `verdict`, `facts` and `reply` of a `mail.in` record."""
    language = current().language
    line(
        f"  {VERDICT.in_(language)}: {word(THEN, verdict['then']).in_(language)}  [{verdict['rule']}]  {verdict['at']}",
        "bold",
    )
    if verdict["tags"]:
        line(f"  {TAGS.in_(language)}: {', '.join(verdict['tags'])}")
    for rule, then in verdict["watched"]:
        line(f"  {WATCHED.with_(rule=rule, then=word(THEN, then)).in_(language)}")
    if reply:
        said = (SENT if reply["would_send"] else WITHHELD).in_(language)
        template = f"{reply['template']}: " if reply["template"] else ""
        line(f"  {REPLY.in_(language)}: {template}{said} ({reply['why']})")
    if facts:
        line(f"  {FACTS.in_(language)}:")
    for key, fact in sorted(facts.items()):
        lost = bool(fact.get("unknown"))
        shown = UNKNOWN.in_(language) if lost else short(fact["value"])
        note = f"  — {fact['note']}" if fact.get("note") else ""
        line(f"    {key} = {shown}{note}", "yellow" if lost else "")
    if verdict["trail"] or verdict["rule"] == "default":
        line(f"  {RULES.in_(language)}:")
    for rule in verdict["trail"]:
        _rule(rule, language)
    if verdict["rule"] == "default":
        line(f"    ● default  {verdict['at']}", "green")


def _rule(rule: Mapping[str, Any], language: str) -> None:
    mark = "●" if rule["matched"] else "○"
    mode = f" ({rule['mode']})" if rule["mode"] != "enforce" else ""
    line(f"    {mark} {rule['name']}{mode}  {rule['at']}", "green" if rule["matched"] else "")
    for condition in rule["conditions"]:
        group = "" if condition["group"] == "when" else f"{condition['group']}: "
        seen = UNKNOWN.in_(language) if condition.get("unknown") else short(condition["observed"])
        mark = "✓" if condition["holds"] else "✗"
        hit, wanted = condition.get("hit"), condition["expected"]
        expected = f"「{one_line(hit, LONGEST_WANTED)}」" if hit and len(wanted) > LONGEST_WANTED else short(wanted)
        line(f"        {mark} {group}{condition['fact']} {condition['operator']} {expected}  ← {seen}")


def line(text: str, style: str = "") -> None:
    """One line on standard output; what it says cannot steer the terminal."""
    console().print(RichText(printable(text.replace("\n", " ").replace("\t", " ")), style), soft_wrap=True)


def short(value: object) -> str:
    """A value on one line."""
    if value is None:
        return NONE.in_(current().language)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return one_line(", ".join(str(v) for v in value), LONGEST) or NONE.in_(current().language)
    return one_line(str(value), LONGEST)
