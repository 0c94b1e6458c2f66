"""The timeline of a bundle: mail, calls and blocks in the order of time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from gateway.casefile.acts import acts_of
from gateway.casefile.facts import Facts
from gateway.casefile.frame import kind_of
from gateway.casefile.when import local_text, utc_text

TIMELINE: Final = {
    "at": "日時",
    "at_utc": "日時（UTC）",
    "what": "できごと",
    "who": "相手",
    "summary": "内容",
    "acts": "行為",
    "exhibit": "号証",
    "seq": "記録番号",
}


def timeline(facts: Facts) -> list[tuple[str, ...]]:
    """Mail, calls and blocks in the order of time."""
    rows: list[tuple[datetime, int, tuple[str, ...]]] = []
    for letter in facts.gathered.letters:
        acts = "、".join(dict.fromkeys(f"{act.name}「{act.quote}」" for act in acts_of(letter.record)))
        who = letter.from_header or letter.mail_from if letter.direction == "in" else "、".join(letter.recipients)
        taken = facts.taken.get(letter.mark.name)
        stamp = taken.stamp if taken else "（原本は削除済み）"
        rows.append((letter.received_at, letter.seq, (kind_of(letter), who, letter.subject, acts, stamp)))
    for call in facts.gathered.calls:
        heard = f"（録音 {call.recording}）" if call.recording else ""
        rows.append(
            (call.at, call.seq, ("電話", call.person or call.number or "番号非通知", call.summary + heard, "", ""))
        )
    for entry in facts.gathered.blocks:
        what = "監視を開始" if entry.watched else "取引停止を登録"
        rows.append((entry.created_at, entry.seq, (what, entry.person or entry.value, entry.reason, "", "")))
        if entry.ended_at is not None:
            said = ("取引停止を解除", entry.person or entry.value, entry.end_reason, "", "")
            rows.append((entry.ended_at, entry.seq, said))
    rows.sort(key=lambda row: row[:2])
    return [(local_text(at, facts.zone), utc_text(at), *said, str(seq)) for at, seq, said in rows]
