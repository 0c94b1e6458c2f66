"""What the tests of the store share: databases of both kinds, sample messages, and units of work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.model.acceptance import Acceptance, Dispatch, Draft, ReplyPlan
from gateway.model.envelope import Envelope, Peer, Tls
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact, unknown
from gateway.model.origin import Origin, Trust
from gateway.model.verdict import Action, ConditionTrace, Outcome, RuleTrace, Verdict
from gateway.store.accept import Accept
from gateway.store.batch import Batch
from gateway.text import Text

NODE = "node-1"
LEASE = timedelta(minutes=5)
TRACE = b"X-Sekisho-Verdict: deliver\r\n"
SENT = Text("送信します。", "It goes.")


def exchange(text: str = "注文について", *, sender: str = "taro@example.com", ip: str = "192.0.2.7") -> Exchange:
    """A message as it came in."""
    raw = f"From: {sender}\r\nTo: shop@shop.example\r\nSubject: =?utf-8?q?x?=\r\n\r\n{text}\r\n".encode()
    peer = Peer(ip, 4711, "mail.example.com", tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256))
    dialogue = ("EHLO mail.example.com", "250-ok", f"MAIL FROM:<{sender}>", "250 ok")
    return Exchange(raw, Envelope(sender, ("shop@shop.example",), peer, dialogue=dialogue))


def acceptance(came: Exchange | None = None, **more: Any) -> Acceptance:
    """A screened message, delivered by default."""
    came = came or exchange()
    trail = (
        RuleTrace("脅迫", "rules.yaml:3", "enforce", False, (ConditionTrace("abuse", "at_least", "5", 0, False),)),
    )
    fields: dict[str, Any] = {
        "sender": came.envelope.mail_from,
        "origin": Origin(came.envelope.peer.ip, "peer", Trust.PEER),
        "facts": {
            "blocked": Fact(False, Text("登録なし", "not listed")),
            "spf": unknown(Text("DNS無応答", "DNS silent")),
        },
        "verdict": Verdict(Action(Outcome.DELIVER, tags=("注文",)), "default", "rules.yaml:20", "ab" * 32, trail),
        "trace": TRACE,
        "subject": "注文について",
        "from_header": came.envelope.mail_from,
        "message_id": f"<{came.id}@example.com>",
        "evidence": {"dkim": [{"domain": "example.com", "key": "v=DKIM1; p=…"}]},
        "dispatches": (Dispatch("deliver", "mailbox", came.id, came.envelope.mail_from, came.envelope.recipients),),
    }
    return Acceptance(came, **{**fields, **more})


def accept(accepted: Acceptance | None = None, **more: Any) -> Accept:
    """The unit that remembers a message."""
    accepted = accepted or acceptance(**more)
    return Accept(accepted, NODE, LEASE, (), "mx.shop.example", accepted.trace + accepted.exchange.raw)


def plan(to: str = "taro@example.com", **more: Any) -> ReplyPlan:
    """A reply that the guard lets go."""
    raw = (
        f"From: shop@shop.example\r\nTo: {to}\r\nMessage-ID: <r@shop.example>\r\nSubject: Re\r\n\r\n受け付けました\r\n"
    )
    draft = Draft("reply", raw.encode("utf-8", "replace"), "", (to,), "Re")
    fields: dict[str, Any] = {"template": "received", "draft": draft, **more}
    return ReplyPlan(to=to, would_send=True, why=SENT, **fields)


def now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


class Work:
    """A unit that does what a function says."""

    def __init__(self, work: Callable[[Batch], Any]) -> None:
        self._work = work

    async def apply(self, batch: Batch) -> Any:
        """Do it."""
        return await self._work(batch)


def note(text: str = "x") -> Work:
    """A unit that appends one record and returns its number."""

    async def work(batch: Batch) -> int:
        return batch.append("notice", {"text": text})

    return Work(work)
