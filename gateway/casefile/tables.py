"""The tables of a bundle as CSV: messages, attachments, what was blacked out, and those of the other modules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gateway.casefile.completeness import COMPLETENESS, completeness
from gateway.casefile.csv_table import csv_bytes
from gateway.casefile.custody import AUDIT, CUSTODY, audit, custody
from gateway.casefile.facts import Facts
from gateway.casefile.frame import kind_of
from gateway.casefile.timeline import TIMELINE, timeline
from gateway.casefile.when import local_text, utc_text

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
    "peer_port": "接続元ポート",
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
REDACTIONS: Final = {
    "exhibit": "号証",
    "seq": "記録番号",
    "places": "墨消しの箇所",
    "leaf": "記録のリーフハッシュ",
    "left_out": "除いたもの",
    "reason": "理由",
}

_DIRECTIONS: Final = {"in": "受信", "out": "送信"}


def write_tables(facts: Facts) -> dict[str, bytes]:
    """All tables by file name."""
    made = {
        "02_timeline.csv": (TIMELINE, timeline(facts)),
        "04_messages.csv": (MESSAGES, _messages(facts)),
        "05_attachments.csv": (ATTACHMENTS, _attachments(facts)),
        "06_completeness.csv": (COMPLETENESS, completeness(facts)),
        "08_redactions.csv": (REDACTIONS, _redactions(facts)),
        "09_custody.csv": (CUSTODY, custody(facts)),
        "10_operator_audit.csv": (AUDIT, audit(facts)),
    }
    clean = facts.redaction.text
    return {
        name: csv_bytes(columns, ([clean(cell) if isinstance(cell, str) else cell for cell in row] for row in rows))
        for name, (columns, rows) in made.items()
    }


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
            peer.get("port", "") or "",
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


def _redactions(facts: Facts) -> Iterable[Sequence[object]]:
    for letter in facts.exhibits:
        taken = facts.taken[letter.mark.name]
        if taken.touched:
            leaf = facts.leaves.get(letter.seq, b"").hex()
            left_out = "原本、SMTPの対話、添付ファイル、記録の内容、SHA-256"
            yield (taken.stamp, letter.seq, taken.places, leaf, left_out, facts.reason)


def _value(fact: Any) -> str:
    if isinstance(fact, dict):
        return "unknown" if fact.get("unknown") else str(fact.get("value") or "")
    return ""
