"""Everything that belongs to a bundle, read from the database; the bodies of the mail are read one by one later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from gateway.casefile.letter import Letter
from gateway.casefile.marks import Mark
from gateway.evidence.log_records import LogRecord, records_about
from gateway.store.audit import AUDITED
from gateway.store.body import unpack
from gateway.store.calls import Call, read_calls
from gateway.store.engine import Store
from gateway.store.selection import Selection, calls_of, messages_of
from gateway.store.tables import block_entry, body, call, log, log_state, message, person, recording

EXPORT = "export"
_CHUNK = 500
_OF_LETTERS = [column for column in message.columns if column.name not in ("facts", "verdict", "reply", "trace")]


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """An entry of the blacklist that concerns the bundle; `ended_at` is None while it counts."""

    seq: int
    value: str
    reason: str
    person: str
    watched: bool
    created_at: datetime
    until: datetime | None
    ended_at: datetime | None
    end_reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that is on record about what was selected, in the order of the log."""

    letters: tuple[Letter, ...]
    about: tuple[LogRecord, ...]  # every record about these messages and calls
    calls: tuple[Call, ...]
    blocks: tuple[BlockEntry, ...]
    audit: tuple[LogRecord, ...]


async def gather(store: Store, selections: Sequence[Selection], party: str, start: int) -> Gathered:
    """Read what belongs to any of the selections; the exhibits are numbered from `start`.

    Raises `StoreError`, `NotFound`, `Refused`.
    """
    ids = list(dict.fromkeys([id for one in selections for id in await messages_of(store, one)]))
    call_ids = list(dict.fromkeys([id for one in selections for id in await calls_of(store, one)]))
    about = await records_about(store, [*ids, *call_ids])
    said = {record.seq: record for record in about}
    rows = await _rows(store, ids)
    letters = tuple(_letter(row, said.get(row.seq), Mark(party, number)) for number, row in enumerate(rows, start))
    return Gathered(
        letters, about, await _calls(store, call_ids), await _blocks(store, selections), await _audit(store)
    )


async def load_raw(store: Store, id: str) -> bytes | None:
    """The original bytes of a message; None where they were deleted. Raises `StoreError`."""

    async with store.read() as connection:
        row = (
            await connection.execute(
                select(body.c.zstd, message.c.size)
                .join(message, message.c.id == body.c.message)
                .where(message.c.id == id)
            )
        ).first()
    return unpack(row.zstd, row.size) if row is not None else None


async def load_recording(store: Store, id: str) -> bytes:
    """The recording of a call."""
    async with store.read() as connection:
        row = (await connection.execute(select(recording.c.zstd, recording.c.size).where(recording.c.call == id))).one()
    return unpack(row.zstd, row.size)


async def message_times(store: Store) -> tuple[int, list[tuple[datetime, bool]]]:
    """How many records the log has, and of every message record among them the time and whether it was deleted."""
    async with store.read() as connection:
        size = int((await connection.execute(select(log_state.c.size))).scalar_one())
    found: list[tuple[datetime, bool]] = []
    last = -1
    while True:
        page = select(log.c.seq, log.c.at, log.c.record.is_(None).label("gone")).where(
            log.c.seq > last, log.c.seq < size, log.c.kind.in_(("mail.in", "mail.out"))
        )
        async with store.read() as connection:
            rows = (await connection.execute(page.order_by(log.c.seq).limit(10_000))).all()
        found += [(row.at, bool(row.gone)) for row in rows]
        if len(rows) < 10_000:
            return size, found
        last = rows[-1].seq


async def _rows(store: Store, ids: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    async with store.read() as connection:
        for start in range(0, len(ids), _CHUNK):
            some = select(*_OF_LETTERS).where(message.c.id.in_(ids[start : start + _CHUNK]))
            found += (await connection.execute(some)).all()
    return sorted(found, key=lambda row: row.seq)


def _letter(row: Any, record: LogRecord | None, mark: Mark) -> Letter:
    return Letter(
        mark=mark,
        id=row.id,
        seq=row.seq,
        direction=row.direction,
        kind=row.kind,
        about=row.about,
        received_at=row.received_at,
        sha256=row.sha256.hex(),
        size=row.size,
        mail_from=row.mail_from,
        recipients=tuple(row.recipients),
        subject=row.subject or "",
        from_header=row.from_header or "",
        message_id=row.message_id or "",
        state=row.state,
        raw=None,
        record=record.said if record is not None else None,
    )


async def _calls(store: Store, ids: Sequence[str]) -> tuple[Call, ...]:
    found: list[Call] = []
    for start in range(0, len(ids), _CHUNK):
        found += await read_calls(store, call.c.id.in_(ids[start : start + _CHUNK]))
    return tuple(sorted(found, key=lambda one: (one.at, one.id)))


async def _blocks(store: Store, selections: Sequence[Selection]) -> tuple[BlockEntry, ...]:
    persons = [person for one in selections for person in one.persons]
    values = [value for one in selections for value in (*one.addresses, *one.ips, *one.phones)]
    wanted = [
        column.in_(some) for column, some in ((block_entry.c.person, persons), (block_entry.c.value, values)) if some
    ]
    if not wanted:
        return ()
    statement = (
        select(block_entry, person.c.name)
        .outerjoin(person, person.c.id == block_entry.c.person)
        .where(or_(*wanted))
        .order_by(block_entry.c.created_at, block_entry.c.id)
    )
    async with store.read() as connection:
        return tuple(
            BlockEntry(
                row.seq,
                row.value,
                row.reason,
                row.name or "",
                row.watched,
                row.created_at,
                row.until,
                row.ended_at,
                row.end_reason or "",
            )
            for row in await connection.execute(statement)
        )


async def _audit(store: Store) -> tuple[LogRecord, ...]:
    kinds = (*AUDITED, EXPORT, "gateway", "rules")
    async with store.read() as connection:
        rows = await connection.execute(select(log).where(log.c.kind.in_(kinds)).order_by(log.c.seq))
        return tuple(LogRecord(**row._mapping) for row in rows)
