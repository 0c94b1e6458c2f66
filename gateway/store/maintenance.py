"""What `sekisho db` does: upgrade, check and back up a database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

from sqlalchemy import text

from gateway.errors import Refused, StoreError
from gateway.store import schema
from gateway.store.engine import database_url, make_engine, make_folder, sqlite_path
from gateway.store.failures import DATABASE_ERRORS, store_error
from gateway.text import Text, plain

MOST_FAULTS = 20
MISSING = Text("データベースがまだありません：{path}", "There is no database yet: {path}")


async def upgrade(url: str) -> tuple[str | None, str]:
    """Make the tables, or bring them to this program's version; the revision before and after. Raises `StoreError`."""
    parsed = database_url(url)
    path = sqlite_path(parsed)
    if path is not None:
        make_folder(path.parent)
    engine = make_engine(parsed)
    try:
        before = await schema.revision(engine)
        if path is not None:
            await schema.upgrade_embedded(engine, path)
        else:
            await schema.upgrade_engine(engine)
        return before, schema.REVISION
    except DATABASE_ERRORS as error:
        raise store_error(error) from error
    finally:
        await engine.dispose()


async def current_revision(url: str) -> str | None:
    """The revision of the database's tables, None where there are none of ours. Raises `StoreError`."""
    parsed = database_url(url)
    path = sqlite_path(parsed)
    if path is not None and not path.exists():
        return None
    engine = make_engine(parsed)
    try:
        return await schema.revision(engine)
    except DATABASE_ERRORS as error:
        raise store_error(error) from error
    finally:
        await engine.dispose()


async def check(url: str) -> tuple[Text, ...]:
    """What is wrong with the database itself: its version, its tables, its file; () where nothing is.

    Whether the evidence in it is whole is what `gateway.evidence.verify` finds out. Raises `StoreError` where the
    database cannot be read at all.
    """
    parsed = database_url(url)
    path = sqlite_path(parsed)
    if path is not None and not path.exists():
        raise StoreError(MISSING.with_(path=path))
    engine = make_engine(parsed)
    faults: list[Text] = []
    try:
        try:
            await schema.require_current(engine)
        except StoreError as error:
            return (error.text,)
        async with engine.connect() as connection:
            for found in await connection.run_sync(schema.differences):
                what = Text("表の定義が違います：{what}", "The tables differ: {what}")
                faults.append(what.with_(what=" ".join(str(part) for part in _flat(found))[:300]))
            if path is not None:
                for (said,) in await connection.execute(text("PRAGMA integrity_check(20)")):
                    if said != "ok":
                        faults.append(plain(str(said)))
                for row in await connection.execute(text("PRAGMA foreign_key_check")):
                    what = Text("{table} に、参照先のない行があります。", "A row of {table} refers to nothing.")
                    faults.append(what.with_(table=row[0]))
                    if len(faults) >= MOST_FAULTS:
                        break
    except DATABASE_ERRORS as error:
        raise store_error(error) from error
    finally:
        await engine.dispose()
    return tuple(faults[:MOST_FAULTS])


async def backup(url: str, target: Path) -> int:
    """Copy an embedded database to a new file while the gateway goes on working; returns the copy's size in bytes.

    Raises `Refused` for PostgreSQL, which has a tool of its own, and where the file is there already.
    """
    parsed = database_url(url)
    path = sqlite_path(parsed)
    if path is None:
        raise Refused(
            Text(
                "PostgreSQL のデータベースはこのコマンドではバックアップできません。",
                "A PostgreSQL database is not backed up by this command.",
            ),
            Text("pg_dump をお使いください。", "Use pg_dump."),
        )
    if not path.exists():
        raise StoreError(MISSING.with_(path=path))
    try:
        return await asyncio.to_thread(_copy, path, target)
    except DATABASE_ERRORS as error:
        raise store_error(error) from error


def _copy(path: Path, target: Path) -> int:
    if target.exists():
        raise Refused(Text("すでにファイルがあります：{path}", "The file is there already: {path}").with_(path=target))
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        source = sqlite3.connect(path)
        copy = sqlite3.connect(part)
        try:
            # all in one step: between two steps a write of the gateway would make it begin anew
            source.backup(copy, pages=-1)
        finally:
            copy.close()
            source.close()
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return target.stat().st_size


def _flat(found: object) -> list[object]:
    if isinstance(found, (list, tuple)):
        return [part for inner in found for part in _flat(inner)]
    return [found]
