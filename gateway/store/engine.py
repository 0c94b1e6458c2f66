"""The store: one database that is opened, read from, and written to through the committer."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.errors import StoreError
from gateway.store import schema
from gateway.store.committer import TIMEOUT, Committer
from gateway.store.failures import DATABASE_ERRORS, store_error
from gateway.store.sqlite import open_connection
from gateway.text import Text

CONNECT_TIMEOUT = 10.0  # seconds
STATEMENT_TIMEOUT = 60.0  # seconds, PostgreSQL


class Store:
    """The open database: `read()` for queries, `committer` for everything that writes."""

    def __init__(self, url: URL, engine: AsyncEngine, *, commit_timeout: float = TIMEOUT) -> None:
        self.url = url
        self.engine = engine
        self.committer = Committer(engine, timeout=commit_timeout)
        self._claim: int | None = None

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of ours (SQLite)."""
        return self.path is not None

    @property
    def path(self) -> Path | None:
        """The file of an embedded database."""
        return sqlite_path(self.url)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for queries; each statement sees what was committed before it. Raises `StoreError`."""
        try:
            async with self.engine.connect() as connection:
                yield connection
        except DATABASE_ERRORS as error:
            raise store_error(error) from error

    def claim_gateway(self, node: str) -> None:
        """Claim the database for this gateway; `StoreError` where another one has it.

        Several gateways may share a PostgreSQL database. The claim on an embedded one ends with the process, also when
        that is killed: the kernel then gives up the lock on the file beside the database.
        """
        path = self.path
        if path is None or self._claim is not None:
            return
        beside = path.with_name(path.name + ".gateway")
        try:
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise store_error(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip() or "?"
            os.close(descriptor)
            raise StoreError(
                Text(
                    "このデータベースは、すでに動いている別の Sekisho（{holder}）が使っています：{path}",
                    "Another Sekisho ({holder}) is already running on this database: {path}",
                ).with_(holder=holder, path=path),
                Text(
                    "先に動いている方を停止してください。複数台で使うには PostgreSQL をお使いください。",
                    "Stop the other one. Several gateways on one database need PostgreSQL.",
                ),
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{node} pid {os.getpid()}\n".encode(), 0)
        self._claim = descriptor

    async def close(self) -> None:
        """Commit what waits, close every connection, and give up the claim."""
        await self.committer.close()
        await self.engine.dispose()
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


async def open_store(url: str, *, create: bool = True, commit_timeout: float = TIMEOUT) -> Store:
    """Open the database. Raises `StoreError` where it is away, or of another version than this program.

    An embedded database is made (unless not `create`) and upgraded; a PostgreSQL one only by `schema.upgrade`.
    """
    parsed = database_url(url)
    path = sqlite_path(parsed)
    if path is not None:
        if not path.exists() and not create:
            raise StoreError(
                Text("データベースがまだありません：{path}", "There is no database yet: {path}").with_(path=path),
                Text("`sekisho run` または `sekisho db upgrade` で作成されます。", "`sekisho run` makes it."),
            )
        make_folder(path.parent)
    engine = make_engine(parsed)
    try:
        if path is not None:
            await schema.upgrade_embedded(engine, path)
        else:
            await schema.require_current(engine)
    except DATABASE_ERRORS as error:
        await engine.dispose()
        raise store_error(error) from error
    except BaseException:
        await engine.dispose()
        raise
    return Store(parsed, engine, commit_timeout=commit_timeout)


def database_url(url: str) -> URL:
    """The URL with the driver that we use; `StoreError` where it is neither SQLite's nor PostgreSQL's."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _unusable(url) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite+aiosqlite")
    if backend in ("postgresql", "postgres"):
        query = {("ssl" if key == "sslmode" else key): value for key, value in parsed.query.items()}
        return parsed.set(drivername="postgresql+asyncpg", query=query)
    raise _unusable(url)


def sqlite_path(url: URL) -> Path | None:
    """The file that a URL names, None for PostgreSQL."""
    return Path(url.database or "").absolute() if url.get_backend_name() == "sqlite" else None


def make_engine(url: URL) -> AsyncEngine:
    """The engine with our settings. Every statement is its own transaction, except in the committer's writer."""
    path = sqlite_path(url)
    if path is None:
        return create_async_engine(
            url,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            pool_pre_ping=True,  # a restart of the server costs no failed query
            pool_size=4,
            max_overflow=6,
            pool_timeout=CONNECT_TIMEOUT,
            connect_args={"timeout": CONNECT_TIMEOUT, "command_timeout": STATEMENT_TIMEOUT},
        )

    return create_async_engine(
        url,
        async_creator=partial(open_connection, path),
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        pool_size=4,
        max_overflow=6,
        pool_timeout=CONNECT_TIMEOUT,
    )


def make_folder(folder: Path) -> None:
    """Make the folder of the database where it is missing, for its owner alone; raises `StoreError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            Text("フォルダーを作成できません：{folder}（{why}）", "The folder {folder} cannot be made: {why}").with_(
                folder=folder, why=error.strerror or str(error)
            ),
        ) from error


def _unusable(url: str) -> StoreError:
    scheme = url.partition(":")[0]
    return StoreError(
        Text("データベースの URL を解釈できません（{scheme}:…）。", "Not a database URL we know ({scheme}:…).").with_(
            scheme=scheme
        ),
        Text(
            "sqlite:///data/sekisho.db または postgresql://利用者:パスワード@ホスト/名前 の形で書いてください。",
            "Write sqlite:///data/sekisho.db or postgresql://user:password@host/name.",
        ),
    )
