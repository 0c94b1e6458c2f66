"""Walking the whole evidence log: the first record, message or checkpoint that does not hold is named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.evidence import faults
from gateway.evidence.anchors import attested
from gateway.evidence.faults import Broken
from gateway.evidence.key_chain import KIND, KeyRing, read_exchanges
from gateway.evidence.key_files import PublicKeys
from gateway.evidence.seals import Seals, read_notes, read_seals
from gateway.evidence.walk import Deletions, Walk
from gateway.model.merkle import BLOCK
from gateway.store.engine import Store
from gateway.store.tables import body, log, log_block, log_state, message, message_order
from gateway.text import Text

BODY_BYTES = 16 * 1024 * 1024  # of message bodies that are looked at together

Progress = Callable[[int, int], None]  # records done, records in all


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at, and the first thing that does not hold; None where everything does."""

    origin: str
    size: int
    root: str  # hex
    messages: int
    deleted: int
    checkpoints: int
    newest_checkpoint: int  # its size; the records after it are not sealed yet
    anchors: int = 0  # checkpoints that somebody outside attested
    fault: Text | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing was found altered, missing, out of order or cut off."""
        return self.fault is None


async def verify(
    store: Store,
    keys: Sequence[Ed25519PublicKey | PublicKeys],
    file: Path | None,
    progress: Progress | None = None,
    notes: Sequence[tuple[str, Text]] = (),
) -> Verification:
    """Verify the log of this gateway against its messages and its checkpoints, those in `file` included.

    `keys` are those that the reader trusts; those that they were exchanged for on record are found from them. `notes`
    are checkpoints that somebody else kept, such as one that was mailed, each with the name of its place. The gateway
    may go on working: what is appended meanwhile is left for the next time. Memory does not grow with the log. Raises
    `StoreError` where the database cannot be read.
    """
    state: dict[str, Any] | None = None
    walk, seals = Walk(Deletions(())), Seals(())
    seen: list[tuple[str, Text]] = []
    fault: Text | None = None
    async with store.read() as connection:
        try:
            # the file first: what it holds is in the database, too, when that is looked at
            kept = await read_notes(file) if file is not None else []
            async with _moment(connection):
                state = await _state(connection)
                _check_ends(state)
                walk = Walk(await _deletions(connection))
                ring = KeyRing(keys, read_exchanges(await _keys(connection), state["origin"]))
                seen = await attested(connection)
                seals = await read_seals(connection, state["origin"], ring, [*kept, *seen, *notes])
            await _walk(connection, state, walk, seals, progress)
        except Broken as broken:
            fault = broken.text
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            # a column holds what we never write there
            fault = faults.UNREADABLE.with_(seq=walk.frontier.size)
    return Verification(
        origin=state["origin"] if state is not None else "",
        size=walk.frontier.size,
        root=walk.frontier.root().hex(),
        messages=walk.messages,
        deleted=walk.deleted,
        checkpoints=seals.passed,
        newest_checkpoint=seals.newest,
        anchors=len(seen),
        fault=fault,
    )


async def _walk(
    connection: AsyncConnection, state: Mapping[str, Any], walk: Walk, seals: Seals, progress: Progress | None
) -> None:
    size = state["size"]
    for first in range(0, size, BLOCK):
        last = min(first + BLOCK, size)
        async with _moment(connection):  # records and messages are deleted together
            rows = await _rows(connection, select(log).where(log.c.seq >= first, log.c.seq < last).order_by(log.c.seq))
            if any(row["record"] is None for row in rows):
                # what was deleted since the walk began is covered by a record that came later, too
                walk.deletions = await _deletions(connection)
            block = await connection.scalar(select(log_block.c.hash).where(log_block.c.block == first // BLOCK))
            await asyncio.to_thread(walk.records, rows, last, block, seals)
            await _messages(connection, walk, first, last)
        if progress is not None:
            progress(last, size)
    walk.end(state)
    seals.end(size)


@asynccontextmanager
async def _moment(connection: AsyncConnection) -> AsyncIterator[None]:
    """All that is read within is as it was at one moment; writers go on."""
    embedded = connection.dialect.name == "sqlite"
    await connection.execute(text("BEGIN" if embedded else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
    try:
        yield
    finally:
        await connection.execute(text("ROLLBACK"))


async def _messages(connection: AsyncConnection, walk: Walk, first: int, last: int) -> None:
    rows = await _rows(
        connection, select(message).where(message.c.seq >= first, message.c.seq < last).order_by(message.c.seq)
    )
    await asyncio.to_thread(walk.columns, rows)
    joined = select(message_order, message.c.seq).join(message, message.c.id == message_order.c.message)
    named = await _rows(connection, joined.where(message.c.seq >= first, message.c.seq < last))
    await asyncio.to_thread(walk.orders, named)
    async for packed in _bodies(connection, rows):
        await asyncio.to_thread(walk.bodies, packed)
    walk.no_message_missing()


async def _bodies(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]
) -> AsyncIterator[Sequence[tuple[Mapping[str, Any], bytes | None]]]:
    """The messages with their packed bodies, a bounded number of bytes at a time."""
    at = 0
    while at < len(rows):
        group, weight = [rows[at]], rows[at]["size"]
        at += 1
        while at < len(rows) and weight + rows[at]["size"] <= BODY_BYTES:
            weight += rows[at]["size"]
            group.append(rows[at])
            at += 1
        found = await connection.execute(
            select(body.c.message, body.c.zstd)
            .join(message, message.c.id == body.c.message)
            .where(message.c.seq >= group[0]["seq"], message.c.seq <= group[-1]["seq"])
        )
        packed = {row.message: row.zstd for row in found}
        yield [(row, packed.get(row["id"])) for row in group]


async def _state(connection: AsyncConnection) -> dict[str, Any]:
    """Where the log, its blocks and the messages end, all seen at one moment; raises `Broken` where that is lost."""
    row = (
        await connection.execute(
            select(
                log_state,
                select(func.max(log.c.seq)).scalar_subquery().label("last_record"),
                select(func.min(log.c.seq)).scalar_subquery().label("first_record"),
                select(func.max(log_block.c.block)).scalar_subquery().label("last_block"),
                select(func.max(message.c.seq)).scalar_subquery().label("last_message"),
                select(func.min(message.c.seq)).scalar_subquery().label("first_message"),
            )
        )
    ).first()
    if row is None:
        raise Broken(faults.NO_STATE)
    return dict(row._mapping)


def _check_ends(state: Mapping[str, Any]) -> None:
    size = state["size"]
    last = -1 if state["last_record"] is None else state["last_record"]
    if last >= size or (state["first_record"] or 0) < 0:
        raise Broken(faults.BEYOND_END.with_(seq=max(size, last), size=size))
    if state["last_block"] is not None and state["last_block"] >= size // BLOCK:
        raise Broken(faults.BLOCK.with_(first=state["last_block"] * BLOCK))
    if (state["last_message"] or 0) >= max(size, 1) or (state["first_message"] or 0) < 0:
        raise Broken(faults.MESSAGE_WITHOUT_RECORD.with_(seq=state["last_message"]))


async def _deletions(connection: AsyncConnection) -> Deletions:
    query = select(log.c.seq, log.c.record).where(log.c.kind == "deletion").order_by(log.c.seq)
    return Deletions([(row.seq, row.record) for row in await connection.execute(query)])


async def _keys(connection: AsyncConnection) -> list[tuple[int, str | None]]:
    query = select(log.c.seq, log.c.record).where(log.c.kind == KIND).order_by(log.c.seq)
    return [(row.seq, row.record) for row in await connection.execute(query)]


async def _rows(connection: AsyncConnection, query: Any) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = [*(await connection.execute(query)).mappings()]
    return found
