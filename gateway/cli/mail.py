"""Mail on record as people and programs see it: the list, and everything about one message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from gateway.cli.context import current
from gateway.cli.decision import line, show_decision
from gateway.cli.output import cell, fields, listing, local, one_line
from gateway.cli.words import ACTIONS, DIRECTIONS, KINDS, QUEUE, RECORDS, RESULTS, STATES, TARGETS, word
from gateway.store.search import Hit, LogRow, Shown
from gateway.text import Text, plain

SUBJECT = 60  # characters of a subject in a list

ID = Text("記録の ID、ログの番号、Message-ID、または SHA-256。", "Id, number in the log, Message-ID or SHA-256.")

_LIST = (Text("日時", "time"), Text("ID", "id"), Text("状態", "state"), Text("相手", "who"), Text("件名", "subject"),
         Text("ルール", "rule"))  # fmt: skip
_REPLY_TO = Text("{id} への{kind}", "{kind} on {id}")


def show_list(hits: Iterable[Hit]) -> None:
    """A row a message."""
    language = current().language
    rows = []
    for hit in hits:
        who = hit.sender or "<>"
        if hit.direction == "out":
            who = "→ " + ", ".join(hit.recipients)
        rule = hit.rule if hit.direction == "in" else word(KINDS, hit.kind).in_(language)
        when = local(hit.received_at, "%Y-%m-%d %H:%M")
        rows.append((when, hit.id, word(STATES, hit.state), who, one_line(hit.subject, SUBJECT), rule))
    listing(_LIST, rows)


def as_json(shown: Hit | Shown) -> dict[str, Any]:
    """The same for programs."""
    if isinstance(shown, Hit):
        return asdict(shown)
    return {
        "message": asdict(shown.hit),
        "verdict": shown.verdict,
        "facts": shown.facts,
        "reply": shown.reply,
        "deliveries": [result for record in shown.records for result in deliveries(record)],
        "queue": [asdict(entry) for entry in shown.queue],
        "related": [asdict(hit) for hit in shown.related],
        "records": [asdict(record) for record in shown.records],
    }


def deliveries(row: LogRow) -> list[dict[str, Any]]:
    """What a record of a delivery says of each recipient."""
    record = row.record or {}
    if row.kind != "delivery":
        return []
    common = {
        "seq": row.seq,
        "at": row.at,
        **{name: record.get(name) for name in ("message", "entry", "kind", "target", "host", "attempt")},
    }
    if "action" in record:  # nobody knows whether it arrived
        return [{**common, "recipient": None, "status": record["action"], "code": 0, "text": record.get("why", "")}]
    return [{**common, **result} for result in record.get("results", ())]


def show_mail(shown: Shown, text: str | None = None) -> None:
    """All that is known about a message; `text` is what it says, where that is wanted."""
    hit = shown.hit
    line(f"■ {hit.subject or cell(NO_SUBJECT)}", "bold")
    fields(_about(shown))
    if text is not None:
        heading(TEXT)
        for said in text.splitlines():
            line(f"  │ {said}")
    if hit.direction == "in":
        heading(DECISION)
        show_decision(shown.verdict, shown.facts, shown.reply)
    if shown.related:
        heading(RELATED)
        show_list(shown.related)
    sent = [result for record in shown.records for result in deliveries(record)]
    if sent:
        heading(DELIVERIES)
        listing(_DELIVERY, [_delivery(result) for result in sent])
    waiting = [entry for entry in shown.queue if entry.state not in ("done", "cancelled")]
    if waiting:
        heading(QUEUED)
        for entry in waiting:
            due = f"{cell(NEXT)} {local(entry.next_at)}" if entry.state == "waiting" else ""
            parts = (
                entry.id,
                word(KINDS, entry.kind),
                word(QUEUE, entry.state),
                entry.recipients,
                due,
                entry.last_error,
            )
            line("  " + "  ".join(said for part in parts if (said := cell(part))))
    heading(LOG)
    listing(_LOG, [(f"#{row.seq}", row.at, word(RECORDS, row.kind), summary(row)) for row in shown.records])


def heading(text: Text) -> None:
    """The heading of a section."""
    line("")
    line(f"■ {text.in_(current().language)}", "bold")


def _about(shown: Shown) -> list[tuple[Text, object]]:
    hit = shown.hit
    record = next((row.record for row in shown.records if row.seq == hit.seq and row.record), {})
    peer = record.get("peer") or {}
    tls = peer.get("tls") or {}
    connection = [peer.get("ip") or hit.peer_ip or "", peer.get("helo") and f"HELO {peer['helo']}", tls.get("version")]
    origin = record.get("origin") or {}
    seen = f" ({origin['source']}, {origin['trust']})" if origin else ""
    return [
        (WHEN, hit.received_at),
        (ID_NAME, f"{hit.id}  #{hit.seq}"),
        (STATE, word(STATES, hit.state)),
        (WAY, word(DIRECTIONS, hit.direction)),
        (ABOUT, _REPLY_TO.with_(id=hit.about, kind=word(KINDS, hit.kind)) if hit.about else None),
        (FROM, hit.from_header),
        (ENVELOPE, f"{hit.mail_from or '<>'} → {', '.join(hit.recipients)}"),
        (PEER, "  ".join(part for part in connection if part)),
        (ORIGIN, f"{hit.origin_ip}{seen}" if hit.origin_ip else None),
        (MESSAGE_ID, hit.message_id),
        (SIZE, SIZED.with_(size=hit.size)),
        (plain("SHA-256"), hit.sha256),
    ]


def _delivery(result: dict[str, Any]) -> Sequence[object]:
    said = f"{result['code']} {result['text']}" if result.get("code") else result.get("text")
    return (
        result["at"],
        result["recipient"],
        word(RESULTS, result["status"]),
        result["host"] or word(TARGETS, result["target"] or ""),
        said,
    )


def summary(row: LogRow) -> str:
    """A record of the log on one line."""
    language = current().language
    record = row.record
    if record is None:
        return DELETED.in_(language)
    parts: list[object] = []
    if row.kind in ("mail.in", "mail.out"):
        parts = [word(KINDS, record["kind"]), record["sha256"][:16] + "…"]
    elif row.kind == "delivery" and "results" in record:
        parts = [f"{r['recipient']}: {word(RESULTS, r['status']).in_(language)}" for r in record["results"]]
    elif "action" in record:
        parts = [word(ACTIONS, record["action"]), record.get("operator"), record.get("reason") or record.get("why")]
    else:
        parts = [f"{key}={value}" for key, value in record.items() if isinstance(value, str | int)]
    return one_line("  ".join(said for part in parts if (said := cell(part))), 200)


NO_SUBJECT = Text("（件名なし）", "(no subject)")
TEXT = Text("本文", "text")
DECISION = Text("判定とその理由", "verdict and reasons")
RELATED = Text("このメールについて送ったもの", "what was sent about it")
DELIVERIES = Text("配送の結果", "deliveries")
QUEUED = Text("配送待ち", "still to do")
NEXT = Text("次回", "next")
LOG = Text("記録", "records")
DELETED = Text("（削除済み。証明は残っています）", "(deleted; its proof is kept)")
WHEN = Text("日時", "time")
ID_NAME = Text("ID・記録番号", "id, record")
STATE = Text("状態", "state")
WAY = Text("方向", "direction")
ABOUT = Text("種類", "kind")
FROM = Text("差出人", "from")
ENVELOPE = Text("エンベロープ", "envelope")
PEER = Text("接続元", "peer")
ORIGIN = Text("発信元 IP", "origin IP")
MESSAGE_ID = Text("Message-ID", "Message-ID")
SIZE = Text("大きさ", "size")
SIZED = Text("{size:,} バイト", "{size:,} bytes")
_DELIVERY = (
    Text("日時", "time"),
    Text("宛先", "recipient"),
    Text("結果", "result"),
    Text("相手のサーバー", "server"),
    Text("応答", "reply"),
)
_LOG = (Text("番号", "number"), Text("日時", "time"), Text("種類", "kind"), Text("内容", "content"))
