"""What went wrong in a database, said so that a person knows what to do."""

from __future__ import annotations

import errno
import sqlite3

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.errors import StoreError
from gateway.text import Text

FULL = Text("ディスクがいっぱいで、データベースに書き込めません。", "The database cannot be written: the disk is full.")
FULL_MEND = Text(
    "空き容量を増やしてください。その後は自動で再開します。", "Free some space; work goes on by itself then."
)
WRITE = Text(
    "データベースのファイルに書き込めません（ディスクの不足・サイズ制限・故障の可能性があります）。",
    "The database file cannot be written: disk full, a file-size limit, or a faulty disk.",
)
LOCKED = Text(
    "データベースがほかのプログラムに使われていて、書き込めません。",
    "The database is locked by another program.",
)
LOCKED_MEND = Text(
    "データベースを開いているほかのプログラムを終了してください。その後は自動で再開します。",
    "End the other program that holds the database; work goes on by itself then.",
)
READ_ONLY = Text("データベースが読み取り専用になっています。", "The database is read-only.")
READ_ONLY_MEND = Text(
    "ファイルとフォルダーの権限を確認してください。", "Check the permissions of the file and its folder."
)
CORRUPT = Text("データベースのファイルが壊れています。", "The database file is damaged.")
CORRUPT_MEND = Text(
    "`sekisho db check` で確認し、バックアップから戻してください。",
    "Run `sekisho db check`, and go back to a backup.",
)
AWAY = Text("データベースに接続できません。", "The database cannot be reached.")
AWAY_MEND = Text(
    "データベースが動いているか、storage.database の設定が正しいかを確認してください。",
    "Check that the database is running and that storage.database is right.",
)
ACCESS = Text("データベースがログインを受け付けません。", "The database does not let us in.")
ACCESS_MEND = Text(
    "storage.database の利用者名・パスワード・データベース名を確認してください。",
    "Check user, password and database name in storage.database.",
)
BUSY = Text("データベースの処理が混み合っています。", "The database is too busy.")
SLOW = Text("データベースが時間内に応答しませんでした。", "The database did not answer in time.")
SCHEMA = Text(
    "データベースの形がこの版のプログラムと合いません。",
    "The database does not have the tables that this version needs.",
)
SCHEMA_MEND = Text("`sekisho db upgrade` を実行してください。", "Run `sekisho db upgrade`.")
REFUSED = Text("データベースがこの記録を受け付けませんでした：{why}", "The database refused this record: {why}")
OTHER = Text("データベースで問題が起きました：{why}", "The database failed: {why}")

_SQLITE = {
    "SQLITE_FULL": (FULL, FULL_MEND),
    "SQLITE_IOERR": (WRITE, FULL_MEND),
    "SQLITE_BUSY": (LOCKED, LOCKED_MEND),
    "SQLITE_LOCKED": (LOCKED, LOCKED_MEND),
    "SQLITE_READONLY": (READ_ONLY, READ_ONLY_MEND),
    "SQLITE_PERM": (READ_ONLY, READ_ONLY_MEND),
    "SQLITE_CANTOPEN": (AWAY, READ_ONLY_MEND),
    "SQLITE_CORRUPT": (CORRUPT, CORRUPT_MEND),
    "SQLITE_NOTADB": (CORRUPT, CORRUPT_MEND),
}
# SQLSTATE, longest prefix first
_POSTGRESQL = {
    "53100": (FULL, FULL_MEND),
    "53": (BUSY, None),
    "55P03": (LOCKED, LOCKED_MEND),
    "25006": (READ_ONLY, READ_ONLY_MEND),
    "57014": (SLOW, None),
    "57P": (AWAY, AWAY_MEND),
    "08": (AWAY, AWAY_MEND),
    "28": (ACCESS, ACCESS_MEND),
    "3D": (ACCESS, ACCESS_MEND),
    "42501": (ACCESS, ACCESS_MEND),
    "42": (SCHEMA, SCHEMA_MEND),
    "58": (WRITE, FULL_MEND),
    "XX001": (CORRUPT, CORRUPT_MEND),
    "XX002": (CORRUPT, CORRUPT_MEND),
}

# What a database driver raises, and what may come out of a database call besides when the database is away.
_CLIENT_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError)  # the latter on connections that broke
DRIVER_ERRORS = (SQLAlchemyError, sqlite3.Error, asyncpg.PostgresError, *_CLIENT_ERRORS)
DATABASE_ERRORS = (*DRIVER_ERRORS, OSError, EOFError)


def store_error(error: BaseException) -> StoreError:
    """`error` as a `StoreError` with its mend; a `StoreError` stays as it is."""
    if isinstance(error, StoreError):
        return error
    cause = driver_error(error)
    if isinstance(cause, sqlite3.Error):
        return _sqlite_error(cause)
    if isinstance(cause, asyncpg.PostgresError):
        state = str(getattr(cause, "sqlstate", "") or "")
        for length in (5, 3, 2):
            if state[:length] in _POSTGRESQL:
                return StoreError(*_POSTGRESQL[state[:length]])
        return StoreError((REFUSED if state[:2] in ("22", "23", "54") else OTHER).with_(why=_first_line(cause)))
    if isinstance(cause, (TimeoutError, PoolTimeout)):
        return StoreError(SLOW)
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(FULL, FULL_MEND)
    if isinstance(cause, OSError) and cause.errno in (errno.EFBIG, errno.EIO):
        return StoreError(WRITE, FULL_MEND)
    if isinstance(cause, (OSError, EOFError, *_CLIENT_ERRORS)):
        return StoreError(AWAY, AWAY_MEND)
    return StoreError(OTHER.with_(why=_first_line(cause)))


def is_of_one_record(error: BaseException) -> bool:
    """Whether the database refused what one unit wrote (a double key, a value that does not fit), others being well."""
    cause = driver_error(error)
    if isinstance(cause, asyncpg.PostgresError):
        return _of_one_record(str(getattr(cause, "sqlstate", "") or ""))
    if isinstance(cause, sqlite3.Error):
        of_values = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
        return isinstance(cause, of_values) or getattr(cause, "sqlite_errorname", "") == "SQLITE_ERROR"
    return isinstance(cause, (ValueError, TypeError, OverflowError, asyncpg.DataError))


def driver_error(error: BaseException) -> BaseException:
    """The driver's own error below SQLAlchemy's wrapping."""
    while isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    # SQLAlchemy's asyncpg adapter wraps once more and keeps asyncpg's error as the cause
    cause = error.__cause__
    if isinstance(cause, (asyncpg.PostgresError, *_CLIENT_ERRORS, OSError)):
        return cause
    return error


def _sqlite_error(error: sqlite3.Error) -> StoreError:
    name = str(getattr(error, "sqlite_errorname", "") or "")
    for prefix, said in _SQLITE.items():
        if name.startswith(prefix):
            return StoreError(*said)
    if name == "SQLITE_ERROR" and "no such" in str(error):
        return StoreError(SCHEMA, SCHEMA_MEND)
    return StoreError((REFUSED if isinstance(error, sqlite3.IntegrityError) else OTHER).with_(why=_first_line(error)))


def _of_one_record(state: str) -> bool:
    return state[:2] in ("22", "23", "42", "54")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
