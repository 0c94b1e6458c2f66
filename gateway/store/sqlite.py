"""SQLite connections: durable, checked, and with a way to do several things in one hop into their thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL  # what ends a connection's thread

T = TypeVar("T")

BUSY_TIMEOUT = 5.0  # seconds that a statement waits for another program's lock

_PRAGMAS = (
    "PRAGMA page_size = 8192",  # of a new database: a mail's body fits, and a commit writes fewer pages
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what is committed is on the disk
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",  # KiB
    "PRAGMA wal_autocheckpoint = 4000",  # pages: fewer syncs of the main file
    "PRAGMA journal_size_limit = 67108864",  # bytes that the WAL keeps after a checkpoint
)


class SqliteConnection(aiosqlite.Connection):
    """An aiosqlite connection in autocommit mode: transactions begin and end where our code says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: connect(path), iter_chunk_size=64)
        self._thread.daemon = True  # a disk that hangs does not keep the process from ending

    async def in_thread(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function(connection)` in the connection's own thread: one hop for many statements."""
        result: T = await self._execute(function, self._conn)  # type: ignore[no-untyped-call]
        return result

    def give_up(self) -> None:
        """Undo what is open and close, without waiting: the thread does so when it is free again."""
        raw, self._connection = self._connection, None
        self._running = False
        if raw is not None:
            # no future: the event loop may be closed before the thread comes to it
            self._tx.put_nowait((None, lambda: _undo_and_close(raw)))


async def open_connection(path: Path) -> SqliteConnection:
    """An open connection; where that fails its thread has ended."""
    connection = SqliteConnection(path)
    try:
        await connection
    except BaseException:
        await asyncio.to_thread(connection._thread.join, BUSY_TIMEOUT)
        raise
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection of the driver itself with our settings; the file and its journal are for its owner alone."""
    if not path.exists():  # never opened besides: closing another descriptor of it would drop SQLite's locks (fcntl)
        path.touch(mode=0o600)
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()
    except BaseException:
        connection.close()
        raise
    return connection


def _undo_and_close(raw: sqlite3.Connection) -> object:
    # undone first: a cursor that somebody still holds keeps a closed connection, and its lock, alive
    try:
        raw.rollback()
        raw.close()
    except sqlite3.Error:
        pass  # it was given up because it fails
    return _STOP_RUNNING_SENTINEL
