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
_CUSTODY: Final = {"made": "作成", "handed_over": "引渡し", "received": "受領"}


def custody(facts: Facts) -> Iterable[Sequence[object]]:
    """Bundles made before, this one, and lines for whoever takes it on; its own SHA-256 cannot stand in it."""
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
    yield (local_text(facts.made_at, facts.zone), "作成（この一式）", facts.operator, "", "", "", "")
    for action in ("受領", "引渡し", "受領", "引渡し"):  # to be filled in by whoever takes the bundle on
        yield ("", action, "", "", "", "", "")


def audit(facts: Facts) -> Iterable[Sequence[object]]:
    """What operators did to the log as a whole, and to what belongs to the bundle."""
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
