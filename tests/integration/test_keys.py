"""Signing keys: openssl checks what they sign, they are exchanged on record, and `verify` follows the chain."""

from __future__ import annotations

import base64
import json
import sqlite3
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from gateway.errors import StoreError
from gateway.evidence import checkpoint as seals
from gateway.evidence import faults
from gateway.evidence.checkpoint import Retired, make_checkpoint, rotate, seal
from gateway.evidence.key_files import Keys, ecdsa_file, load_keys, new_keys
from gateway.evidence.note import parse, sign, split_notes
from gateway.evidence.sealed import checkpoint_now, checkpoints_from, newest_checkpoint, public_keys
from gateway.evidence.verify import Verification, verify
from gateway.store.engine import Store, open_store
from gateway.store.proofs import Prover
from gateway.store.tables import log
from tests.integration.stores import note


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Any]:
    store = await open_store(f"sqlite:///{tmp_path}/sekisho.db")
    shop = SimpleNamespace(
        store=store, folder=tmp_path, key=tmp_path / "checkpoint.key", notes=tmp_path / "checkpoints.txt"
    )
    await more(store)
    yield shop
    await store.close()


async def more(store: Store, count: int = 3) -> None:
    for number in range(count):
        await store.committer.submit(note(str(number)))


async def check(shop: Any, keys: Keys | None = None) -> Verification:
    return await verify(shop.store, [(keys or load_keys(shop.key)).public], shop.notes)


def openssl(*arguments: object) -> bool:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False).returncode == 0


async def test_openssl_checks_both_signatures_of_a_checkpoint(shop: Any) -> None:
    sealed = await checkpoint_now(shop.store, shop.key, shop.notes)
    (term,) = await public_keys(shop.store, shop.key)
    files = {
        "note": sealed.file,
        "sig": sealed.ecdsa,
        "ecdsa.pem": term.keys.ecdsa_pem,
        "ed25519.pem": term.keys.ed25519_pem,
        "body": sealed.checkpoint.body.encode(),
        "ed.sig": base64.b64decode(sealed.note.rsplit(" ", 1)[1])[4:],
    }
    for name, content in files.items():
        (shop.folder / name).write_bytes(content or b"")
    at = {name: shop.folder / name for name in files}
    assert openssl("dgst", "-sha256", "-verify", at["ecdsa.pem"], "-signature", at["sig"], at["note"])
    raw = ["pkeyutl", "-verify", "-pubin", "-inkey", at["ed25519.pem"], "-rawin", "-in", at["body"]]
    assert openssl(*raw, "-sigfile", at["ed.sig"])
    at["note"].write_bytes(sealed.file.replace(b"\n", b"\r\n", 1))
    assert not openssl("dgst", "-sha256", "-verify", at["ecdsa.pem"], "-signature", at["sig"], at["note"])


async def test_keys_are_for_their_owner_alone_and_on_record_once(shop: Any) -> None:
    await seal(shop.store, shop.key, shop.notes)
    await seal(shop.store, shop.key, shop.notes)
    for file in (shop.key, ecdsa_file(shop.key)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with shop.store.read() as connection:
        (record,) = (await connection.execute(select(log.c.record).where(log.c.kind == "keys"))).scalars()
    assert json.loads(record)["new"] == load_keys(shop.key).public.told
    assert (await check(shop)).holds


async def test_old_checkpoints_hold_after_the_keys_were_exchanged_twice(shop: Any) -> None:
    await seal(shop.store, shop.key, shop.notes)
    first = load_keys(shop.key)
    for _ in range(2):
        await more(shop.store)
        await rotate(shop.store, shop.key, shop.notes)
    await more(shop.store)
    await seal(shop.store, shop.key, shop.notes)
    last = load_keys(shop.key)
    assert last.public.told != first.public.told
    assert stat.S_IMODE(shop.key.stat().st_mode) == 0o600
    assert not list(shop.folder.glob("*.next"))
    for known in (last, first):  # the chain is followed either way
        found = await check(shop, known)
        assert found.holds
        assert found.checkpoints == 2 * len(await checkpoints_from(shop.store))
    terms = await public_keys(shop.store, shop.key)
    assert [term.first for term in terms] == [0, terms[0].last, terms[1].last]
    assert terms[-1].last is None
    stranger = await check(shop, new_keys())
    assert stranger.fault is not None
    assert stranger.fault.ja == faults.SIGNATURE.ja


async def test_a_stolen_old_key_seals_nothing_any_more(shop: Any) -> None:
    await seal(shop.store, shop.key, shop.notes)
    stolen = load_keys(shop.key)
    await rotate(shop.store, shop.key, shop.notes)
    await more(shop.store)
    with pytest.raises(Retired):
        await make_checkpoint(shop.store, stolen.ed25519, shop.notes, stolen.ecdsa)
    root = await Prover(shop.store).root(8)
    forged = sign(seals.Checkpoint((await newest(shop)).origin, 8, root), stolen.ed25519)
    raw = sqlite3.connect(shop.folder / "sekisho.db")
    raw.execute("INSERT INTO checkpoint VALUES (8, 1, ?, ?, NULL)", (root, forged))
    raw.commit()
    raw.close()
    found = await check(shop)
    assert found.fault is not None
    assert found.fault.ja == faults.SIGNATURE.ja


async def newest(shop: Any) -> Any:
    found = await newest_checkpoint(shop.store)
    assert found is not None
    return found.checkpoint


async def test_an_exchange_that_the_old_key_did_not_sign_is_found(shop: Any) -> None:
    await seal(shop.store, shop.key, shop.notes)
    old, mine = load_keys(shop.key), new_keys()

    class Forged(seals._Exchange):
        def __init__(self) -> None:
            super().__init__("x", old, mine)
            self._record["statement"] = self._record["statement"].replace("x\n", f"{origin}\n", 1)

    origin = (await newest(shop)).origin
    seq = await shop.store.committer.submit(Forged())
    found = await check(shop)
    assert found.fault is not None
    assert (found.fault.ja, dict(found.fault.values)["seq"]) == (faults.KEYS.ja, seq)


async def test_an_exchange_that_a_crash_cut_short_is_finished(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await seal(shop.store, shop.key, shop.notes)

    def crash(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(seals, "take_over", crash)
        with pytest.raises(KeyboardInterrupt):
            await rotate(shop.store, shop.key, shop.notes)
    assert list(shop.folder.glob("*.next"))
    await more(shop.store)
    made = await seal(shop.store, shop.key, shop.notes)
    assert made is not None
    assert made.fresh
    assert not list(shop.folder.glob("*.next"))
    assert (await check(shop)).holds


async def test_a_crash_before_the_record_leaves_the_old_keys_in_use(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await seal(shop.store, shop.key, shop.notes)
    before = load_keys(shop.key).public.told

    class Broken(seals._Exchange):
        async def apply(self, batch: Any) -> int | None:
            raise OSError("power")

    monkeypatch.setattr(seals, "_Exchange", Broken)
    with pytest.raises(OSError, match="power"):
        await rotate(shop.store, shop.key, shop.notes)
    monkeypatch.undo()
    await more(shop.store)
    await seal(shop.store, shop.key, shop.notes)
    assert load_keys(shop.key).public.told == before
    assert (await check(shop)).holds
    await rotate(shop.store, shop.key, shop.notes)
    assert (await check(shop)).holds


async def test_a_changed_ecdsa_signature_is_found(shop: Any) -> None:
    await seal(shop.store, shop.key, shop.notes)
    raw = sqlite3.connect(shop.folder / "sekisho.db")
    (good,) = raw.execute("SELECT ecdsa FROM checkpoint").fetchone()
    raw.execute("UPDATE checkpoint SET ecdsa = ?", (good[:-1] + bytes([good[-1] ^ 1]),))
    raw.commit()
    raw.close()
    found = await check(shop)
    assert found.fault is not None
    assert found.fault.ja == faults.ECDSA.ja


async def test_a_log_of_before_there_were_ecdsa_keys_goes_on(shop: Any) -> None:
    keys = load_keys(shop.key)
    await make_checkpoint(shop.store, keys.ed25519, shop.notes)
    ecdsa_file(shop.key).unlink()
    await more(shop.store)
    await seal(shop.store, shop.key, shop.notes)
    (before, after) = await checkpoints_from(shop.store)
    assert before.ecdsa is None
    assert after.ecdsa is not None
    assert (await check(shop)).holds


async def test_keys_that_cannot_be_read_are_named(shop: Any) -> None:
    load_keys(shop.key)
    ecdsa_file(shop.key).write_text("nonsense")
    with pytest.raises(StoreError, match="checkpoint-ecdsa"):
        load_keys(shop.key)
    ecdsa_file(shop.key).write_bytes(shop.key.read_bytes())  # of the other kind
    with pytest.raises(StoreError, match="P-256"):
        load_keys(shop.key)


async def test_the_file_beside_the_database_holds_every_note(shop: Any) -> None:
    await seal(shop.store, shop.key, shop.notes)
    await more(shop.store)
    await rotate(shop.store, shop.key, shop.notes)
    notes, rest = split_notes(shop.notes.read_text("utf-8"))
    assert not rest
    assert [parse(one).size for one in notes] == [one.checkpoint.size for one in await checkpoints_from(shop.store)]
