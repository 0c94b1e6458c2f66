"""The log records of mail, in and out, and the columns of the message table that must agree with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.model.acceptance import Acceptance, Draft, ReplyPlan
from gateway.model.envelope import Peer
from gateway.model.fact import Fact, Unknown, Value
from gateway.model.order import order_key
from gateway.model.record import SafeRecord, time_text
from gateway.model.verdict import ConditionTrace, RuleTrace, Verdict
from gateway.text import Text

# A fact may be the whole text of a mail, which is kept anyway: records hold this many characters of each value.
LONGEST_VALUE = 2000
LONGEST_OBSERVED = 300
MOST_VALUES = 200

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(<[\x21-\x7e]{1,900}>)", re.IGNORECASE | re.MULTILINE)


def incoming(
    acceptance: Acceptance, removed: tuple[bytes, ...], authserv_id: str, reply: Mapping[str, Any] | None
) -> SafeRecord:
    """The record `mail.in`: everything that was known about a message when it was accepted, its bytes by their SHA-256.

    `removed` are the header fields that the relayed copy lacks, `reply` is `reply_json`.
    """
    exchange, language = acceptance.exchange, acceptance.language
    envelope, origin, peer = exchange.envelope, acceptance.origin, exchange.envelope.peer
    return SafeRecord(
        id=exchange.id,
        direction="in",
        kind="mail",
        source=exchange.source,
        received_at=time_text(exchange.received_at),
        sha256=exchange.sha256.hex(),
        size=exchange.size,
        envelope={
            "mail_from": clean(envelope.mail_from),
            "recipients": [clean(r) for r in envelope.recipients],
            "smtputf8": envelope.smtputf8,
        },
        peer=_peer(peer),
        dialogue=[clean(line) for line in envelope.dialogue],
        sender=clean(acceptance.sender),
        origin={"ip": origin.ip, "source": clean(origin.source), "trust": str(origin.trust)} if origin else None,
        headers={
            "subject": clean(acceptance.subject),
            "from": clean(acceptance.from_header),
            "message_id": clean(acceptance.message_id),
        },
        trace=acceptance.trace.decode("latin-1"),
        removed=[field.decode("latin-1") for field in removed],
        authserv_id=authserv_id,
        facts={_key(key): _fact(fact, language) for key, fact in acceptance.facts.items()},
        verdict=_verdict(acceptance.verdict),
        evidence=_plain(acceptance.evidence),
        reply=reply,
        queued=[
            {"id": d.id, "kind": d.kind, "target": d.target, "recipients": [clean(r) for r in d.recipients]}
            for d in acceptance.dispatches
        ],
        notices=[draft.id for draft in acceptance.notices],
        language=language,
    )


def outgoing(draft: Draft, sha256: bytes, at: datetime, about: str) -> dict[str, Any]:
    """The record `mail.out`: a message that the gateway wrote and is about to send, about the exchange `about`."""
    message_id = _MESSAGE_ID.search(draft.raw.partition(b"\r\n\r\n")[0])
    return {
        "id": draft.id,
        "direction": "out",
        "kind": draft.kind,
        "about": about,
        "received_at": time_text(at),
        "sha256": sha256.hex(),
        "size": len(draft.raw),
        "envelope": {"mail_from": clean(draft.mail_from), "recipients": [clean(r) for r in draft.recipients]},
        "target": draft.target,
        "headers": {
            "subject": clean(draft.subject),
            "message_id": message_id[1].decode("ascii") if message_id else "",
        },
    }


def message_columns(record: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of table `message` that follow from a record `mail.in` or `mail.out`; `verify` compares them."""
    headers, envelope = record["headers"], record["envelope"]
    came = record["direction"] == "in"
    origin = record.get("origin")
    verdict: Mapping[str, Any] = record["verdict"] if came else {}
    return {
        "id": record["id"],
        "direction": record["direction"],
        "kind": record["kind"],
        "about": record.get("about"),
        "received_at": datetime.fromisoformat(record["received_at"]),
        "sha256": bytes.fromhex(record["sha256"]),
        "size": record["size"],
        "mail_from": envelope["mail_from"],
        "sender": record["sender"] if came else envelope["mail_from"],
        "recipients": envelope["recipients"],
        "peer_ip": record["peer"]["ip"] if came else None,
        "origin_ip": origin["ip"] if origin else None,
        "subject": headers["subject"],
        "from_header": headers.get("from"),
        "message_id": headers["message_id"],
        "trace": record["trace"].encode("latin-1") if came else b"",
        "facts": record["facts"] if came else {},
        "verdict": verdict,
        "then": verdict["then"] if came else "sent",
        "rule": verdict["rule"] if came else "",
        "reply": record["reply"] if came else None,
    }


def order_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of table `message_order` that follow from a record `mail.in`."""
    numbers = record["facts"].get("order", {}).get("value")
    if not isinstance(numbers, list):
        return []
    said = record["evidence"].get("complaint")
    complaint = bytes.fromhex(said) if said else None
    keys = dict.fromkeys(clean(order_key(number)) for number in numbers)
    at = datetime.fromisoformat(record["received_at"])
    return [
        {"message": record["id"], "order_key": key, "sender": record["sender"], "complaint": complaint, "at": at}
        for key in keys
        if key
    ]


def reply_json(plan: ReplyPlan, why: Text, language: str, *, sent: bool) -> dict[str, Any]:
    """What became of the reply: `would_send`, and why (not); `id` is that of the reply's message."""
    return {
        "template": plan.template,
        "to": clean(plan.to),
        "would_send": sent,
        "why": clean(why.in_(language)),
        "id": plan.draft.id if sent and plan.draft else None,
    }


def clean(text: str) -> str:
    """The text without what a database cannot keep: NUL and lone surrogates become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "�")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _peer(peer: Peer) -> dict[str, Any]:
    tls = peer.tls
    return {
        "ip": peer.ip,
        "port": peer.port,
        "helo": clean(peer.helo),
        "extended": peer.extended,
        "proxy": peer.proxy,
        "local": peer.local,
        "tls": {"version": tls.version, "cipher": tls.cipher, "bits": tls.bits} if tls else None,
    }


def _fact(fact: Fact, language: str) -> dict[str, Any]:
    made: dict[str, Any] = {"value": _value(fact.value, LONGEST_VALUE)}
    if isinstance(fact.value, Unknown):
        made["unknown"] = True
    if fact.note is not None:
        made["note"] = _short(fact.note.in_(language), LONGEST_VALUE)
    return made


def _verdict(verdict: Verdict) -> dict[str, Any]:
    action = verdict.action
    return {
        "then": str(action.then),
        "rule": clean(verdict.rule),
        "at": clean(verdict.at),
        "ruleset": verdict.ruleset,
        "tags": [clean(tag) for tag in action.tags],
        "notify": [clean(to) for to in action.notify],
        "forward": [clean(to) for to in action.forward],
        "smtp_text": clean(action.smtp_text),
        "watched": [[clean(rule), str(outcome)] for rule, outcome in verdict.watched],
        "trail": [_rule(rule) for rule in verdict.trail],
    }


def _rule(rule: RuleTrace) -> dict[str, Any]:
    return {
        "name": clean(rule.name),
        "at": clean(rule.at),
        "mode": rule.mode,
        "matched": rule.matched,
        "conditions": [_condition(condition) for condition in rule.conditions],
    }


def _condition(condition: ConditionTrace) -> dict[str, Any]:
    made = {
        "group": condition.group,
        "fact": clean(condition.fact),
        "operator": condition.operator,
        "expected": _short(condition.expected, LONGEST_OBSERVED),
        "observed": _value(condition.observed, LONGEST_OBSERVED),
        "holds": condition.holds,
    }
    if condition.hit:
        made["hit"] = _short(condition.hit, LONGEST_OBSERVED)
    if isinstance(condition.observed, Unknown):
        made["unknown"] = True
    return made


def _value(value: Value | Unknown, longest: int) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return _short(value, longest)
    if isinstance(value, Unknown):
        return None
    return [_short(one, longest) for one in value[:MOST_VALUES]]


def _short(text: str, longest: int) -> str:
    return clean(text if len(text) <= longest else text[:longest] + "…")


def _key(key: str) -> str:
    return key if key.isascii() else key.encode("ascii", "backslashreplace").decode("ascii")


def _plain(value: object) -> Any:
    """JSON of strings, integers and yes/no alone, whatever a filter put in."""
    if isinstance(value, Mapping):
        return {_key(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    return clean(value.decode("latin-1") if isinstance(value, bytes) else str(value))
