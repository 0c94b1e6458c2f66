"""Verification finds every way to tamper with the log: each test changes the database behind the gateway's back."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, update

from gateway.errors import StoreError
from gateway.evidence import faults
from gateway.evidence import verify as verifying
from gateway.evidence.checkpoint import make_checkpoint
from gateway.evidence.key_files import load_key
from gateway.evidence.note import parse, sign, signed_by, split_notes, verifier_key
from gateway.evidence.verify import Verification, verify
from gateway.model.fact import Fact
from gateway.model.merkle import Frontier, leaf_hash
from gateway.model.record import canonical_json, leaf_text
from gateway.store.engine import Store, open_store
from gateway.store.maintenance import upgrade
from gateway.store.tables import log
from gateway.store.types import from_micros
from gateway.text import Text, plain
from tests.integration.stores import Work, accept, acceptance, exchange, note, now, plan
from tests.servers.postgresql import PostgresqlServer

MAILS = 300  # beyond one block of 256


class Shop:
    """A gateway's database with some mail in it, two checkpoints, and a way to tamper with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "checkpoints.txt"
        self.url = f"sqlite:///{folder}/sekisho.db"
        self.key = load_key(folder / "log.key")

    async def fill(self) -> None:
        store = await open_store(self.url)
        await asyncio.gather(*[store.committer.submit(accept(acceptance(exchange(str(i))))) for i in range(MAILS - 40)])
        await make_checkpoint(store, self.key, self.file)
        named = acceptance(exchange("reply"), reply=plan(), facts={"order": Fact(("1024", "1025"), plain("x"))})
        await store.committer.submit(accept(named))
        await asyncio.gather(*[store.committer.submit(accept(acceptance(exchange(f"b{i}")))) for i in range(30)])
        await make_checkpoint(store, self.key, self.file)
        for i in range(8):
            await store.committer.submit(note(str(i)))
        await store.close()

    async def verify(self, **more: Any) -> Verification:
        store = await open_store(self.url)
        try:
            return await verify(store, [self.key.public_key()], self.file, **more)
        finally:
            await store.close()

    def sql(self, *statements: str) -> None:
        raw = sqlite3.connect(self.folder / "sekisho.db")
        try:
            for statement in statements:
                raw.execute(statement)
            raw.commit()
        finally:
            raw.close()

    def rows(self, query: str) -> list[Any]:
        raw = sqlite3.connect(self.folder / "sekisho.db")
        try:
            return raw.execute(query).fetchall()
        finally:
            raw.close()

    def seal_again(self) -> None:
        """What somebody who knows the program would do: make blocks and end of the log fit what stands there now."""
        frontier, blocks = Frontier(), []
        for (leaf,) in self.rows("SELECT leaf FROM log ORDER BY seq"):
            if (block := frontier.append(leaf)) is not None:
                blocks.append((frontier.size // 256 - 1, block))
        ((at,),) = self.rows("SELECT at FROM log ORDER BY seq DESC LIMIT 1")
        raw = sqlite3.connect(self.folder / "sekisho.db")
        raw.execute("DELETE FROM log_block")
        raw.executemany("INSERT INTO log_block VALUES (?, ?)", blocks)
        raw.execute("UPDATE log_state SET size = ?, frontier = ?, at = ?", (frontier.size, frontier.pack(), at))
        raw.commit()
        raw.close()

    def rewrite(self, seq: int, change: Callable[[dict[str, Any]], None]) -> None:
        """Change a record together with its leaf."""
        ((at, kind, salt, record),) = self.rows(f"SELECT at, kind, salt, record FROM log WHERE seq = {seq}")
        said = json.loads(record)
        change(said)
        text = canonical_json(said)
        leaf = leaf_hash(leaf_text(seq, from_micros(at), kind, salt, text))
        raw = sqlite3.connect(self.folder / "sekisho.db")
        raw.execute("UPDATE log SET record = ?, leaf = ? WHERE seq = ?", (text, leaf, seq))
        raw.commit()
        raw.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    asyncio.run(Shop(folder).fill())
    return folder


@pytest.fixture
def shop(filled: Path, tmp_path: Path) -> Shop:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return Shop(tmp_path)


def names(found: Verification, fault: Text, **values: Any) -> bool:
    """Whether the fault is this one, about these values."""
    assert found.fault is not None
    assert "{" not in found.fault.in_("ja") + found.fault.in_("en")
    said = dict(found.fault.values)
    return found.fault.ja == fault.ja and all(str(said[name]) == str(value) for name, value in values.items())


async def test_a_whole_log_holds(shop: Shop) -> None:
    done: list[tuple[int, int]] = []
    found = await shop.verify(progress=lambda at, size: done.append((at, size)))
    assert found.holds
    assert found.size == MAILS == shop.rows("SELECT size FROM log_state")[0][0]
    assert (found.messages, found.deleted, found.checkpoints, found.newest_checkpoint) == (292, 0, 4, 292)
    assert done == [(256, MAILS), (MAILS, MAILS)]


async def test_an_empty_log_holds(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/sekisho.db")
    key = load_key(tmp_path / "key")
    assert await make_checkpoint(store, key, tmp_path / "c.txt") is None
    found = await verify(store, [key.public_key()], tmp_path / "c.txt")
    assert (found.holds, found.size) == (True, 0)
    await store.close()


TAMPERING: list[tuple[str, Text, dict[str, Any], list[str]]] = [
    ("a record", faults.ALTERED, {"seq": 7}, ["UPDATE log SET record = replace(record, 'taro', 'jiro') WHERE seq = 7"]),
    ("a salt", faults.ALTERED, {"seq": 7}, ["UPDATE log SET salt = zeroblob(32) WHERE seq = 7"]),
    ("a leaf", faults.ALTERED, {"seq": 7}, ["UPDATE log SET leaf = zeroblob(32) WHERE seq = 7"]),
    ("a kind", faults.ALTERED, {"seq": 7}, ["UPDATE log SET kind = 'notice' WHERE seq = 7"]),
    ("a time", faults.ALTERED, {"seq": 7}, ["UPDATE log SET at = at + 1 WHERE seq = 7"]),
    ("a record's mail", faults.ALTERED, {"seq": 7}, ["UPDATE log SET message = 'other' WHERE seq = 7"]),
    ("a missing record", faults.MISSING, {"seq": 7}, ["DELETE FROM log WHERE seq = 7"]),
    ("a missing first record", faults.MISSING, {"seq": 0}, ["DELETE FROM log WHERE seq = 0"]),
    ("a missing last record", faults.MISSING, {"seq": 299}, ["DELETE FROM log WHERE seq = 299"]),
    ("an emptied log", faults.MISSING, {"seq": 0}, ["DELETE FROM log"]),
    ("a removed record", faults.NOT_DELETED, {"seq": 7}, ["UPDATE log SET record = NULL, salt = NULL WHERE seq = 7"]),
    ("a removed salt", faults.NOT_DELETED, {"seq": 7}, ["UPDATE log SET salt = NULL WHERE seq = 7"]),
    (
        "an added record",
        faults.BEYOND_END,
        {"seq": 300},
        ["INSERT INTO log SELECT 300, at, kind, leaf, salt, record, message FROM log WHERE seq = 299"],
    ),
    ("a block's hash", faults.BLOCK, {"first": 0}, ["UPDATE log_block SET hash = zeroblob(32)"]),
    ("a missing block", faults.BLOCK, {"first": 0}, ["DELETE FROM log_block"]),
    ("an added block", faults.BLOCK, {"first": 256}, ["INSERT INTO log_block SELECT 1, hash FROM log_block"]),
    ("the size", faults.BEYOND_END, {}, ["UPDATE log_state SET size = 299"]),
    ("the frontier", faults.END, {}, ["UPDATE log_state SET frontier = zeroblob(length(frontier))"]),
    ("the newest time", faults.END, {}, ["UPDATE log_state SET at = at + 1"]),
    ("no end", faults.NO_STATE, {}, ["DELETE FROM log_state"]),
    ("a mail's row", faults.NO_MESSAGE, {"seq": 7}, [
        "DELETE FROM queue WHERE message = (SELECT id FROM message WHERE seq = 7)",
        "DELETE FROM body WHERE message = (SELECT id FROM message WHERE seq = 7)",
        "DELETE FROM message WHERE seq = 7",
    ]),
    ("a mail of no record", faults.MESSAGE_WITHOUT_RECORD, {"seq": 299}, [
        "UPDATE message SET seq = 299 WHERE seq = 291",
    ]),
    ("a mail beyond the end", faults.MESSAGE_WITHOUT_RECORD, {"seq": 5000}, [
        "UPDATE message SET seq = 5000 WHERE seq = 291",
    ]),
    ("a mail's bytes", faults.NO_BODY, {"seq": 7}, [
        "DELETE FROM body WHERE message = (SELECT id FROM message WHERE seq = 7)",
    ]),
    ("another mail's bytes", faults.BODY_ALTERED, {"seq": 7}, [
        "UPDATE body SET zstd = (SELECT zstd FROM body JOIN message ON id = message WHERE seq = 8) "
        "WHERE message = (SELECT id FROM message WHERE seq = 7)",
    ]),
    ("damaged bytes", faults.BODY_ALTERED, {"seq": 7}, [
        "UPDATE body SET zstd = zeroblob(50) WHERE message = (SELECT id FROM message WHERE seq = 7)",
    ]),
    ("an order taken from the index", faults.ORDERS, {}, ["DELETE FROM message_order WHERE order_key = '1024'"]),
    ("an order put into the index", faults.ORDERS, {"seq": 7}, [
        "INSERT INTO message_order (message, order_key, sender, at) "
        "SELECT id, '1024', sender, received_at FROM message WHERE seq = 7",
    ]),
    ("an order of somebody else", faults.ORDERS, {}, [
        "UPDATE message_order SET sender = 'x@example.com' WHERE order_key = '1025'",
    ]),
    ("unreadable facts", faults.UNREADABLE, {}, ["UPDATE message SET facts = '{' WHERE seq = 7"]),
    ("an unreadable time", faults.UNREADABLE, {}, ["UPDATE log SET at = 9000000000000000000 WHERE seq = 7"]),
    ("a checkpoint's row", faults.CHECKPOINT_ROW, {"size": 260}, [
        "UPDATE checkpoint SET root = zeroblob(32) WHERE size = 260",
    ]),
    ("a checkpoint's text", faults.SIGNATURE, {"size": 261}, [
        "UPDATE checkpoint SET note = replace(note, char(10) || '260' || char(10), char(10) || '261' || char(10)) "
        "WHERE size = 260",
    ]),
    ("no checkpoint", faults.CHECKPOINT_UNREADABLE, {"number": 1}, [
        "UPDATE checkpoint SET note = 'x' WHERE size = 260",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "values", "statements"), [t[1:] for t in TAMPERING], ids=[t[0] for t in TAMPERING])
async def test_tampering_is_found(shop: Shop, fault: Text, values: dict[str, Any], statements: list[str]) -> None:
    shop.sql("PRAGMA foreign_keys = OFF", *statements)
    assert names(await shop.verify(), fault, **values)


COLUMNS = {
    "sender": "'x'", "subject": "'x'", "mail_from": "'x'", "recipients": "'[]'", "peer_ip": "'192.0.2.99'",
    "origin_ip": "NULL", "received_at": "received_at + 1", "sha256": "zeroblob(32)", "size": "size + 1",
    "facts": "'{}'", "verdict": "'{}'", "\"then\"": "'reject'", "rule": "'x'", "trace": "x'00'", "from_header": "NULL",
    "kind": "'notice'", "message_id": "'x'", "direction": "'out'", "about": "'x'", "reply": "'{}'",
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_message_row_that_says_something_else_than_its_record_is_found(shop: Shop, column: str) -> None:
    shop.sql(f"UPDATE message SET {column} = {COLUMNS[column]} WHERE seq = 7")
    found = await shop.verify()
    assert names(found, faults.MESSAGE_ALTERED, seq=7, column=column.strip('"'))


async def test_what_happens_to_a_message_later_is_no_fault(shop: Shop) -> None:
    shop.sql("UPDATE message SET state = 'delivered'", "DELETE FROM queue")
    assert (await shop.verify()).holds


async def test_two_records_that_changed_places_are_found(shop: Shop) -> None:
    shop.sql(
        "UPDATE log SET seq = -1 WHERE seq = 10",
        "UPDATE log SET seq = 10 WHERE seq = 11",
        "UPDATE log SET seq = 11 WHERE seq = -1",
    )
    assert names(await shop.verify(), faults.ALTERED, seq=10)


async def test_a_log_cut_off_at_its_end_and_sealed_again_is_found_by_the_checkpoint_beside_it(shop: Shop) -> None:
    """EVIDENCE: the log's own word on its end proves nothing; the file outside the database does."""
    shop.sql(
        "PRAGMA foreign_keys = OFF",
        "DELETE FROM queue WHERE message IN (SELECT id FROM message WHERE seq >= 270)",
        "DELETE FROM body WHERE message IN (SELECT id FROM message WHERE seq >= 270)",
        "DELETE FROM message WHERE seq >= 270",
        "DELETE FROM log WHERE seq >= 270",
        "DELETE FROM checkpoint WHERE size > 270",
    )
    shop.seal_again()
    assert names(await shop.verify(), faults.CUT_OFF, size=270, sealed=292)
    shop.file.unlink()
    assert (await shop.verify()).holds  # nobody could tell from the database alone


async def test_a_record_rewritten_with_all_its_hashes_is_found_by_the_next_checkpoint(shop: Shop) -> None:
    shop.rewrite(7, lambda said: said["envelope"].update(mail_from="jiro@example.com"))
    shop.sql("UPDATE message SET mail_from = 'jiro@example.com' WHERE seq = 7")
    shop.seal_again()
    assert names(await shop.verify(), faults.CHECKPOINT, size=260)
    shop.sql("DELETE FROM checkpoint")
    assert names(await shop.verify(), faults.CHECKPOINT, size=260, where="checkpoints.txt")


async def test_a_clock_that_runs_backwards_is_found(shop: Shop) -> None:
    ((at, kind, salt, record),) = shop.rows("SELECT at, kind, salt, record FROM log WHERE seq = 295")
    at -= 3600 * 1_000_000
    leaf = leaf_hash(leaf_text(295, from_micros(at), kind, salt, record))
    shop.sql(f"UPDATE log SET at = {at}, leaf = x'{leaf.hex()}' WHERE seq = 295")
    shop.seal_again()
    assert names(await shop.verify(), faults.BACKWARDS, seq=295)


async def test_an_outgoing_mail_that_was_changed_is_found(shop: Shop) -> None:
    shop.sql("UPDATE message SET about = 'x' WHERE direction = 'out'")
    assert names(await shop.verify(), faults.MESSAGE_ALTERED, column="about")


async def delete(shop: Shop, *ranges: tuple[int, int], empty: tuple[int, ...]) -> None:
    store = await open_store(shop.url)

    async def work(batch: Any) -> None:
        for seq in empty:
            await batch.execute(update(log).where(log.c.seq == seq).values(record=None, salt=None))
        batch.append("deletion", {"records": [list(r) for r in ranges], "rule": "keep 7y", "by": "owner"})

    await store.committer.submit(Work(work))
    await store.close()


async def test_a_deletion_on_record_is_no_fault(shop: Shop) -> None:
    await delete(shop, (3, 9), (260, 260), empty=(3, 4, 9, 260))
    shop.sql(
        "DELETE FROM body WHERE message IN (SELECT id FROM message WHERE seq IN (3, 4))",
        "UPDATE message SET subject = NULL, facts = '{}' WHERE seq = 3",
    )
    found = await shop.verify()
    assert found.holds
    assert found.deleted == 4


async def test_a_deletion_covers_what_it_names_and_nothing_else(shop: Shop) -> None:
    await delete(shop, (3, 9), empty=(3, 10))
    assert names(await shop.verify(), faults.NOT_DELETED, seq=10)


async def test_a_deletion_does_not_cover_what_comes_after_it(shop: Shop) -> None:
    await delete(shop, (0, 10_000), empty=(3,))
    assert names(await shop.verify(), faults.NOT_DELETED, seq=3)


async def test_a_record_of_a_deletion_cannot_be_deleted_itself(shop: Shop) -> None:
    await delete(shop, (3, 3), empty=(3,))
    await delete(shop, (300, 300), (3, 3), empty=(300,))
    assert names(await shop.verify(), faults.NOT_DELETED, seq=300)


async def test_a_checkpoint_of_another_key_or_another_log_is_found(shop: Shop) -> None:
    said = parse(split_notes(shop.file.read_text())[0][0])
    shop.file.write_text(sign(said, Ed25519PrivateKey.generate()))
    assert names(await shop.verify(), faults.SIGNATURE, size=260, where="checkpoints.txt")
    other = type(said)("sekisho/other", said.size, said.root)
    shop.file.write_text(sign(other, shop.key))
    assert names(await shop.verify(), faults.OTHER_LOG, origin="sekisho/other")


async def test_damage_in_the_file_of_checkpoints_is_found(shop: Shop) -> None:
    shop.file.write_text("garbage\n" * 500 + shop.file.read_text())
    assert names(await shop.verify(), faults.CHECKPOINT_UNREADABLE, number=1)


async def test_a_checkpoint_cut_short_by_a_crash_is_overwritten_by_the_next(shop: Shop) -> None:
    raw = shop.file.read_bytes()
    last = split_notes(shop.file.read_text())[0][-1].encode()
    shop.file.write_bytes(raw + b"\n" + last[: last.index(b"\xe2") + 2])  # in the midst of a character
    assert (await shop.verify()).holds
    store = await open_store(shop.url)
    made = await make_checkpoint(store, shop.key, shop.file)
    assert made is not None
    again = await make_checkpoint(store, shop.key, shop.file)
    assert again is not None
    assert (made.fresh, again.fresh, again.note) == (True, False, made.note)
    await store.close()
    notes, rest = split_notes(shop.file.read_text())
    assert (len(notes), rest, notes[-1]) == (3, "", made.note)
    assert shop.file.read_bytes().startswith(raw)
    assert (await shop.verify()).newest_checkpoint == 300


async def test_checkpoints_are_c2sp_notes(shop: Shop) -> None:
    note = split_notes(shop.file.read_text())[0][-1]
    lines = note.split("\n")
    assert lines[1] == "292"
    assert len(base64.b64decode(lines[2])) == 32
    assert lines[3] == ""
    assert lines[4].startswith(f"— {lines[0]} ")
    assert signed_by(note, shop.key.public_key())
    assert not signed_by(note.replace("292", "293"), shop.key.public_key())
    name, id, key = verifier_key(lines[0], shop.key.public_key()).split("+", 2)
    assert name == lines[0]
    assert base64.b64decode(lines[4].split()[-1])[:4].hex() == id
    assert base64.b64decode(key) == b"\x01" + shop.key.public_key().public_bytes_raw()


def test_the_signing_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    made = load_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path).private_bytes_raw() == made.private_bytes_raw()
    assert [p.name for p in tmp_path.iterdir()] == ["log.key"]
    path.write_text("no key")
    with pytest.raises(StoreError, match=r"log\.key"):
        load_key(path)


async def test_the_gateway_may_go_on_working_while_its_log_is_verified(shop: Shop) -> None:
    store = await open_store(shop.url)

    async def work() -> None:
        for i in range(150):
            await store.committer.submit(accept(acceptance(exchange(f"w{i}"))))

    working = asyncio.create_task(work())
    for _ in range(3):
        found = await verify(store, [shop.key.public_key()], shop.file)
        assert found.holds, found.fault
    await working
    await store.close()


async def test_large_bodies_are_read_a_few_at_a_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "BODY_BYTES", 500)
    assert (await shop.verify()).messages == 292


@pytest.fixture
async def server_store(postgresql: PostgresqlServer) -> AsyncIterator[Store]:
    url = postgresql.new_database()
    await upgrade(url)
    store = await open_store(url)
    yield store
    await store.close()


async def test_a_log_in_postgresql_is_verified_too(server_store: Store, tmp_path: Path) -> None:
    key, file = load_key(tmp_path / "key"), tmp_path / "checkpoints.txt"
    await asyncio.gather(*[server_store.committer.submit(accept(acceptance(exchange(str(i))))) for i in range(260)])
    await make_checkpoint(server_store, key, file)
    await server_store.committer.submit(accept(acceptance(exchange("again"), reply=plan())))
    found = await verify(server_store, [key.public_key()], file)
    assert found.holds, found.fault
    assert (found.size, found.messages, found.checkpoints) == (262, 262, 2)

    async def tamper(batch: Any) -> None:
        record = (await batch.execute(select(log.c.record).where(log.c.seq == 5))).scalar_one()
        await batch.execute(update(log).where(log.c.seq == 5).values(record=record + " "))

    await server_store.committer.submit(Work(tamper))
    found = await verify(server_store, [key.public_key()], file)
    assert names(found, faults.ALTERED, seq=5)
    assert found.fault is not None
    assert str(now().year) in found.fault.in_("en")
