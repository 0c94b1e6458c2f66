"""The rows of all tables that name a person, deleted, or blacked out where somebody wrote of him in a free text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, Table, delete, func, or_, select, type_coerce, update

from gateway.store.batch import Batch
from gateway.store.deletion import overwrite
from gateway.store.tables import (
    anchor,
    block_entry,
    body,
    call,
    case_file,
    case_member,
    checkpoint,
    log,
    log_state,
    message,
    metadata,
    person,
    person_trait,
    recording,
    reply,
    sender_origin,
)
from gateway.store.traces import Traces

# Looked through record by record; what attests the log names no customer.
_LOOKED_THROUGH = (log, message, body, log_state, checkpoint, anchor)
_FREE_TEXT = {"name", "note", "summary", "reason", "end_reason", "last_error"}
BLACKED_OUT = "■■■"


def own_rows(traces: Traces) -> tuple[tuple[Table, ColumnElement[bool]], ...]:
    """The rows that are the person's own, table by table in the order in which they can be deleted."""
    named, ids = traces.addresses + traces.phones, traces.ids
    calls = select(call.c.id).where(or_(call.c.number.in_(traces.phones), call.c.person.in_(ids)))
    return (
        (recording, recording.c.call.in_(calls)),
        (call, call.c.id.in_(calls)),
        (sender_origin, sender_origin.c.sender.in_(named)),
        (reply, reply.c.address.in_(named)),
        (block_entry, or_(block_entry.c.value.in_(named), block_entry.c.person.in_(ids))),
        (person_trait, or_(person_trait.c.value.in_(named), person_trait.c.person.in_(ids))),
        (case_member, or_(case_member.c.value.in_(named), case_member.c.value.in_(ids))),
        (person, person.c.id.in_(ids)),
    )


@dataclass(frozen=True, slots=True)
class EraseRows:
    """Unit: every row of any table that names the person; gives the number by table."""

    traces: Traces

    async def apply(self, batch: Batch) -> Counter[str]:
        """Delete them."""
        await overwrite(batch)
        counts: Counter[str] = Counter()
        rows = {table.name: where for table, where in own_rows(self.traces)}
        touched = select(case_member.c.case).where(rows[case_member.name]).distinct()
        cases = (await batch.execute(touched)).scalars().all()
        for table, where in own_rows(self.traces):
            counts[table.name] += (await batch.execute(delete(table).where(where))).rowcount
        # a case that was about this person alone is over: without members its period would stand for everybody
        left = select(case_member.c.case)
        over = delete(case_file).where(case_file.c.id.in_(cases), case_file.c.id.not_in(left))
        counts[case_file.name] += (await batch.execute(over)).rowcount
        for table in metadata.sorted_tables[::-1]:
            if table not in _LOOKED_THROUGH:
                counts[table.name] += await self._sweep(batch, table)
        return +counts

    async def _sweep(self, batch: Batch, table: Table) -> int:
        """Rows of which any text names the person: words in a free text are blacked out, other rows are deleted."""
        columns = [column for column in table.columns if _is_text(column)]
        if not columns:
            return 0
        texts = [type_coerce(column, String).label(column.name) for column in columns]
        keys = [column.label(f"key_{column.name}") for column in table.primary_key.columns]
        likely = [
            func.lower(one.element).contains(word, autoescape=True) for one in texts for word in self.traces.words
        ]
        pattern, touched = self.traces.pattern, 0
        for row in (await batch.execute(select(*keys, *texts).where(or_(*likely)))).mappings().all():
            named = {c.name: row[c.name] for c in columns if row[c.name] and pattern.search(row[c.name])}
            same = [column == row[f"key_{column.name}"] for column in table.primary_key.columns]
            if not named:
                continue
            touched += 1
            if named.keys() <= _FREE_TEXT:
                said = {name: pattern.sub(BLACKED_OUT, value) for name, value in named.items()}
                await batch.execute(update(table).where(*same).values(**said))
            else:
                await batch.execute(delete(table).where(*same))
        return touched


def _is_text(column: Any) -> bool:
    return isinstance(getattr(column.type, "impl", column.type), String)
