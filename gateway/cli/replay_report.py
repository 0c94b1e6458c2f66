"""A replay's tally as people and programs see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.cli.context import current
from gateway.cli.decision import UNKNOWN, line, short
from gateway.cli.mail import heading
from gateway.cli.output import cell, listing, local, one_line, warn
from gateway.cli.words import ACTIONS, THEN, word
from gateway.model.fact import Unknown
from gateway.model.rule import RuleSet
from gateway.model.verdict import ConditionTrace, Outcome
from gateway.screening.replay_tally import Move, Sample, Tally
from gateway.text import Text

SUBJECT = 60  # characters of each
EXPECTED = 80

_PERIOD = Text(
    "受信メール {mails} 通（{first} 〜 {last}）を、ルール {rules} で判定し直しました。何も変えていません。",
    "{mails} incoming mails ({first} to {last}) were judged anew by {rules}; nothing was changed",
)
_BEGIN = Text("最初", "the first")
_NOW = Text("現在", "now")
_NONE = Text("この期間に受信したメールはありません。", "No mail came in in this time.")
_COUNTS = (Text("判定", "verdict"), Text("実際", "was"), Text("このルール", "would be"), Text("差", "change"))
_REPLIES = (Text("自動返信", "reply"), *_COUNTS[1:])
_CHANGED = Text("判定が変わるメール: {count} 通", "verdicts that would change: {count}")
_UNCHANGED = Text("判定が変わるメールはありません。", "no verdict would change")
_OTHER_RULE = Text("判定は同じで、別のルールが決めるメール: {count} 通", "the same verdict by another rule: {count}")
_MOVE = Text("{before} → {after}: {count} 通", "{before} → {after}: {count}")
_SHOWN = Text("（新しい {shown} 通を表示）", "(the newest {shown} are shown)")
_DECISIONS = Text("担当者が判断したメール", "mail that an operator decided on")
_DECIDED = {
    "release": Text("保留を解除して届けたもの", "released"),
    "refuse": Text("お断りしたもの", "refused"),
}
_DECISION = Text("{decision} → このルールなら {after}: {count} 通", "{decision} → would be {after}: {count}")
_WATCHED = Text("様子見（mode: watch）のルール", "rules in mode watch")
_WATCH = Text(
    "{rule}: 記録では {recorded}、このルールでは {now}（うち実際と違う判定 {otherwise} 通）",
    "{rule}: on record {recorded}; by these rules {now} ({otherwise} of them other than what was done)",
)
_NEVER = Text("0 通", "none")
_GONE = Text(
    "保存期間を過ぎて原文が削除されたため、判定できないメール: {count} 通",
    "left out, because the original was deleted after its time: {count}",
)
_FAILED = Text("判定できなかったメール: {count} 通", "mails that could not be screened: {count}")
_NOT_RECORDED = Text(
    "受信時に調べていないため分からない項目（条件は成り立ちません）: {facts}",
    "not looked at when the mail came, so unknown, and no condition on it holds: {facts}",
)
_BY_RULE = Text("ルール {before} → {after}", "rule {before} → {after}")
_OPERATOR = Text("  ※ 担当者: {action}", "  * by an operator: {action}")


def as_json(
    tally: Tally, file: Path, ruleset: RuleSet, since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    """One object with all counts and samples."""
    language = current().language
    return {
        "rules": str(file),
        "ruleset": ruleset.hash,
        "since": since,
        "until": until,
        "mails": tally.mails,
        "gone": tally.gone,
        "failed": tally.failed,
        "before": _verdicts(tally.before),
        "after": _verdicts(tally.after),
        "changed": tally.changed,
        "changes": [
            {"before": move[0], "after": move[1], "count": count, "samples": _samples(tally.samples.get(move, ()))}
            for move, count in tally.moves.most_common()
        ],
        "same_verdict_other_rule": tally.same_verdict_other_rule,
        "rules_before": dict(tally.before_rules.most_common()),
        "rules_after": dict(tally.after_rules.most_common()),
        "replies": {"before": dict(tally.before_replies), "after": dict(tally.after_replies)},
        "operator": [
            {
                "decision": move[0],
                "after": move[1],
                "count": count,
                "samples": _samples(tally.decision_samples.get(move, ())),
            }
            for move, count in sorted(tally.decisions.items())
        ],
        "watched": [
            {
                "rule": rule,
                "recorded": dict(watched.recorded),
                "now": dict(watched.now),
                "otherwise": watched.otherwise,
                "samples": _samples(watched.samples),
            }
            for rule, watched in tally.watched.items()
        ],
        "not_recorded": dict(tally.not_recorded),
        "losses": [{"id": id, "why": why.in_(language)} for id, why in tally.losses],
    }


def _verdicts(counts: Counter[str]) -> dict[str, int]:
    return {str(outcome): counts[str(outcome)] for outcome in Outcome}


def _samples(samples: Iterable[Sample]) -> list[dict[str, Any]]:
    return [
        {
            "id": sample.id,
            "seq": sample.seq,
            "received_at": sample.received_at,
            "sender": sample.sender,
            "subject": sample.subject,
            "operator": sample.decided or None,
            "before": {"then": sample.before, "rule": sample.before_rule},
            "after": {"then": sample.after, "rule": sample.after_rule, "at": sample.after_at},
            "conditions": [_condition(condition) for condition in sample.conditions],
        }
        for sample in samples
    ]


def _condition(condition: ConditionTrace) -> dict[str, Any]:
    lost = isinstance(condition.observed, Unknown)
    return {
        "group": condition.group,
        "fact": condition.fact,
        "operator": condition.operator,
        "expected": condition.expected,
        "observed": None if lost else condition.observed,
        "unknown": lost,
        "holds": condition.holds,
        **({"hit": condition.hit} if condition.hit else {}),
    }


def show(tally: Tally, file: Path, ruleset: RuleSet, since: datetime | None, until: datetime | None) -> None:
    """The same for people."""
    language = current().language
    if not tally.seen:
        line(_NONE.in_(language))
        return
    first = local(since, "%Y-%m-%d") if since else _BEGIN
    last = local(until, "%Y-%m-%d") if until else _NOW
    line(_PERIOD.with_(mails=f"{tally.mails:,}", first=first, last=last, rules=file.name).in_(language), "bold")
    line("")
    _table(_COUNTS, [(word(THEN, str(o)), tally.before[str(o)], tally.after[str(o)]) for o in Outcome])
    templates = sorted(tally.before_replies.keys() | tally.after_replies.keys())
    if templates:
        line("")
        _table(_REPLIES, [(name, tally.before_replies[name], tally.after_replies[name]) for name in templates])
    heading(_CHANGED.with_(count=f"{tally.changed:,}") if tally.changed else _UNCHANGED)
    for move, count in tally.moves.most_common():
        _group(_MOVE, move, (THEN, THEN), count, tally.samples.get(move, []))
    if tally.same_verdict_other_rule:
        line(f"  {_OTHER_RULE.with_(count=f'{tally.same_verdict_other_rule:,}').in_(language)}")
    if tally.decisions:
        heading(_DECISIONS)
        for move, count in sorted(tally.decisions.items()):
            # what an operator decided and the rules do otherwise is shown, the rest only counted
            against = (move[0] == "release") != (move[1] == Outcome.DELIVER)
            _group(_DECISION, move, (_DECIDED, THEN), count, tally.decision_samples.get(move, []) if against else [])
    if tally.watched:
        heading(_WATCHED)
        for rule, watched in tally.watched.items():
            said = _WATCH.with_(
                rule=rule,
                recorded=_outcomes(watched.recorded),
                now=_outcomes(watched.now),
                otherwise=f"{watched.otherwise:,}",
            )
            line(f"  {said.in_(language)}", "bold")
            _list(watched.samples)
    _remarks(tally)


def _remarks(tally: Tally) -> None:
    """What could not be judged, and what was unknown."""
    language = current().language
    if tally.not_recorded or tally.gone:
        line("")
    if tally.not_recorded:
        facts = ", ".join(f"{key} ({count:,})" for key, count in tally.not_recorded.most_common())
        line(_NOT_RECORDED.with_(facts=facts).in_(language), "yellow")
    if tally.gone:
        line(_GONE.with_(count=f"{tally.gone:,}").in_(language))
    if tally.failed:
        warn(_FAILED.with_(count=f"{tally.failed:,}"))
        for id, why in tally.losses:
            warn(f"  {id}: {why.in_(language)}")


def _table(headings: Sequence[Text], counts: Iterable[tuple[object, int, int]]) -> None:
    rows = [
        (name, f"{was:>8,}", f"{would:>8,}", f"{would - was:>+8,}" if would != was else "")
        for name, was, would in counts
    ]
    listing(headings, rows, first=4)


def _group(text: Text, move: Move, tables: Any, count: int, samples: Sequence[Sample]) -> None:
    language = current().language
    names = [word(table, key) for table, key in zip(tables, move, strict=True)]
    said = text.with_(before=names[0], decision=names[0], after=names[1], count=f"{count:,}").in_(language)
    cut = f" {_SHOWN.with_(shown=len(samples)).in_(language)}" if 0 < len(samples) < count else ""
    line(f"  {said}{cut}", "bold")
    _list(samples)


def _list(samples: Sequence[Sample]) -> None:
    """Each sample on two lines, and a line for each condition that decides."""
    language = current().language
    for sample in reversed(samples):
        by = _OPERATOR.with_(action=word(ACTIONS, sample.decided)).in_(language) if sample.decided else ""
        when = local(sample.received_at, "%Y-%m-%d %H:%M")
        line(f"    {when}  {sample.id}  {sample.sender or '<>'}  {one_line(sample.subject, SUBJECT)}{by}")
        line(f"      {_BY_RULE.with_(before=sample.before_rule, after=sample.after_rule).in_(language)}")
        for condition in sample.conditions:
            mark = "✓" if condition.holds else "✗"
            group = "" if condition.group == "when" else f"{condition.group}: "
            seen = UNKNOWN.in_(language) if isinstance(condition.observed, Unknown) else short(condition.observed)
            hit = f"  [{one_line(condition.hit, SUBJECT)}]" if condition.hit else ""
            asked = f"{group}{condition.fact} {condition.operator} {one_line(condition.expected, EXPECTED)}"
            line(f"        {mark} {asked}  ← {seen}{hit}")


def _outcomes(counts: Counter[str]) -> Text | str:
    said = [f"{cell(word(THEN, then))} {count:,}" for then, count in counts.most_common()]
    return ", ".join(said) if said else _NEVER
