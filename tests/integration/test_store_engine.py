"""Opening, claiming, checking and backing up a database."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.errors import Refused, StoreError
from gateway.store import failures, maintenance, schema
from gateway.store.engine import open_store
from tests.integration.stores import accept, note
from tests.servers.postgresql import PostgresqlServer


async def test_an_embedded_database_makes_itself_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "sekisho.db"
    store = await open_store(f"sqlite:///{path}")
    await store.committer.submit(note())
    assert store.embedded
    assert store.path == path
    async with store.read() as connection:
        pragmas = [(await connection.execute(text(f"PRAGMA {p}"))).scalar() for p in ("journal_mode", "synchronous")]
        keys = (await connection.execute(text("PRAGMA foreign_keys"))).scalar()
    assert (pragmas, keys) == (["wal", 2], 1)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    await store.close()
    again = await open_store(f"sqlite:///{path}", create=False)
    assert await again.committer.submit(note()) == 1
    await again.close()


async def test_a_database_that_is_missing_is_only_made_where_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no database yet"):
        await open_store(f"sqlite:///{tmp_path}/none.db", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:", ""])
async def test_urls_that_are_no_database_of_ours_are_refused(url: str) -> None:
    with pytest.raises(StoreError, match="Not a database URL") as caught:
        await open_store(url)
    assert "postgresql://" in caught.value.in_("ja")


async def test_a_refusal_does_not_repeat_the_password() -> None:
    with pytest.raises(StoreError) as caught:
        await open_store("mysql://shop:geheim@db.example/x")
    assert "geheim" not in caught.value.in_("ja") + caught.value.in_("en")


async def test_postgresql_is_made_by_an_explicit_upgrade_alone(postgresql: PostgresqlServer) -> None:
    url = postgresql.new_database()
    with pytest.raises(StoreError) as caught:
        await open_store(url)
    assert "sekisho db upgrade" in caught.value.in_("ja")
    assert await maintenance.current_revision(url) is None
    assert await maintenance.upgrade(url) == (None, schema.REVISION)
    assert await maintenance.upgrade(url) == (schema.REVISION, schema.REVISION)
    store = await open_store(url)
    assert await store.committer.submit(note()) == 0
    await store.close()
    assert await maintenance.check(url) == ()


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sekisho.db"
    await (await open_store(url)).close()
    with sqlite3.connect(tmp_path / "sekisho.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    for attempt in (open_store(url), maintenance.upgrade(url)):
        with pytest.raises(StoreError, match="newer"):
            await attempt


async def test_what_is_no_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "sekisho.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreError) as caught:
        await open_store(f"sqlite:///{tmp_path}/sekisho.db")
    assert caught.value.text == failures.CORRUPT


async def test_a_server_that_is_away_is_said_to_be_away() -> None:
    with pytest.raises(StoreError) as caught:
        await open_store("postgresql://nobody@127.0.0.1:1/none")
    assert caught.value.text == failures.AWAY


async def test_two_processes_that_make_one_database_at_once_do_so_in_turn(tmp_path: Path) -> None:
    stores = await asyncio.gather(*[open_store(f"sqlite:///{tmp_path}/sekisho.db") for _ in range(4)])
    for store in stores:
        await store.committer.submit(note())
        await store.close()
    assert await maintenance.check(f"sqlite:///{tmp_path}/sekisho.db") == ()


HOLDER = """
import asyncio, sys
from gateway.store.engine import open_store

async def main():
    store = await open_store(sys.argv[1])
    store.claim_gateway("first")
    print("claimed", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_second_gateway_on_one_sqlite_database_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sekisho.db"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert await asyncio.to_thread(holder.stdout.readline) == b"claimed\n"
        store = await open_store(url)
        with pytest.raises(StoreError) as caught:
            store.claim_gateway("second")
        assert f"first pid {holder.pid}" in str(caught.value)
        assert "PostgreSQL" in caught.value.in_("ja")
        assert await store.committer.submit(note()) == 0  # other commands may work beside the gateway
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        store.claim_gateway("second")
        store.claim_gateway("second")
        await store.close()
        third = await open_store(url)
        third.claim_gateway("third")
        await third.close()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


async def test_check_finds_tables_that_differ_and_rows_without_their_parents(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sekisho.db"
    store = await open_store(url)
    await store.committer.submit(accept())
    await store.close()
    assert await maintenance.check(url) == ()
    raw = sqlite3.connect(tmp_path / "sekisho.db")
    raw.execute("DROP INDEX ix_message_sha256")
    raw.execute("ALTER TABLE queue ADD COLUMN extra TEXT")
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute("DELETE FROM message")
    raw.commit()
    raw.close()
    found = [str(fault) for fault in await maintenance.check(url)]
    assert any("ix_message_sha256" in f or "sha256" in f for f in found)
    assert any("extra" in f for f in found)
    assert any("body" in f for f in found)


async def test_a_backup_is_a_whole_database_taken_while_others_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sekisho.db"
    store = await open_store(url)
    await asyncio.gather(*[store.committer.submit(accept()) for _ in range(200)])
    target = tmp_path / "copy.db"
    writing = [asyncio.create_task(store.committer.submit(accept())) for _ in range(200)]
    size = await maintenance.backup(url, target)
    await asyncio.gather(*writing)
    await store.close()
    assert size == target.stat().st_size
    assert target.stat().st_mode & 0o077 == 0
    assert await maintenance.check(f"sqlite:///{target}") == ()
    copy = await open_store(f"sqlite:///{target}")
    assert await copy.committer.submit(note()) >= 200
    await copy.close()
    with pytest.raises(Refused, match="already"):
        await maintenance.backup(url, target)
    with pytest.raises(Refused) as caught:
        await maintenance.backup("postgresql://x@127.0.0.1/y", target)
    assert "pg_dump" in caught.value.in_("ja")
