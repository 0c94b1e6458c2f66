"""What a unit of work sees of the transaction that it shares with others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Executable, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.evidence_log import EvidenceLog, LogState
from gateway.store.finished import Finished
from gateway.store.statements import Row
from gateway.store.tables import log, log_block
from gateway.store.writer import Writer

_Rows = defaultdict[Table, list[Row]]


class Batch:
    """The transaction as its units use it: rows are collected and written together at the end."""

    def __init__(self, writer: Writer, state: LogState) -> None:
        self._writer = writer
        self._log = EvidenceLog(state)
        self._settled: _Rows = defaultdict(list)  # rows of units that are done, not yet written
        self._own: _Rows = defaultdict(list)  # rows of the unit at work, not yet written
        self._finished: list[Finished] = []
        self._own_finished: list[Finished] = []
        self._savepoint = False
        self._size = self._log.size
        self.ours: frozenset[str] = frozenset()  # after the commit: the finished entries that were their node's own

    @property
    def connection(self) -> AsyncConnection:
        """The connection in the transaction. What `insert` collected is seen there after `flush` or `execute`."""
        return self._writer.connection

    @property
    def now(self) -> datetime:
        """The time of this transaction's records (UTC); never before that of any earlier record."""
        return self._log.now

    @property
    def clock(self) -> datetime:
        """The machine's time at the begin of the transaction (UTC), for what is due or leased; it may run backwards."""
        return self._log.clock

    @property
    def size(self) -> int:
        """The number of records in the log, those of this transaction included."""
        return self._log.size

    def insert(self, table: Table, row: Row) -> None:
        """Insert a row when the transaction ends. Columns that are not named get their default.

        A row of `sender_origin` that is there already counts on: `mails` is added, first and last time are widened.
        """
        self._own[table].append(row)

    def finish(self, finished: Finished) -> None:
        """Mark an entry as done when the transaction ends; `ours` tells afterwards whether it was the node's own."""
        self._own_finished.append(finished)

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a statement now; it sees all that was inserted before, by this and by earlier units."""
        await self.flush(writes=not getattr(statement, "is_select", False))
        return await self.connection.execute(statement, parameters)

    def append(self, kind: str, record: Mapping[str, Any], message: str | None = None) -> int:
        """Append a record to the evidence log; returns its sequence number. `message` is the exchange it is about.

        The record is JSON without floats, its keys are ASCII.
        """
        return self._log.append(kind, record, message)

    async def flush(self, *, writes: bool = False) -> None:
        """Write what was collected so far, so that a query sees it; `writes` when a write of the unit's own follows."""
        await self._writer.ensure()
        if self._settled:
            settled, self._settled = self._settled, defaultdict(list)
            await self._writer.write(settled)
        if (self._own or writes) and not self._savepoint:
            await self._writer.statement("SAVEPOINT unit")
            self._savepoint = True
        if self._own:
            own, self._own = self._own, defaultdict(list)
            await self._writer.write(own)

    async def keep(self) -> None:
        """The unit at work is done: what it wrote goes with the transaction."""
        for table, rows in self._own.items():
            self._settled[table].extend(rows)
        self._own.clear()
        self._finished += self._own_finished
        self._own_finished.clear()
        self._size = self._log.size
        if self._savepoint:
            self._savepoint = False
            await self._writer.statement("RELEASE SAVEPOINT unit")

    async def drop(self) -> None:
        """The unit at work failed: nothing of it goes with the transaction."""
        self._own.clear()
        self._own_finished.clear()
        self._log.cut(self._size)
        if self._savepoint:
            self._savepoint = False
            await self._writer.statement("ROLLBACK TO SAVEPOINT unit")
            await self._writer.statement("RELEASE SAVEPOINT unit")

    async def commit(self) -> None:
        """Write the rest and commit."""
        rows: dict[Table, Sequence[Row]] = dict(self._settled)
        rows[log] = self._log.rows
        rows[log_block], state = self._log.seal()
        self.ours = frozenset(await self._writer.commit(rows, state, self._finished))
