"""Overwriting what is free in the database's files, so that nothing deleted can be read out of them."""

from __future__ import annotations

import asyncio
import contextlib

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.errors import StoreError
from gateway.store.engine import Store
from gateway.store.failures import DATABASE_ERRORS, store_error
from gateway.store.sqlite import open_connection
from gateway.store.tables import metadata
from gateway.text import Text

SCRUB_TRIES = 30

BUSY = Text(
    "消去は済みましたが、空き領域を上書きできませんでした。ほかのプログラムがデータベースを使っています。",
    "The rows are erased, but freed pages could not be overwritten: another program uses the database.",
)
BUSY_MEND = Text(
    "ゲートウェイを止めて、同じコマンドをもう一度実行してください。", "Stop the gateway and run the same command again."
)


async def scrub(store: Store) -> None:
    """Overwrite what is free in the database's files: the whole file is written anew. Raises `StoreError`.

    SQLite: VACUUM, then the journal is emptied; others can read meanwhile, and mail is answered "later" if it takes
    longer than a few seconds. PostgreSQL: VACUUM FULL on the tables, and a checkpoint where the user may; its own
    journal (pg_wal), replicas and backups keep what they hold until they are recycled.
    """
    try:
        if store.path is not None:
            await _scrub_sqlite(store)
        else:
            await _scrub_postgresql(store)
    except DATABASE_ERRORS as error:
        raise store_error(error) from error


async def _scrub_sqlite(store: Store) -> None:
    assert store.path is not None
    connection = await open_connection(store.path)
    try:
        for pragma in ("secure_delete = ON", "temp_store = FILE"):  # a copy of the database may not fit into memory
            await connection.execute(f"PRAGMA {pragma}")
        await connection.execute("VACUUM")
        for _ in range(SCRUB_TRIES):
            async with connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                row = await cursor.fetchone()
            if row is not None and row[0] == 0:
                return
            await asyncio.sleep(0.2)  # somebody reads from the journal at this moment
    finally:
        await connection.close()
    raise StoreError(BUSY, BUSY_MEND)


async def _scrub_postgresql(store: Store) -> None:
    engine = create_async_engine(store.url, isolation_level="AUTOCOMMIT", pool_size=1)  # without a time limit
    try:
        async with engine.connect() as connection:
            for table in metadata.sorted_tables:
                if (await connection.execute(select(table).limit(1))).first() is None:
                    # ANALYZE leaves the statistics of an empty table as they were; a column's own type anew drops them
                    for column in table.columns:
                        kind = column.type.compile(connection.dialect)
                        await connection.execute(
                            text(f'ALTER TABLE "{table.name}" ALTER COLUMN "{column.name}" TYPE {kind}')
                        )
                await connection.execute(text(f'VACUUM (FULL, ANALYZE) "{table.name}"'))
            # The planner's statistics are samples of values. The owner of the database may do the first, a superuser
            # or pg_checkpoint the second; the server checkpoints within minutes anyway.
            for statement in ("VACUUM FULL pg_statistic", "CHECKPOINT"):
                with contextlib.suppress(*DATABASE_ERRORS):
                    await connection.execute(text(statement))
    finally:
        await engine.dispose()
