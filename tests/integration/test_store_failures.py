"""Errors as the drivers really raise them, and what a person is told."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import StoreError
from gateway.store import failures
from gateway.store.engine import database_url, make_engine
from gateway.store.failures import is_of_one_record, store_error
from gateway.text import Text
from tests.servers.postgresql import PostgresqlServer


def test_a_full_database_is_said_to_be_full(tmp_path: Path) -> None:
    """SQLITE_FULL is also what SQLite makes of ENOSPC."""
    raw = sqlite3.connect(tmp_path / "x.db")
    raw.execute("CREATE TABLE t (b)")
    raw.execute("PRAGMA max_page_count = 3")
    with pytest.raises(sqlite3.OperationalError) as caught:
        raw.execute("INSERT INTO t VALUES (zeroblob(100000))")
    raw.close()
    assert store_error(caught.value).text == failures.FULL


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, failures.FULL),
        (errno.EDQUOT, failures.FULL),
        (errno.EFBIG, failures.WRITE),
        (errno.EIO, failures.WRITE),
        (errno.ECONNREFUSED, failures.AWAY),
    ],
)
def test_errors_of_the_operating_system_are_explained(number: int, said: Text) -> None:
    error = store_error(OSError(number, "x"))
    assert error.text == said
    assert error.mend is not None


def test_a_read_only_file_is_said_to_be_read_only(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "x.db").execute("CREATE TABLE t (b)").connection.close()
    raw = sqlite3.connect(f"file:{tmp_path}/x.db?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        raw.execute("INSERT INTO t VALUES (1)")
    raw.close()
    assert store_error(caught.value).text == failures.READ_ONLY


async def test_postgresqls_errors_are_told_apart(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    engine = make_engine(database_url(url))

    async def fails(*statements: str) -> SQLAlchemyError:
        async with engine.connect() as connection:
            for statement in statements[:-1]:
                await connection.execute(text(statement))
            with pytest.raises(SQLAlchemyError) as caught:
                await connection.execute(text(statements[-1]))
        return caught.value

    try:
        missing = await fails("SELECT * FROM nothing")
        assert store_error(missing).text == failures.SCHEMA
        double = await fails("CREATE TABLE t (a int PRIMARY KEY)", "INSERT INTO t VALUES (1), (1)")
        assert store_error(double).text.ja == failures.REFUSED.ja
        assert is_of_one_record(double)
        slow = await fails("SET statement_timeout = 20", "SELECT pg_sleep(5)")
        assert store_error(slow).text == failures.SLOW
        assert not is_of_one_record(slow)
        ended = await fails("SELECT pg_terminate_backend(pg_backend_pid())")
        assert store_error(ended).text == failures.AWAY
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar() == 1
    finally:
        await engine.dispose()
    no_database = make_engine(database_url(url.rpartition("/")[0] + "/none"))
    with pytest.raises(Exception, match="none") as refused:
        async with no_database.connect():
            pass
    assert store_error(refused.value).text == failures.ACCESS
    await no_database.dispose()


def test_a_store_error_stays_what_it_is() -> None:
    error = StoreError(failures.BUSY)
    assert store_error(error) is error
    assert store_error(TimeoutError()).text == failures.SLOW
    assert "x" in str(store_error(RuntimeError("x\ny")))
