"""The table of completeness: logged = exported + withheld + not concerned + deleted."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from gateway.casefile.facts import Facts

COMPLETENESS: Final = {
    "scope": "範囲",
    "period": "期間",
    "address": "アドレス",
    "logged": "記録",
    "exported": "書き出し",
    "withheld": "除外",
    "other": "対象外",
    "deleted": "削除済み",
    "redacted": "書き出しのうち墨消し",
    "reason": "理由",
}


def completeness(facts: Facts) -> list[tuple[object, ...]]:
    """Logged = exported + withheld + not concerned + deleted, for every month and in all; then for each address."""
    months: dict[str, Counter[str]] = {}
    for at, gone in facts.times:
        months.setdefault(_month(at, facts.zone), Counter()).update(("logged", "deleted") if gone else ("logged",))
    addresses: dict[str, Counter[str]] = {}
    logged = {record.seq: record.at for record in facts.gathered.about}
    for letter in facts.gathered.letters:
        taken = facts.taken.get(letter.mark.name)
        fate = ["exported"] if taken else ["deleted_body"]
        if taken and taken.touched:
            fate.append("redacted")
        at = logged.get(letter.seq, letter.received_at)
        months.setdefault(_month(at, facts.zone), Counter()).update(fate)
        who = letter.mail_from if letter.direction == "in" else "、".join(letter.recipients)
        addresses.setdefault(who or "<>", Counter()).update(["logged", *fate])
    rows: list[tuple[object, ...]] = []
    total: Counter[str] = Counter()
    for month, count in sorted(months.items()):
        rows.append(_complete("ログ全体", month, "", count, whole=True))
        total.update(count)
    rows.append(_complete("ログ全体", "合計", "", total, whole=True))
    rows += [_complete("対象", "全期間", who, count, whole=False) for who, count in sorted(addresses.items())]
    return rows


def _complete(scope: str, period: str, address: str, count: Counter[str], *, whole: bool) -> tuple[object, ...]:
    exported, withheld, deleted = count["exported"], count["deleted_body"], count["deleted"]
    other = count["logged"] - exported - withheld - deleted if whole else 0
    why = []
    if withheld:
        why.append("除外：原本がないため書証にできないもの")
    if deleted:
        why.append("削除済み：保存期間の満了または本人の請求（証明は残る）")
    if other:
        why.append("対象外：この案件の条件に当たらないもの")
    return (
        scope,
        period,
        address,
        count["logged"],
        exported,
        withheld,
        other,
        deleted,
        count["redacted"],
        "。".join(why),
    )


def _month(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m")
