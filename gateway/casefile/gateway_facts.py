"""The block of an exhibit that tells what the gateway recorded of the message: envelope, connection, verdict, hash."""

from __future__ import annotations

from typing import Any, Final

from gateway.casefile.frame import Frame
from gateway.casefile.glyphs import Shown
from gateway.casefile.letter import Letter
from gateway.casefile.origins import grade_of, source_of
from gateway.casefile.redaction import Redaction
from gateway.casefile.when import japanese, utc_text

LONGEST_FIELD: Final = 3_000
_OUTCOMES: Final = {
    "deliver": "通常どおり配信",
    "quarantine": "保留",
    "reject": "受信を拒否",
    "discard": "破棄（記録のみ）",
}


def gateway_facts(
    letter: Letter, frame: Frame, redaction: Redaction, shown: Shown, *, touched: bool
) -> list[list[str]]:
    """Labels with what is said; without the hash where the message was `touched` by blacking out."""
    record = letter.record or {}
    peer, origin = record.get("peer") or {}, record.get("origin") or {}
    tls, verdict, facts = peer.get("tls") or {}, record.get("verdict") or {}, record.get("facts") or {}
    recipients = "、".join(f"<{one}>" for one in letter.recipients)
    at = "受信時刻" if letter.direction == "in" else "送信を記録した時刻"
    rows = [
        ["記録番号", f"{letter.seq}"],
        [at, f"{japanese(letter.received_at, frame.zone)}　{utc_text(letter.received_at)}"],
        ["エンベロープ", f"<{letter.mail_from}> → {recipients[:LONGEST_FIELD]}"],
    ]
    if peer:
        port = f"（ポート {peer['port']}）" if peer.get("port") else ""
        rows.append(["接続元 IP アドレス", f"{peer.get('ip', '')}{port}"])
        if peer.get("helo"):
            rows.append(["HELO 名", peer["helo"]])
        said = f"{tls['version']}（{tls['cipher']}）" if tls else "なし（平文）"
        rows.append(["通信の暗号化", said])
    if origin:
        rows.append(["発信元 IP アドレス", f"{origin['ip']}（根拠：{source_of(origin)}、確度：{grade_of(origin)}）"])
    checks = [f"{name.upper()} {_fact(facts[name])}" for name in ("spf", "dkim", "dmarc", "arc") if name in facts]
    if checks:
        rows.append(["差出人の認証", "、".join(checks)])
    if verdict:
        outcome = _OUTCOMES.get(verdict.get("then", ""), verdict.get("then", ""))
        rows.append(["取扱い", f"{outcome}（規則：{verdict.get('rule', '')}）"])
    rows = [[label, shown.breakable(redaction.text(said))] for label, said in rows]
    if touched:
        rows.append(["SHA-256", "墨消しのため記載しません（原本と引き合わせれば推測できるため）"])
    else:
        rows.append(["SHA-256（原文）", letter.sha256, "fixed"])
    rows.append(["大きさ", f"{letter.size:,} バイト"])
    rows.append(["チェックポイント", shown.breakable(frame.checkpoint)])
    return rows


def _fact(fact: Any) -> str:
    if isinstance(fact, dict):
        if fact.get("unknown"):
            return "不明"
        return "なし" if fact.get("value") is None else str(fact.get("value"))
    return str(fact)
