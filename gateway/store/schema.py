"""The version of the tables: made and upgraded by alembic's migrations, compared with what this program needs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import StoreError
from gateway.store.failures import SCHEMA, SCHEMA_MEND
from gateway.store.tables import log_state, metadata
from gateway.store.types import EPOCH
from gateway.text import Text

REVISION = "0004"  # the newest migration; a test holds it to the files

NEWER = Text(
    "データベースは、より新しい版の Sekisho（形式 {found}）で作られています。この版の形式は {wanted} です。",
    "The database was made by a newer Sekisho (schema {found}); this one knows {wanted}.",
)
NEWER_MEND = Text("新しい版をインストールしてください。", "Install the newer version.")


async def revision(engine: AsyncEngine) -> str | None:
    """The version of the database's tables, None where it has none of ours."""
    async with engine.connect() as connection:
        return await connection.run_sync(_revision)


async def require_current(engine: AsyncEngine) -> None:
    """Raise `StoreError` where the tables are missing or of another version than this program."""
    found = await revision(engine)
    if found is None or found < REVISION:
        raise StoreError(SCHEMA, SCHEMA_MEND)
    if found != REVISION:
        raise StoreError(NEWER.with_(found=found, wanted=REVISION), NEWER_MEND)


async def upgrade_embedded(engine: AsyncEngine, path: Path) -> None:
    """Make or upgrade the tables of an embedded database; two processes that open it at once do so in turn."""
    found = await revision(engine)
    if found != REVISION:
        lock = os.open(path.with_name(path.name + ".upgrade"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            await upgrade_engine(engine)
        finally:
            os.close(lock)
    await require_current(engine)


async def upgrade_engine(engine: AsyncEngine, to: str = "head") -> None:
    """Bring the tables to revision `to`, in one transaction, and begin the log where it has not begun."""
    found = await revision(engine)
    if found is not None and found > REVISION:
        raise StoreError(NEWER.with_(found=found, wanted=REVISION), NEWER_MEND)
    async with engine.connect() as connection:
        begin = "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "BEGIN"
        await connection.execute(text(begin))
        try:
            if engine.dialect.name != "sqlite":
                await connection.execute(text("SELECT pg_advisory_xact_lock(5994465849672525905)"))
            await connection.run_sync(migrate, to)
            await connection.run_sync(_begin_log)
        except BaseException:
            await connection.execute(text("ROLLBACK"))
            raise
        await connection.execute(text("COMMIT"))


def migrate(connection: Connection, to: str) -> None:
    """Run the migrations up or down to revision `to` on a connection; `base` is the empty database."""
    # imported here: alembic takes longer to import than everything else that opening a database needs
    from alembic import command
    from alembic.config import Config

    import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    down = to == "base" or (to != "head" and (_revision(connection) or "") > to)
    (command.downgrade if down else command.upgrade)(config, to)


def differences(connection: Connection) -> list[Any]:
    """What distinguishes the database's tables from those of this program, as alembic finds it; [] where nothing."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _begin_log(connection: Connection) -> None:
    if not inspect(connection).has_table("log_state"):
        return
    if connection.execute(select(log_state.c.id)).first() is None:
        origin = f"sekisho/{secrets.token_hex(8)}"  # told apart from every other log, and says nothing about the shop
        connection.execute(log_state.insert().values(id=1, size=0, frontier=b"", origin=origin, at=EPOCH))
