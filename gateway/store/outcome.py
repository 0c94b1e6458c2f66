"""What became of an attempt to deliver: recorded as evidence, the queue and the message brought to the new state."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import bindparam, select, update

from gateway.errors import StoreError
from gateway.model.acceptance import Draft, Leased
from gateway.model.exchange import new_id
from gateway.model.mail_record import clean, message_columns, outgoing
from gateway.model.record import time_text
from gateway.store.batch import Batch
from gateway.store.body import pack_now
from gateway.store.committer import CLOSED, Committer
from gateway.store.finished import Finished
from gateway.store.tables import body, message, queue

_CHUNK = 200
_OPEN = ("waiting", "leased", "sending", "aside")


class Result(Protocol):
    """The outcome for one recipient, as clients give it: `status` is delivered, deferred or failed."""

    @property
    def recipient(self) -> str:
        """The address as in the entry."""

    @property
    def status(self) -> str:
        """What became of it."""

    @property
    def code(self) -> int:
        """The reply code, 0 where no server answered."""

    @property
    def text(self) -> str:
        """The server's reply text, safe to keep."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a queue entry, with a result for every recipient.

    `next_at` is when the deferred recipients are tried again; None gives up on them. `uncertain`: the deferred
    recipients may have it, and it is a reply, which is never sent twice. `drafts` are written in the same transaction:
    the report to the sender and the notice to the owner.
    """

    entry: str
    node: str
    results: tuple[Result, ...]
    host: str = ""
    next_at: datetime | None = None
    uncertain: bool = False
    drafts: tuple[Draft, ...] = ()
    leased: Leased | None = None  # the entry as it was handed over: spares a look at its row where all is delivered

    @property
    def finished(self) -> Finished | None:
        """What is to be done where everybody has received it, and the entry is known; None otherwise."""
        entry = self.leased
        if entry is None or self.uncertain or self.drafts:
            return None
        got = {result.recipient for result in self.results if str(result.status) == "delivered"}
        if len(got) != len(self.results) or not got.issuperset(entry.recipients):
            return None
        return Finished(entry.id, self.node, "" if entry.kind == "forward" else entry.message)


class Settle:
    """Unit: record the outcome of attempts, many in a few statements; gives the final state of each entry.

    An outcome for an entry that another node holds by now, or that was cancelled, is kept as evidence; it changes only
    this: who has received the message is not tried again.
    """

    def __init__(self, attempts: Sequence[Attempt], *, recorded: bool = False) -> None:
        """`recorded`: the evidence of these attempts is in the log already."""
        self._attempts = tuple(attempts)
        self._recorded = recorded
        self._batch: Batch | None = None
        self.weight = sum(len(draft.raw) for attempt in self._attempts for draft in attempt.drafts)

    async def apply(self, batch: Batch) -> dict[str, str]:
        """State by entry; entries that are not on record are left out."""
        self._batch = batch
        states: dict[str, str] = {}
        looked_at: list[Attempt] = []
        for attempt in self._attempts:
            finished = None if self._recorded else attempt.finished
            if finished is None or attempt.leased is None:
                looked_at.append(attempt)
                continue
            batch.append("delivery", _record(attempt, attempt.leased, "done"), attempt.leased.message)
            batch.finish(finished)
            states[attempt.entry] = "done"
        return states | await self._look(batch, looked_at) if looked_at else states

    @property
    def missed(self) -> list[Attempt]:
        """After the commit: attempts that were taken for finished and whose entry was not the node's own any more."""
        if self._recorded or self._batch is None:
            return []
        ours = self._batch.ours
        return [a for a in self._attempts if a.finished is not None and a.entry not in ours]

    async def _look(self, batch: Batch, attempts: Sequence[Attempt]) -> dict[str, str]:
        rows = await _rows(batch, [attempt.entry for attempt in attempts])
        states: dict[str, str] = {}
        changes: list[dict[str, Any]] = []
        touched: dict[str, str] = {}
        for attempt in attempts:
            row = rows.get(attempt.entry)
            if row is None:
                continue
            change = _change(batch, attempt, row, recorded=self._recorded)
            changes.append(change)
            states[attempt.entry] = change["new_state"]
            if row.kind != "forward" and change["new_state"] not in _OPEN:
                touched[row.message] = row.direction
            for draft in attempt.drafts:
                write_draft(batch, draft, row.about or row.message)
        if changes:
            await batch.execute(_UPDATE, changes)
        await _finish_messages(batch, touched)
        return states


class Outcomes:
    """Gathers outcomes while a transaction is under way, so that many share the next one."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._waiting: deque[tuple[Attempt, asyncio.Future[str]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def settle(self, attempt: Attempt) -> str:
        """Record one attempt; gives the entry's state after the commit, "" where it is not on record.

        Raises `StoreError`: then nothing of it is kept. Cancelling the caller does not cancel the work.
        """
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((attempt, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="outcomes")
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._settle([self._waiting.popleft() for _ in range(min(_CHUNK, len(self._waiting)))])
        finally:
            self._runner = None

    async def _settle(self, group: list[tuple[Attempt, asyncio.Future[str]]]) -> None:
        states: dict[str, str] = {}
        failure: BaseException | None = None
        try:
            unit = Settle([attempt for attempt, _ in group])
            states = await self._committer.submit(unit)
            if unit.missed:  # a lease that ran out, or an entry cancelled meanwhile
                states |= await self._committer.submit(Settle(unit.missed, recorded=True))
        except BaseException as error:
            failure = error
        for attempt, future in group:
            if not future.done():
                if failure is None:
                    future.set_result(states.get(attempt.entry, ""))
                else:
                    future.set_exception(failure if isinstance(failure, Exception) else StoreError(CLOSED))
        if failure is not None and not isinstance(failure, Exception):
            raise failure


@dataclass(frozen=True, slots=True)
class Sending:
    """Unit: note that a reply is about to leave; True where it may. Committed before the first byte is sent."""

    entry: str
    node: str

    async def apply(self, batch: Batch) -> bool:
        """False where the entry is not leased to this node: somebody else has it, or it was cancelled."""
        done = await batch.execute(
            update(queue)
            .where(queue.c.id == self.entry, queue.c.owner == self.node, queue.c.state == "leased")
            .values(state="sending")
        )
        return bool(done.rowcount)


def write_draft(batch: Batch, draft: Draft, about: str) -> None:
    """Put a message of the gateway's own on record and into the queue, due at once."""
    record = outgoing(draft, hashlib.sha256(draft.raw).digest(), batch.clock, about)
    seq = batch.append("mail.out", record, draft.id)
    batch.insert(message, {**message_columns(record), "seq": seq, "state": "queued"})
    batch.insert(body, {"message": draft.id, "zstd": pack_now(draft.raw)})
    batch.insert(
        queue,
        {
            "id": draft.id,
            "message": draft.id,
            "kind": draft.kind,
            "target": draft.target,
            "mail_from": clean(draft.mail_from),
            "recipients": [clean(r) for r in draft.recipients],
            "state": "waiting",
            "created_at": batch.clock,
            "next_at": batch.clock,
        },
    )


_UPDATE = (
    update(queue)
    .where(queue.c.id == bindparam("entry"))
    .values(
        state=bindparam("new_state"),
        recipients=bindparam("left"),
        next_at=bindparam("next"),
        attempts=bindparam("tries"),
        crashes=bindparam("blame"),
        owner=bindparam("holder"),
        lease_until=bindparam("until"),
        last_error=bindparam("error"),
    )
)
_FINISH = update(message).where(message.c.id == bindparam("finished")).values(state=bindparam("new_state"))


async def _rows(batch: Batch, entries: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for start in range(0, len(entries), _CHUNK):
        statement = (
            select(queue, message.c.about, message.c.direction)
            .join(message, message.c.id == queue.c.message)
            .where(queue.c.id.in_(entries[start : start + _CHUNK]))
        )
        found.update({row.id: row for row in (await batch.execute(statement)).all()})
    return found


def _change(batch: Batch, attempt: Attempt, row: Any, *, recorded: bool) -> dict[str, Any]:
    """The entry's new values; writes the record, and a row of its own for recipients that failed beside others."""
    by_status: dict[str, list[str]] = {"delivered": [], "deferred": [], "failed": []}
    for result in attempt.results:
        by_status[str(result.status)].append(clean(result.recipient))
    known = list(row.recipients)
    later = [r for r in known if r in by_status["deferred"]]
    failed = [r for r in known if r in by_status["failed"]]
    if attempt.next_at is None and not attempt.uncertain:
        failed, later = failed + later, []
    mine = row.owner == attempt.node and row.state in ("leased", "sending")
    state, left = _next_state(attempt, row, later, failed, mine)
    if state == "waiting" and failed and mine:
        _split_off(batch, row, failed, _error(attempt.results, "failed"))
    error = _error(attempt.results, "failed" if state == "failed" else "deferred")
    if not recorded:
        batch.append("delivery", _record(attempt, row, state), row.message)
    return {
        "entry": row.id,
        "new_state": state,
        "left": left,
        "next": attempt.next_at if state == "waiting" and mine and attempt.next_at else row.next_at,
        "tries": row.attempts + 1,
        "blame": 0 if mine else row.crashes,
        "holder": None if mine else row.owner,
        "until": None if mine else row.lease_until,
        "error": error or row.last_error,
    }


def _next_state(attempt: Attempt, row: Any, later: list[str], failed: list[str], mine: bool) -> tuple[str, list[str]]:
    """The entry's state, and the recipients that it still stands for."""
    if not mine:
        got = {clean(r.recipient) for r in attempt.results if str(r.status) == "delivered"}
        left = [r for r in row.recipients if r not in got]
        still = row.state in _OPEN or row.state == "uncertain"
        return ("done" if still and not left else row.state), left
    if attempt.uncertain and later:
        return "uncertain", later
    if later:
        return "waiting", later
    return ("failed", failed) if failed else ("done", [])


def _split_off(batch: Batch, row: Any, failed: list[str], error: str | None) -> None:
    """Recipients that are given up on while others are tried again get an entry of their own, which can be retried."""
    values = {c.name: getattr(row, c.name) for c in queue.columns}
    values |= {
        "id": new_id(),
        "recipients": failed,
        "state": "failed",
        "owner": None,
        "lease_until": None,
        "attempts": row.attempts + 1,
        "crashes": 0,
        "last_error": error,
    }
    batch.insert(queue, values)


def _record(attempt: Attempt, row: Any, state: str) -> Mapping[str, Any]:
    return {
        "entry": row.id,
        "message": row.message,
        "kind": row.kind,
        "target": row.target,
        "host": clean(attempt.host),
        "attempt": row.attempts + 1,
        "results": [
            {"recipient": clean(r.recipient), "status": str(r.status), "code": r.code, "text": clean(r.text)}
            for r in attempt.results
        ],
        "uncertain": attempt.uncertain,
        "state": state,
        "next_at": time_text(attempt.next_at) if state == "waiting" and attempt.next_at else None,
        "drafts": [draft.id for draft in attempt.drafts],
    }


def _error(results: Iterable[Result], status: str) -> str | None:
    for result in results:
        if str(result.status) == status:
            return clean(f"{result.code} {result.text}" if result.code else result.text)
    return None


async def _finish_messages(batch: Batch, directions: Mapping[str, str]) -> None:
    """Messages of which no entry is left to do are delivered, sent or failed; forwards do not count."""
    wanted = sorted(directions)
    states: dict[str, set[str]] = {}
    for start in range(0, len(wanted), _CHUNK):
        statement = select(queue.c.message, queue.c.state).where(
            queue.c.message.in_(wanted[start : start + _CHUNK]), queue.c.kind != "forward"
        )
        for row in (await batch.execute(statement)).all():
            states.setdefault(row.message, set()).add(row.state)
    changes = [
        {"finished": about, "new_state": _final(found, directions[about])}
        for about, found in states.items()
        if not found & set(_OPEN)
    ]
    if changes:
        await batch.execute(_FINISH, changes)


def _final(states: set[str], direction: str) -> str:
    if "failed" in states:
        return "failed"
    if "uncertain" in states:
        return "uncertain"
    if "done" in states:
        return "delivered" if direction == "in" else "sent"
    return "failed"  # all of it cancelled
