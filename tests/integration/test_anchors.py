"""What is attested outside finds a log that was rewritten with the shop's own key."""

from __future__ import annotations

import asyncio
import email
import email.policy
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.evidence import faults
from gateway.evidence.anchors import anchors
from gateway.evidence.checkpoint import seal
from gateway.evidence.key_files import load_keys
from gateway.evidence.sealed import checkpoint_now
from gateway.evidence.verify import Verification, verify
from gateway.model.settings import Anchors, Authority, Evidence, Outgoing, Settings, Target
from gateway.ops.anchoring import anchor
from gateway.store.body import unpack
from gateway.store.engine import open_store
from gateway.store.tables import body, message, queue
from gateway.text import Text, plain
from tests.integration.test_verify import Shop
from tests.servers.tsa import Tsa

LAWYER = "bengoshi@law.example"


class Gateway(Shop):
    """A shop whose keys are those of the daemon."""

    def __init__(self, folder: Path, tsa: Tsa) -> None:
        super().__init__(folder)
        self.key_file = folder / "checkpoint.key"
        self.tsa = tsa
        wanted = Anchors((Authority(tsa.url, tsa.ca),), (LAWYER,))
        self.settings = Settings(
            evidence=Evidence(wanted), outgoing=Outgoing(Target("smtp", "smtp.example", 25)), base=folder
        )

    async def fill(self) -> None:
        store = await open_store(self.url)
        shutil.copy(self.folder / "log.key", self.key_file)
        self.store = store
        from tests.integration.stores import accept, acceptance, exchange

        await asyncio.gather(*[store.committer.submit(accept(acceptance(exchange(str(i))))) for i in range(20)])
        await seal(store, self.key_file, self.file)

    async def attest(self, settings: Settings | None = None, **more: Any) -> Any:
        return await anchor(self.store, settings or self.settings, load_keys(self.key_file).public, **more)

    async def check(self, notes: list[tuple[str, Text]] | None = None) -> Verification:
        return await verify(self.store, [load_keys(self.key_file).public], self.file, None, notes or [])


@pytest.fixture
async def shop(tmp_path: Path, tsa: Tsa) -> AsyncIterator[Gateway]:
    made = Gateway(tmp_path, tsa)
    await made.fill()
    yield made
    await made.store.close()


def fault(found: Verification) -> str:
    assert found.fault is not None
    return found.fault.ja


async def test_a_checkpoint_is_stamped_and_mailed_and_openssl_takes_the_stamp(shop: Gateway) -> None:
    assert await shop.attest() == (2, [])
    stamp, mail = await anchors(shop.store)
    assert (stamp.kind, stamp.target, mail.kind, mail.target) == ("rfc3161", shop.tsa.url, "mail", LAWYER)
    files = {"note": stamp.note.encode(), "answer": stamp.response, "ca": (stamp.authority or "").encode()}
    for name, content in files.items():
        (shop.folder / name).write_bytes(content or b"")
    assert stamp.stamped_at is not None
    at = str(int(stamp.stamped_at.timestamp()))
    command = ["openssl", "ts", "-verify", "-data", "note", "-in", "answer", "-CAfile", "ca", "-attime", at]
    assert subprocess.run(command, cwd=shop.folder, capture_output=True, check=False).returncode == 0
    found = await shop.check()
    assert found.holds
    assert found.anchors == 2


async def test_the_mail_carries_what_openssl_needs(shop: Gateway) -> None:
    await shop.attest()
    (mail,) = [one for one in await anchors(shop.store) if one.kind == "mail"]
    async with shop.store.read() as connection:
        where = message.c.id == mail.message
        row = (await connection.execute(select(message, body.c.zstd).join(body).where(where))).one()
        entry = (await connection.execute(select(queue).where(queue.c.message == mail.message))).one()
    assert (entry.target, entry.recipients, entry.state) == ("outgoing", [LAWYER], "waiting")
    parsed = email.message_from_bytes(unpack(row.zstd, row.size), policy=email.policy.default)
    files = {part.get_filename(): part.get_content() for part in parsed.iter_attachments()}
    note = next(name for name in files if name.endswith(".txt") and name.startswith("checkpoint-"))
    assert files[note] == mail.note.encode()
    for name, content in files.items():
        (shop.folder / name).write_bytes(content)
    signature = note.replace(".txt", ".sig")
    command = ["openssl", "dgst", "-sha256", "-verify", "ecdsa.pem", "-signature", signature, note]
    assert subprocess.run(command, cwd=shop.folder, capture_output=True, check=False).returncode == 0
    text = parsed.get_body().get_content()  # type: ignore[union-attr]
    assert "openssl dgst" in text
    assert parsed["To"] == LAWYER


async def test_nothing_is_attested_before_it_is_due_or_where_nothing_is_new(shop: Gateway) -> None:
    await shop.attest()
    assert await shop.attest() == (0, [])
    await checkpoint_now(shop.store, shop.key_file, shop.file)
    assert await shop.attest() == (0, [])  # not due yet
    hasty = replace(shop.settings, evidence=Evidence(replace(shop.settings.evidence.anchors, every=0, mail_every=0)))
    assert await shop.attest(hasty) == (2, [])
    assert await shop.attest(now=True) == (2, [])
    assert (await shop.check()).holds


@pytest.mark.parametrize("answer", [(500, b""), (200, b"<html>"), (200, bytes.fromhex("30053003020102"))])
async def test_an_authority_that_fails_is_told_and_nothing_is_kept(shop: Gateway, answer: tuple[int, bytes]) -> None:
    shop.tsa.answer = lambda request: answer
    done, failed = await shop.attest()
    assert done == 1  # the mail
    assert len(failed) == 1
    assert [one.kind for one in await anchors(shop.store)] == ["mail"]
    shop.tsa.answer = lambda request: (200, shop.tsa.authority.reply(request, "tsa"))
    assert await shop.attest() == (1, [])  # tried again the next time


async def test_a_stamp_for_another_request_is_refused(shop: Gateway) -> None:
    kept: list[bytes] = []

    def replay(request: bytes) -> tuple[int, bytes]:
        kept.append(request)
        return 200, shop.tsa.authority.reply(kept[0], "tsa")

    shop.tsa.answer = replay
    assert (await shop.attest(now=True))[1] == []
    assert len((await shop.attest(now=True))[1]) == 1


async def test_a_log_rebuilt_with_the_stolen_key_after_an_anchor_is_found(shop: Gateway) -> None:
    await shop.attest()
    (mail,) = [one for one in await anchors(shop.store) if one.kind == "mail"]
    await shop.store.close()
    shop.rewrite(3, lambda record: record.update(sender="somebody@else.example"))
    shop.sql("UPDATE message SET sender = 'somebody@else.example' WHERE seq = 3", "DELETE FROM checkpoint")
    shop.seal_again()
    shop.file.unlink()
    shop.store = await open_store(shop.url)
    await seal(shop.store, shop.key_file, shop.file)  # with the shop's own key
    assert fault(await shop.check()) == faults.CHECKPOINT.ja
    # and where the anchors are taken out, too, with the records that name them
    (first,) = shop.rows("SELECT min(seq) FROM log WHERE kind IN ('anchor', 'mail.out')")[0]
    await shop.store.close()
    shop.sql(
        "DELETE FROM anchor", "DELETE FROM checkpoint", "DELETE FROM queue", f"DELETE FROM log WHERE seq >= {first}"
    )
    shop.sql("DELETE FROM body WHERE message NOT IN (SELECT message FROM log WHERE kind = 'mail.in')")
    shop.sql(f"DELETE FROM message WHERE seq >= {first}")
    shop.seal_again()
    shop.file.unlink()
    shop.store = await open_store(shop.url)
    await seal(shop.store, shop.key_file, shop.file)
    assert (await shop.check()).holds  # by itself the database cannot tell ...
    assert (
        fault(await shop.check([(mail.note, plain("lawyer.txt"))])) == faults.CHECKPOINT.ja
    )  # ... the lawyer's copy can


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("DELETE FROM anchor WHERE kind = 'rfc3161'", faults.NO_ANCHOR),
        ("UPDATE anchor SET response = X'3000' WHERE kind = 'rfc3161'", faults.ANCHOR_ROW),
        ("UPDATE anchor SET note = replace(note, 'sekisho', 'sekisha')", faults.ANCHOR_ROW),
        ("UPDATE anchor SET size = size - 1", faults.ANCHOR_ROW),
        ("UPDATE anchor SET kind = 'mail'", faults.ANCHOR_ROW),
        ("UPDATE anchor SET seq = seq + 1000", faults.ANCHOR_ROW),
    ],
)
async def test_a_changed_anchor_is_found(shop: Gateway, change: str, expected: Text) -> None:
    await shop.attest()
    shop.sql(change)
    assert fault(await shop.check()) == expected.ja


async def test_an_anchor_under_another_root_is_found(shop: Gateway, tmp_path: Path) -> None:
    await shop.attest()
    from tests.servers.tsa import Authority as Other

    stranger = Other(tmp_path, "stranger")
    raw = sqlite3.connect(shop.folder / "sekisho.db")
    raw.execute("UPDATE anchor SET authority = ? WHERE kind = 'rfc3161'", (stranger.root.read_text(),))
    raw.commit()
    raw.close()
    assert fault(await shop.check()) == faults.ANCHOR.ja


async def test_verification_goes_on_beside_a_gateway_that_seals_attests_and_deletes(shop: Gateway) -> None:
    from datetime import timedelta

    from gateway.store.retention import retain
    from tests.integration.stores import accept, acceptance, exchange

    async def work() -> None:
        for number in range(25):
            await shop.store.committer.submit(accept(acceptance(exchange(str(number)))))
            await seal(shop.store, shop.key_file, shop.file)
            if number % 8 == 0:
                await shop.attest(now=True)
            if number % 10 == 9:
                await retain(shop.store, timedelta(seconds=0.2), datetime.now(UTC))

    working = asyncio.create_task(work())
    while not working.done():
        found = await shop.check()
        assert found.fault is None
    await working
    assert (await shop.check()).fault is None
