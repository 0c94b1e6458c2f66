"""Deletion that leaves the proof: body, record and salt go, the leaf stays, and a record says what went and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, delete, or_, select, text, update

from gateway.errors import Refused
from gateway.model.mail_record import clean
from gateway.store.batch import Batch
from gateway.store.cases import held_calls, held_messages
from gateway.store.tables import body, call, imap_mail, log, message, message_order, queue, recording, reply
from gateway.text import Text

KIND = "deletion"  # of log records
RETENTION, ERASURE = "retention", "erasure"
# What proves the rest, and names no customer: never emptied.
KEPT_KINDS = (KIND, "keys", "anchor", "rules", "gateway", "checkpoint")
_CHUNK = 200

HELD = Text("案件で保全されているメールが含まれています。", "A case holds some of this mail.")
IN_HAND = Text("いま送信中のメールが含まれています。", "Some of this mail is being sent at this moment.")
LATER = Text("少し待ってからもう一度お試しください。", "Try again in a moment.")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one unit deleted: numbers by table and by kind of record, and the record that says so (None: nothing)."""

    counts: Mapping[str, int] = field(default_factory=dict)
    seq: int | None = None
    held: int = 0  # messages and calls that a case holds and that were therefore left

    @property
    def messages(self) -> int:
        """How many messages went."""
        return self.counts.get("messages", 0)

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(
            dict(Counter(self.counts) + Counter(other.counts)), other.seq or self.seq, self.held + other.held
        )


@dataclass(frozen=True, slots=True)
class Delete:
    """Unit: delete messages and calls (by their ids) with everything about them, and the content of further records.

    Where a case holds a message, or it is being sent, it is left; `strict` raises `Refused` instead. `said` goes into
    the record beside rule, reason and operator.
    """

    messages: tuple[str, ...]
    rule: str
    reason: str
    operator: str = ""
    records: tuple[int, ...] = ()
    strict: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)

    async def apply(self, batch: Batch) -> Deleted:
        """Delete, and write the record."""
        await overwrite(batch)
        held = await self._held(batch)
        going = await self._going(batch, held)
        counts: Counter[str] = Counter()
        seqs = await _empty(batch, _about(going), counts)
        seqs += await _empty(batch, [log.c.seq.in_(part) for part in _parts(self.records)], counts)
        for part in _parts(going):
            await _drop_messages(batch, part, counts)
        if not seqs and not going:
            return Deleted(held=len(held))
        counts["records"] = len(seqs)
        told = {
            "rule": self.rule,
            "reason": clean(self.reason),
            "operator": clean(self.operator),
            **self.said,
            "records": ranges(seqs),
            "counts": dict(counts),
            "held": len(held),
        }
        return Deleted(dict(counts), batch.append(KIND, told), len(held))

    async def _held(self, batch: Batch) -> set[str]:
        await batch.flush()
        held: set[str] = set()
        for part in _parts(self.messages):
            held |= await held_messages(batch.connection, part)
            held |= await held_calls(batch.connection, part)
        if held and self.strict:
            raise Refused(HELD)
        return held

    async def _going(self, batch: Batch, held: set[str]) -> list[str]:
        wanted = [id for id in dict.fromkeys(self.messages) if id not in held]
        in_hand: set[str] = set()
        for part in _parts(wanted):
            sent = select(queue.c.message).where(queue.c.message.in_(part), queue.c.state.in_(("leased", "sending")))
            in_hand.update((await batch.execute(sent)).scalars())
        if in_hand and self.strict:
            raise Refused(IN_HAND, LATER)
        return [id for id in wanted if id not in in_hand]


async def overwrite(batch: Batch) -> None:
    """What is deleted on this connection from now on is overwritten with zeros (SQLite; no effect elsewhere)."""
    if batch.connection.dialect.name == "sqlite":
        await batch.execute(text("PRAGMA secure_delete = ON"))


def ranges(seqs: Iterable[int]) -> list[list[int]]:
    """Numbers as inclusive ranges [first, last], in order."""
    found: list[list[int]] = []
    for seq in sorted(set(seqs)):
        if found and seq == found[-1][1] + 1:
            found[-1][1] = seq
        else:
            found.append([seq, seq])
    return found


async def _empty(batch: Batch, wheres: Sequence[Any], counts: Counter[str]) -> list[int]:
    """Take salt and content out of records; the numbers of those that had any."""
    emptied: list[int] = []
    for where in wheres:
        fits = (where, log.c.record.is_not(None), log.c.kind.not_in(KEPT_KINDS))
        rows = (await batch.execute(select(log.c.seq, log.c.kind).where(*fits))).all()
        counts.update(row.kind for row in rows)
        emptied += [row.seq for row in rows]
        for part in _parts([row.seq for row in rows]):
            await batch.execute(update(log).where(log.c.seq.in_(part)).values(salt=None, record=None))
    return emptied


async def _drop_messages(batch: Batch, ids: Sequence[str], counts: Counter[str]) -> None:
    async def drop(table: Table, where: Any, name: str = "") -> None:
        found = await batch.execute(delete(table).where(where))
        if found.rowcount and name:
            counts[name] += found.rowcount

    await drop(message_order, message_order.c.message.in_(ids))
    await drop(queue, queue.c.message.in_(ids), "queue")
    await drop(reply, or_(reply.c.id.in_(ids), reply.c.about.in_(ids)), "replies")
    await drop(body, body.c.message.in_(ids), "bodies")
    # the place in the mailbox stays, so that the mail there is not taken for a new one
    await batch.execute(
        update(imap_mail).where(imap_mail.c.message.in_(ids)).values(message=None, sha256=None, state="done", note=None)
    )
    await drop(message, message.c.id.in_(ids), "messages")
    await drop(recording, recording.c.call.in_(ids), "recordings")
    await drop(call, call.c.id.in_(ids), "calls")


def _about(ids: Sequence[str]) -> list[Any]:
    return [log.c.message.in_(part) for part in _parts(ids)]


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
