"""The one connection that writes: its transactions take the log's lock first, and it is thrown away after a failure."""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import StoreError
from gateway.store.evidence_log import DAMAGED, DAMAGED_MEND, LogState
from gateway.store.finished import Finished, finish_postgresql, finish_sqlite
from gateway.store.sqlite import SqliteConnection
from gateway.store.statements import ORDER, Row, Statement, statement

Rows = Mapping[Table, Sequence[Row]]

# Every gateway on one PostgreSQL database appends under this lock.
LOG_LOCK = 0x53454B4953484F

_ROWS = 32  # a statement of SQLite; well under its 32,766 parameters
_STATE = "SELECT size, frontier, at FROM log_state WHERE id = 1"
_background: set[asyncio.Task[None]] = set()


class Stale(Exception):
    """Another program appended to the log since the last commit: what was built on the old end must be built anew."""


class Writer(ABC):
    """A connection outside SQLAlchemy's transactions: begin, write and commit go to the driver in few round trips."""

    def __init__(self, connection: AsyncConnection, driver: Any) -> None:
        self.connection = connection
        self._driver = driver

    @abstractmethod
    async def begin(self) -> LogState:
        """Begin a transaction that holds the log's lock; where the log ends."""

    @abstractmethod
    async def ensure(self) -> None:
        """See that the transaction has really begun, before it is read or written; may raise `Stale`."""

    @abstractmethod
    async def write(self, rows: Rows) -> None:
        """Insert rows, in the order of the foreign keys."""

    @abstractmethod
    async def statement(self, sql: str) -> None:
        """Run a statement without parameters, such as SAVEPOINT or ROLLBACK."""

    @abstractmethod
    async def commit(self, rows: Rows, state: LogState, finished: Sequence[Finished] = ()) -> set[str]:
        """Insert rows, finish entries, set where the log ends, and commit; the entries that were their node's own."""

    @abstractmethod
    def _stop(self) -> None:
        """Let go of the driver's connection without waiting for it."""

    async def rollback(self) -> None:
        """Undo the transaction."""
        await self.statement("ROLLBACK")

    async def close(self) -> None:
        """Give the connection back."""
        await self.connection.close()

    def abandon(self) -> None:
        """Throw the connection away in the background: it may hang, or be in a state that nobody knows."""
        self._stop()
        task = asyncio.get_running_loop().create_task(_abandon(self.connection))
        _background.add(task)
        task.add_done_callback(_background.discard)

    def _ordered(self, rows: Rows) -> list[tuple[Statement, list[tuple[Any, ...]]]]:
        dialect = self.connection.dialect
        made = []
        for table in sorted(rows, key=ORDER.__getitem__):
            if rows[table]:
                insert = statement(table, dialect)
                made.append((insert, insert.all_parameters(rows[table])))
        return made


class SqliteWriter(Writer):
    """SQLite: BEGIN IMMEDIATE is the lock; one hop into the connection's thread for each step.

    Where the log ends is known from the last commit, so a transaction that only inserts begins, writes and commits in
    one hop, and looks there whether that still holds: other programs, such as `sekisho block`, append as well.
    """

    _driver: SqliteConnection

    def __init__(self, connection: AsyncConnection, driver: Any) -> None:
        super().__init__(connection, driver)
        self._known: LogState | None = None
        self._begun = False

    async def begin(self) -> LogState:
        """Where the log ends, as far as is known; the lock is taken when it is needed."""
        if self._known is None:
            self._known = _state(await self._driver.in_thread(_sqlite_begin))
            self._begun = True
        return self._known

    async def ensure(self) -> None:
        """Take the lock; raises `Stale` where the log ends elsewhere than was known."""
        if not self._begun:
            known, self._known = self._known, None
            if _state(await self._driver.in_thread(_sqlite_begin)) != known:
                await self._driver.in_thread(_sqlite_rollback)
                raise Stale
            self._known, self._begun = known, True

    async def write(self, rows: Rows) -> None:
        """Insert rows, in the order of the foreign keys."""
        made = self._ordered(rows)
        await self.ensure()
        await self._driver.in_thread(lambda raw: _sqlite_write(raw, made))

    async def statement(self, sql: str) -> None:
        """Run a statement without parameters, such as SAVEPOINT or ROLLBACK."""
        await self.ensure()
        await self._driver.in_thread(lambda raw: raw.execute(sql).close())

    async def commit(self, rows: Rows, state: LogState, finished: Sequence[Finished] = ()) -> set[str]:
        """Insert rows, finish entries, set where the log ends, and commit; the entries that were their node's own."""
        known, self._known = self._known, None
        begun, self._begun = self._begun, False

        def write(raw: sqlite3.Connection) -> set[str]:
            if not begun and _state(_sqlite_begin(raw)) != known:
                _sqlite_rollback(raw)
                raise Stale
            return _sqlite_commit(raw, self._ordered(rows), state, finished)

        ours = await self._driver.in_thread(write)
        self._known = state
        return ours

    def _stop(self) -> None:
        self._driver.give_up()


class PostgresqlWriter(Writer):
    """PostgreSQL: an advisory lock in the transaction puts the gateways in order."""

    async def begin(self) -> LogState:
        """Begin a transaction that holds the log's lock; where the log ends."""
        await self._driver.execute("BEGIN")
        # two statements: the second one's snapshot has to be taken after the lock is held
        await self._driver.execute(f"SELECT pg_advisory_xact_lock({LOG_LOCK})")
        return _state(await self._driver.fetchrow(_STATE))

    async def ensure(self) -> None:
        """Nothing: `begin` has taken the lock."""

    async def write(self, rows: Rows) -> None:
        """Insert rows, in the order of the foreign keys."""
        for insert, parameters in self._ordered(rows):
            await self._driver.executemany(insert.sql, parameters)

    async def statement(self, sql: str) -> None:
        """Run a statement without parameters, such as SAVEPOINT or ROLLBACK."""
        await self._driver.execute(sql)

    async def commit(self, rows: Rows, state: LogState, finished: Sequence[Finished] = ()) -> set[str]:
        """Insert rows, finish entries, set where the log ends, and commit; the entries that were their node's own."""
        await self.write(rows)
        ours = await finish_postgresql(self._driver, finished) if finished else set()
        await self._driver.execute(
            "UPDATE log_state SET size = $1, frontier = $2, at = $3 WHERE id = 1", state.size, state.frontier, state.at
        )
        await self._driver.execute("COMMIT")
        return ours

    def _stop(self) -> None:
        self._driver.terminate()


async def open_writer(engine: AsyncEngine) -> Writer:
    """A writer on a connection of its own."""
    connection = await engine.connect()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    return (SqliteWriter if engine.dialect.name == "sqlite" else PostgresqlWriter)(connection, driver)


def _state(row: Sequence[Any] | None) -> LogState:
    if row is None:
        raise StoreError(DAMAGED, DAMAGED_MEND)
    return LogState(row[0], row[1], row[2])


def _sqlite_begin(raw: Any) -> Any:
    raw.execute("BEGIN IMMEDIATE")
    return raw.execute(_STATE).fetchone()


def _sqlite_rollback(raw: Any) -> None:
    raw.execute("ROLLBACK")


def _sqlite_write(raw: Any, made: Sequence[tuple[Statement, list[tuple[Any, ...]]]]) -> None:
    if not raw.in_transaction:  # SQLite undoes the whole transaction by itself on some errors, such as a full disk
        raise sqlite3.OperationalError("the transaction was undone")
    for insert, parameters in made:
        start = 0
        while start < len(parameters):
            # Few long statements: between two steps the driver lets other threads run, and then waits for its turn
            # again. Powers of two, so that few texts are compiled, once each.
            count = min(_ROWS, 1 << (len(parameters) - start).bit_length() - 1)
            raw.execute(insert.rows(count), list(chain.from_iterable(parameters[start : start + count])))
            start += count


def _sqlite_commit(
    raw: Any, made: Sequence[tuple[Statement, list[tuple[Any, ...]]]], state: LogState, finished: Sequence[Finished]
) -> set[str]:
    _sqlite_write(raw, made)
    ours = finish_sqlite(raw, finished) if finished else set()
    raw.execute(
        "UPDATE log_state SET size = ?, frontier = ?, at = ? WHERE id = 1", (state.size, state.frontier, state.at)
    )
    raw.execute("COMMIT")
    return ours


async def _abandon(connection: AsyncConnection) -> None:
    try:
        await connection.invalidate()
        await connection.close()
    except Exception:  # noqa: S110 - it is thrown away because it fails
        pass
