"""The unit of work that remembers one screened message: all of it in one transaction, or nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from gateway.model.acceptance import Acceptance, Accepted, Draft, Leased
from gateway.model.exchange import Exchange
from gateway.model.mail_record import clean, incoming, message_columns, order_rows, outgoing, reply_json
from gateway.model.verdict import Outcome
from gateway.store import body as bodies
from gateway.store.batch import Batch
from gateway.store.reply_history import withheld
from gateway.store.tables import body, message, message_order, queue, reply, sender_origin
from gateway.text import Text

Claim = Callable[[Batch, Exchange], Awaitable[None]]

_STATE = {
    Outcome.DELIVER: "queued",
    Outcome.QUARANTINE: "held",
    Outcome.REJECT: "rejected",
    Outcome.DISCARD: "discarded",
}


class Accept:
    """Message, body, facts, verdict, evidence, sender's origin, orders, reply decision, drafts and queue entries.

    Queue entries are leased to `node` for `lease`. `relayed` and `removed` are what relay_copy of `gateway.mime.relay`
    gave for `authserv_id`: the bytes that are passed on, and the header fields that were taken out. `claim` is done
    first in the same transaction: what it raises goes to the submitter, and nothing is kept.
    """

    def __init__(
        self,
        acceptance: Acceptance,
        node: str,
        lease: timedelta,
        removed: tuple[bytes, ...],
        authserv_id: str,
        relayed: bytes,
        claim: Claim | None = None,
    ) -> None:
        self._claim = claim
        self._acceptance = acceptance
        self._node = node
        self._lease = lease
        self._removed = removed
        self._authserv_id = authserv_id
        self._relayed = relayed
        self._packed = b""
        self.weight = len(acceptance.exchange.raw)

    async def prepare(self) -> None:
        """Compress the body and hash it, before the transaction."""
        exchange = self._acceptance.exchange
        if exchange.size > bodies.IN_THREAD:
            await asyncio.to_thread(lambda: exchange.sha256)
        self._packed = await bodies.pack(exchange.raw)

    async def apply(self, batch: Batch) -> Accepted:
        """Write everything; the reply is decided here, under the lock, so that two never go where one may."""
        acceptance = self._acceptance
        exchange = acceptance.exchange
        if self._claim is not None:
            await self._claim(batch, exchange)
        send, why = await self._decide(batch)
        plan = acceptance.reply
        said = reply_json(plan, why or plan.why, acceptance.language, sent=send) if plan else None
        record = incoming(acceptance, self._removed, self._authserv_id, said)
        seq = batch.append("mail.in", record, exchange.id)
        columns = message_columns(record)
        batch.insert(
            message, {**columns, "seq": seq, "state": acceptance.state or _STATE[acceptance.verdict.action.then]}
        )
        batch.insert(body, {"message": exchange.id, "zstd": self._packed})
        self._remember_origin(batch, columns)
        for row in order_rows(record):
            batch.insert(message_order, row)
        leased = [
            self._queue(batch, d.id, d.kind, d.target, d.message, d.mail_from, d.recipients, self._relayed)
            for d in acceptance.dispatches
        ]
        leased += [self._write_draft(batch, draft) for draft in acceptance.notices]
        if send and plan and plan.draft:
            leased.append(self._write_draft(batch, plan.draft))
            batch.insert(
                reply,
                {
                    "id": plan.draft.id,
                    "address": clean(plan.to),
                    "template": plan.template,
                    "at": batch.clock,
                    "about": exchange.id,
                },
            )
        return Accepted(seq, send, why, tuple(leased))

    async def _decide(self, batch: Batch) -> tuple[bool, Text | None]:
        plan = self._acceptance.reply
        if plan is None:
            return False, None
        if not plan.would_send or plan.draft is None:
            return False, plan.why
        await batch.flush()
        against = await withheld(batch.connection, plan, batch.clock, self._acceptance.exchange)
        return against is None, against or plan.why

    def _remember_origin(self, batch: Batch, columns: Mapping[str, Any]) -> None:
        origin, at = self._acceptance.origin, columns["received_at"]
        if origin is not None and columns["sender"]:
            batch.insert(
                sender_origin,
                {
                    "sender": columns["sender"],
                    "ip": origin.ip,
                    "first_at": at,
                    "last_at": at,
                    "mails": 1,
                    "trust": str(origin.trust),
                },
            )

    def _write_draft(self, batch: Batch, draft: Draft) -> Leased:
        exchange = self._acceptance.exchange
        record = outgoing(draft, hashlib.sha256(draft.raw).digest(), batch.clock, exchange.id)
        seq = batch.append("mail.out", record, draft.id)
        batch.insert(message, {**message_columns(record), "seq": seq, "state": "queued"})
        batch.insert(body, {"message": draft.id, "zstd": bodies.pack_now(draft.raw)})
        return self._queue(
            batch, draft.id, draft.kind, draft.target, draft.id, draft.mail_from, draft.recipients, draft.raw
        )

    def _queue(
        self,
        batch: Batch,
        id: str,
        kind: str,
        target: str,
        about: str,
        mail_from: str,
        recipients: tuple[str, ...],
        raw: bytes,
    ) -> Leased:
        now = batch.clock
        mail_from, recipients = clean(mail_from), tuple(clean(r) for r in recipients)
        batch.insert(
            queue,
            {
                "id": id,
                "message": about,
                "kind": kind,
                "target": target,
                "mail_from": mail_from,
                "recipients": recipients,
                "state": "leased",
                "created_at": now,
                "next_at": now,
                "owner": self._node,
                "lease_until": now + self._lease,
            },
        )
        return Leased(id, kind, target, about, mail_from, recipients, raw, now, about=self._acceptance.exchange.id)
