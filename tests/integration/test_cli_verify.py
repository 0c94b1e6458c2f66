"""`sekisho verify` and `sekisho db` on a real database."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.evidence.checkpoint import make_checkpoint
from gateway.evidence.key_files import load_key
from tests.integration.cli_shop import Here, Shop, fill, make


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return fill(make(tmp_path))


@pytest.fixture
def sekisho(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


def seal(shop: Shop) -> None:
    data = shop.folder / "data"

    async def work(store: Any) -> None:
        await make_checkpoint(store, load_key(data / "checkpoint.key"), data / "checkpoints.txt")

    shop.with_store(work)


def alter(shop: Shop, statement: str) -> None:
    database = sqlite3.connect(shop.folder / "data" / "sekisho.db")
    with database:
        database.execute(statement)
    database.close()


def test_a_whole_log_holds(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "verify")
    assert ran.code == 0
    assert "Every record is as it was written." in ran.out
    assert "sealed by the next checkpoint" in ran.out
    assert not (shop.folder / "data" / "checkpoint.key").exists()  # looking makes nothing
    seal(shop)
    said = sekisho("verify", "--json").one
    assert (said["ok"], said["fault"], said["messages"]) == (True, None, 7)
    assert said["size"] == said["newest_checkpoint"] > 7
    assert said["checkpoints"] == 2  # in the database and in the file


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE log SET record = replace(record, 'ikari', 'other') WHERE seq = 4", "Record 4 (mail.in, "),
        ("DELETE FROM log WHERE seq = 5", "Record 5 is missing."),
        ("UPDATE message SET subject = 'x' WHERE seq = 4", "The subject of message "),
        ("UPDATE message SET state = state", ""),
    ],
)
def test_the_first_thing_that_does_not_hold_is_named(statement: str, named: str, shop: Shop, sekisho: Here) -> None:
    seal(shop)
    alter(shop, statement)
    ran = sekisho("--lang", "en", "verify")
    assert ran.code == (1 if named else 0)
    assert named in ran.err
    said = sekisho("--lang", "en", "verify", "--json")
    assert (said.code, said.one["ok"]) == (ran.code, not named)
    assert named in (said.one["fault"] or "")


def test_a_log_that_was_cut_off_is_told_by_its_checkpoints(shop: Shop, sekisho: Here) -> None:
    seal(shop)
    (shop.folder / "data" / "sekisho.db").rename(shop.folder / "sealed.db")
    fill(shop)
    ran = sekisho("--lang", "en", "verify")
    assert ran.code == 1
    assert "belongs to another log" in ran.err


def test_a_missing_key_is_said_and_not_replaced(shop: Shop, sekisho: Here) -> None:
    seal(shop)
    key = shop.folder / "data" / "checkpoint.key"
    key.unlink()
    ran = sekisho("--lang", "en", "verify")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"The signing key {key} is missing")
    assert not key.exists()


def test_a_log_that_another_gateway_sealed_needs_its_key(shop: Shop, sekisho: Here) -> None:
    seal(shop)
    data = shop.folder / "data"
    theirs = (data / "checkpoint.key").rename(shop.folder / "theirs.key")
    load_key(data / "checkpoint.key")  # ours
    assert "signature" in sekisho("--lang", "en", "verify").err
    assert sekisho("verify", "--key", str(theirs)).code == 0
    public = load_key(theirs).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    theirs.write_bytes(public)
    assert sekisho("verify", "--key", str(theirs), "--json").one["ok"]
    theirs.write_bytes(b"nothing")
    ran = sekisho("--lang", "en", "verify", "--key", str(theirs))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"The key {theirs} cannot be used: ")


def test_db_upgrade_check_and_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sekisho = Here(make(tmp_path), capsys)
    assert sekisho("db", "upgrade", "--json").one["before"] is None
    assert sekisho("--lang", "en", "db", "upgrade").out.startswith("the schema is up to date")
    assert sekisho("db", "check", "--json").one == {"ok": True, "faults": []}
    assert sekisho("--lang", "en", "verify").out == "There are no records yet.\n"
    target = tmp_path / "copy.db"
    assert sekisho("db", "backup", str(target), "--json").one["size"] == target.stat().st_size
    ran = sekisho("--lang", "en", "db", "backup", str(target))
    assert (ran.code, ran.err) == (1, f"The file is there already: {target}\n")
