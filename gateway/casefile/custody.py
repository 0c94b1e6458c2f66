"""Who held the bundle, and what operators did: tables of the log's own records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.casefile.facts import Facts
from gateway.casefile.when import local_text
from gateway.evidence.log_records import LogRecord

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
_KINDS: Final = {
    "export": "書き出し", "custody": "一式の受渡し", "keys": "署名鍵", "deletion": "削除", "case": "案件",
    "block": "取引停止", "unblock": "取引停止の解除", "quarantine": "保留", "queue": "配送待ち", "call": "電話",
    "people": "お客様の登録", "gateway": "ゲートウェイ", "rules": "ルール", "operator": "操作",
}  # fmt: skip
_ACTIONS: Final = {
    "export": "書き出し", "made": "作成", "handed_over": "引渡し", "received": "受領", "begin": "使用開始",
    "rotate": "交代", "erasure": "本人の請求による消去", "retention": "保存期間の満了", "add": "登録", "change": "変更",
    "hold": "保全", "release": "解除", "refuse": "お断り", "start": "起動", "stop": "停止", "call": "登録",
    "block": "登録", "unblock": "解除", "merge": "統合", "split": "分割", "note": "メモ", "retry": "再送",
    "cancel": "取消し", "aside": "取り置き",
}  # fmt: skip
_OF_PERSONS: Final = ("block", "unblock", "quarantine", "queue", "call", "people")
_CUSTODY: Final = {"made": "作成", "handed_over": "引渡し", "received": "受領"}


def custody(facts: Facts) -> Iterable[Sequence[object]]:
    """Bundles made before, without their names, this one, and lines for whoever takes it on.

    Its own SHA-256 cannot stand in it.
    """
    for record in facts.gathered.audit:
        if record.kind == "custody" and record.said is not None:
            said = record.said
            action = _CUSTODY.get(said.get("action", ""), said.get("action", ""))
            yield (
                local_text(record.at, facts.zone),
                action,
                said.get("operator", ""),
                "",  # whom it was given to, and its name, may tell of another customer
                "",
                said.get("sha256", ""),
                record.seq,
            )
    yield (local_text(facts.made_at, facts.zone), "作成（この一式）", facts.operator, "", "", "", "")
    for action in ("受領", "引渡し", "受領", "引渡し"):  # to be filled in by whoever takes the bundle on
        yield ("", action, "", "", "", "", "")


def audit(facts: Facts) -> Iterable[Sequence[object]]:
    """What operators did to the log as a whole, and to what belongs to the bundle."""
    concerned = {entry.seq for entry in facts.gathered.blocks} | {record.seq for record in facts.gathered.about}
    for record in facts.gathered.audit:
        said = record.said
        if said is None:
            at = local_text(record.at, facts.zone)
            yield (at, _KINDS.get(record.kind, record.kind), "（削除済み）", "", "", record.seq)
        elif record.kind not in _OF_PERSONS or record.seq in concerned:
            if record.kind == "case" and facts.cases is not None and said.get("name") not in facts.cases:
                said = {**said, "reason": ""}  # that of another case may name its persons
            yield _act(record, said, facts.zone)


def _act(record: LogRecord, said: Mapping[str, Any], zone: ZoneInfo) -> Sequence[object]:
    action = said.get("action") or said.get("verb") or said.get("what") or said.get("rule") or record.kind
    reason = said.get("reason") or said.get("why") or ""
    at = local_text(record.at, zone)
    told = _ACTIONS.get(action, action) if isinstance(action, str) else ""
    return (at, _KINDS.get(record.kind, record.kind), told, said.get("operator", ""), reason, record.seq)
