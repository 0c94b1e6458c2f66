"""The migrations: equal to the tables of the code, up and down, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

import migrations
from gateway.store import schema
from gateway.store.engine import database_url, make_engine
from gateway.store.tables import metadata
from tests.servers.postgresql import PostgresqlServer


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sekisho.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.new_database()


def revisions() -> list[str]:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]


async def tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda c: inspect(c).get_table_names()))


def test_the_newest_migration_is_the_one_that_the_code_asks_for() -> None:
    assert revisions()[-1] == schema.REVISION
    assert revisions() == sorted(revisions())  # versions are told apart by their order


async def test_migrated_tables_are_those_of_the_code(url: str) -> None:
    engine = make_engine(database_url(url))
    try:
        await schema.upgrade_engine(engine)
        async with engine.connect() as connection:
            assert await connection.run_sync(schema.differences) == []
            columns = await connection.run_sync(
                lambda c: {
                    (table, column["name"]): column["nullable"]
                    for table in metadata.tables
                    for column in inspect(c).get_columns(table)
                }
            )
        wanted = {(t.name, c.name): bool(c.nullable) for t in metadata.tables.values() for c in t.columns}
        assert columns == wanted
    finally:
        await engine.dispose()


async def test_every_migration_goes_up_and_down_and_up_again(url: str) -> None:
    engine = make_engine(database_url(url))
    try:
        for target in [*revisions(), *revisions()[-2::-1], "base", "head"]:
            await schema.upgrade_engine(engine, target)
            assert await schema.revision(engine) == {"base": None, "head": schema.REVISION}.get(target, target)
            if target == "base":
                assert await tables(engine) == {"alembic_version"}
        assert set(metadata.tables) <= await tables(engine)
    finally:
        await engine.dispose()


async def test_a_migration_that_fails_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(schema, "_begin_log", fail)
    engine = make_engine(database_url(url))
    try:
        with pytest.raises(RuntimeError):
            await schema.upgrade_engine(engine)
        assert await tables(engine) == set()
        monkeypatch.undo()
        await schema.upgrade_engine(engine)
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT size FROM log_state"))).scalar() == 0
    finally:
        await engine.dispose()
