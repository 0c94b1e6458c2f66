"""The tables of a bundle: messages, attachments, timeline, completeness, what was blacked out, who held it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.casefile.acts import acts_of
from gateway.casefile.csv_table import csv_bytes
from gateway.casefile.gather import Gathered
from gateway.casefile.letter import Letter
from gateway.casefile.page import kind_of
from gateway.casefile.redaction import Redaction
from gateway.casefile.when import local_text, utc_text
from gateway.casefile.workshop import Taken
from gateway.evidence.export_material import LogRecord

WITHHELD: Final = "墨消し"

MESSAGES: Final = {
    "exhibit": "号証",
    "seq": "記録番号",
    "id": "識別子",
    "direction": "方向",
    "kind": "種類",
    "at": "日時",
    "at_utc": "日時（UTC）",
    "from": "差出人（表示）",
    "envelope_from": "エンベロープ差出人",
    "recipients": "宛先",
    "subject": "件名",
    "message_id": "Message-ID",
    "peer_ip": "接続元IP",
    "helo": "HELO名",
    "tls": "暗号化",
    "origin_ip": "発信元IP",
    "origin_source": "発信元の根拠",
    "origin_trust": "発信元の確度",
    "spf": "SPF",
    "dkim": "DKIM",
    "dmarc": "DMARC",
    "verdict": "取扱い",
    "rule": "規則",
    "ruleset": "規則のハッシュ",
    "reply": "自動返信",
    "sha256": "SHA-256",
    "size": "大きさ（バイト）",
    "exhibit_file": "書証ファイル",
    "original_file": "原本ファイル",
    "redacted": "墨消し",
}
ATTACHMENTS: Final = {
    "exhibit": "号証",
    "message_exhibit": "添付元の号証",
    "seq": "記録番号",
    "name": "ファイル名",
    "type": "種類",
    "size": "大きさ（バイト）",
    "sha256": "SHA-256",
    "file": "ファイル",
}
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
REDACTIONS: Final = {
    "exhibit": "号証",
    "seq": "記録番号",
    "places": "墨消しの箇所",
    "leaf": "記録のリーフハッシュ",
    "left_out": "除いたもの",
    "reason": "理由",
}
CUSTODY: Final = {
    "at": "日時",
    "action": "できごと",
    "holder": "取扱者",
    "to": "渡した先",
    "bundle": "ファイル名",
    "sha256": "SHA-256",
    "seq": "記録番号",
}
AUDIT: Final = {
    "at": "日時",
    "kind": "種類",
    "action": "操作",
    "operator": "操作者",
    "reason": "理由",
    "seq": "記録番号",
}

_DIRECTIONS: Final = {"in": "受信", "out": "送信"}
_CUSTODY: Final = {"made": "作成", "handed_over": "引渡し", "received": "受領"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What all tables are made of."""

    gathered: Gathered
    taken: Mapping[str, Taken]  # by the name of the mark
    missing: frozenset[str]  # names of marks whose original was deleted
    leaves: Mapping[int, bytes]
    times: Sequence[tuple[datetime, bool]]  # of every message record: when, and whether deleted
    zone: ZoneInfo
    redaction: Redaction
    reason: str  # why things were blacked out
    shop: str

    @property
    def exhibits(self) -> list[Letter]:
        """The letters that became exhibits."""
        return [letter for letter in self.gathered.letters if letter.mark.name in self.taken]


def write_tables(facts: Facts) -> dict[str, bytes]:
    """All tables by file name."""
    made = {
        "02_timeline.csv": (TIMELINE, timeline(facts)),
        "04_messages.csv": (MESSAGES, _messages(facts)),
        "05_attachments.csv": (ATTACHMENTS, _attachments(facts)),
        "06_completeness.csv": (COMPLETENESS, completeness(facts)),
        "08_redactions.csv": (REDACTIONS, _redactions(facts)),
        "09_custody.csv": (CUSTODY, _custody(facts)),
        "10_operator_audit.csv": (AUDIT, _audit(facts)),
    }
    clean = facts.redaction.text
    return {
        name: csv_bytes(columns, ([clean(cell) if isinstance(cell, str) else cell for cell in row] for row in rows))
        for name, (columns, rows) in made.items()
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


def _messages(facts: Facts) -> Iterable[Sequence[object]]:
    for letter in facts.exhibits:
        taken = facts.taken[letter.mark.name]
        record = letter.record or {}
        peer, origin = record.get("peer") or {}, record.get("origin") or {}
        verdict, known, reply = record.get("verdict") or {}, record.get("facts") or {}, record.get("reply") or {}
        tls = peer.get("tls") or {}
        paper = f"03_exhibits/{letter.mark.name}{'-01' if taken.attachments else ''}.pdf"
        yield (
            taken.stamp,
            letter.seq,
            letter.id,
            _DIRECTIONS.get(letter.direction, letter.direction),
            kind_of(letter),
            local_text(letter.received_at, facts.zone),
            utc_text(letter.received_at),
            letter.from_header,
            letter.mail_from,
            " ".join(letter.recipients),
            letter.subject,
            letter.message_id,
            peer.get("ip", ""),
            peer.get("helo", ""),
            tls.get("version", ""),
            origin.get("ip", ""),
            origin.get("source", ""),
            origin.get("trust", ""),
            *(_value(known.get(name)) for name in ("spf", "dkim", "dmarc")),
            verdict.get("then", ""),
            verdict.get("rule", ""),
            verdict.get("ruleset", ""),
            f"{reply['template']}: {reply.get('why', '')}" if reply.get("template") else "",
            "" if taken.touched else letter.sha256,
            letter.size,
            paper,
            "" if taken.touched else f"eml/{letter.mark.name}.eml",
            taken.touched,
        )


def _attachments(facts: Facts) -> Iterable[Sequence[object]]:
    for letter in facts.exhibits:
        taken = facts.taken[letter.mark.name]
        for one in taken.attachments:
            digest = "" if taken.touched else one.sha256
            yield (one.stamp, taken.stamp, letter.seq, one.name, one.content_type, one.size, digest, one.path)


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


def _redactions(facts: Facts) -> Iterable[Sequence[object]]:
    for letter in facts.exhibits:
        taken = facts.taken[letter.mark.name]
        if taken.touched:
            leaf = facts.leaves.get(letter.seq, b"").hex()
            left_out = "原本、SMTPの対話、添付ファイル、記録の内容、SHA-256"
            yield (taken.stamp, letter.seq, taken.places, leaf, left_out, facts.reason)


def _custody(facts: Facts) -> Iterable[Sequence[object]]:
    for record in facts.gathered.audit:
        if record.kind == "custody" and record.said is not None:
            said = record.said
            action = _CUSTODY.get(said.get("action", ""), said.get("action", ""))
            yield (
                local_text(record.at, facts.zone),
                action,
                said.get("operator", ""),
                said.get("to", ""),
                said.get("bundle", ""),
                said.get("sha256", ""),
                record.seq,
            )
    for action in ("受領", "引渡し", "受領", "引渡し"):  # to be filled in by whoever takes the bundle on
        yield ("", action, "", "", "", "", "")


def _audit(facts: Facts) -> Iterable[Sequence[object]]:
    concerned = {entry.seq for entry in facts.gathered.blocks} | {record.seq for record in facts.gathered.about}
    for record in facts.gathered.audit:
        said = record.said
        if said is None:
            yield (local_text(record.at, facts.zone), record.kind, "（削除済み）", "", "", record.seq)
        elif record.kind not in ("block", "unblock", "quarantine", "call", "people") or record.seq in concerned:
            yield _act(record, said, facts.zone)


def _act(record: LogRecord, said: Mapping[str, Any], zone: ZoneInfo) -> Sequence[object]:
    action = said.get("action") or said.get("verb") or said.get("what") or said.get("rule") or record.kind
    reason = said.get("reason") or said.get("why") or ""
    at = local_text(record.at, zone)
    return (at, record.kind, action if isinstance(action, str) else "", said.get("operator", ""), reason, record.seq)


def _value(fact: Any) -> str:
    if isinstance(fact, dict):
        return "unknown" if fact.get("unknown") else str(fact.get("value") or "")
    return ""


def _month(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m")
