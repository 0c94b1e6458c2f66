"""Faults that are really made: the server killed at its work, mute, full, read-only; every mail once, in its place."""

from __future__ import annotations

import asyncio
import imaplib
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from gateway.clients.imap.names import mailbox
from gateway.clients.imap.transport import ImapTransport
from gateway.clients.transport import Status
from gateway.intake.imap import watcher
from gateway.intake.imap.watcher import LONGEST_WAIT, _backoff
from gateway.model.acceptance import Leased
from gateway.store.tables import imap_folder, imap_mail
from gateway.testing.dovecot import DovecotServer
from gateway.testing.mail import letter
from tests.integration.imap_fake import FakeImap
from tests.integration.imap_lab import Lab, account, mail, open_lab, subjects, until
from tests.integration.imap_proxy import Fault, KillingProxy
from tests.integration.stores import Work

NewServer = Callable[..., DovecotServer]
KILLS = int(os.environ.get("SEKISHO_KILLS", "3"))


async def lying(server: DovecotServer, folder: str = "INBOX") -> list[bytes]:
    """The mails in a folder; none while the server is away."""
    try:
        return await asyncio.to_thread(server.mails, "shop", folder)
    except (OSError, imaplib.IMAP4.error):
        return []


async def holds(lab: Lab, server: DovecotServer, clean: int, held: int) -> None:
    """Every mail is on record once, lies where it belongs, and was answered at most once."""
    await lab.wait_rows(clean + held, direction="in")
    await until(lambda: lying(server), lambda found: len(found) == clean)
    await until(lambda: lying(server, "保留"), lambda found: len(found) == held)
    await lab.settled()
    kinds = await lab.kinds()
    assert kinds["mail.in"] == clean + held
    # on record in the very transaction that the mail is; handed over as soon as that is committed
    replies = [row.recipients for row in await lab.rows(direction="out", kind="reply")]
    assert len(replies) == clean
    await until(lambda: asyncio.sleep(0, lab.replies), lambda handed: len(handed) == clean, 2)
    assert set(lab.replies.values()) == {1}
    assert all("脅迫" in subject for subject in subjects(server.mails("shop", "保留")))
    assert {row.state for row in await lab.rows(imap_mail)} == {"done"}


FAULTS = {
    "IDLE": Fault(b"IDLE", after=10_000),
    "SEARCH": Fault(b"SEARCH"),
    "FETCH": Fault(b"BODY.PEEK", after=700),
    "FETCH of what is about to be answered": Fault(b"BODY.PEEK"),
    "MOVE before it is done": Fault(b"UID MOVE"),
    "MOVE after it is done": Fault(b"UID MOVE", after=0),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_server_is_killed_at_its_work(fault: str, new_mailserver: NewServer, tmp_path: Path) -> None:
    server = new_mailserver()
    async with (
        KillingProxy(server) as proxy,
        open_lab(tmp_path, account(server, port=proxy.port, poll=20.0)) as lab,
    ):
        lab.watch()
        await lab.caught_up()
        proxy.fault = FAULTS[fault]
        raws = [mail(f"質問{n}", f"c{n}@customer.example") for n in range(3)]
        if fault == "IDLE":
            lab.tasks[-1].cancel()
            await asyncio.gather(lab.tasks[-1], return_exceptions=True)
            lab.watch()
            await until(lambda: asyncio.sleep(0, proxy.kills), lambda kills: kills == 1)
            await asyncio.sleep(0.5)
            await asyncio.wait_for(proxy.up_again.wait(), 30)
        await asyncio.to_thread(server.put, "shop", *raws, mail("脅迫1"), mail("脅迫2"))
        await holds(lab, server, 3, 2)
        assert proxy.kills == 1
        assert proxy.connections >= 2


async def test_the_server_is_killed_again_and_again_at_random(new_mailserver: NewServer, tmp_path: Path) -> None:
    server = new_mailserver()
    async with open_lab(tmp_path, account(server, poll=2.0)) as lab:
        lab.watch()
        await lab.caught_up()
        for turn in range(KILLS):
            raws = [mail(f"{word} {turn}-{n}", f"c{turn}-{n}@c.example") for n in range(6) for word in ("質問", "脅迫")]
            await asyncio.to_thread(server.put, "shop", *raws)
            await asyncio.sleep(random.uniform(0.3, 0.9))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        await holds(lab, server, 6 * KILLS, 6 * KILLS)


async def test_the_server_loses_its_numbers_while_it_is_watched(new_mailserver: NewServer, tmp_path: Path) -> None:
    """Every folder gets a new UIDVALIDITY under the watcher's hands; the mail itself stays."""
    server = new_mailserver()
    async with open_lab(tmp_path, account(server, poll=1.0, sent=("Sent",))) as lab:
        await asyncio.to_thread(server.mails, "shop", "Sent")
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(server.put, "shop", mail("質問", "c@c.example"), mail("脅迫"))
        await asyncio.to_thread(
            server.put, "shop", letter("shop@shop.example", "Re: 質問", to="c@c.example"), folder="Sent"
        )
        await holds(lab, server, 1, 1)
        await lab.wait_rows(1, direction="out", kind="mail")
        before = await lab.kinds()
        numbers = {row.folder: row.uidvalidity for row in await lab.rows(imap_folder)}
        await asyncio.to_thread(server.kill)
        for file in (server.folder / "mail" / "shop" / "Maildir").rglob("dovecot*"):
            if file.is_file():
                file.unlink()
        await asyncio.sleep(1.1)  # the UIDVALIDITY is the time in seconds
        await asyncio.to_thread(server.start)
        await until(
            lambda: lab.rows(imap_folder),
            lambda rows: all(row.uidvalidity != numbers[row.folder] and row.since is not None for row in rows),
        )
        await lab.wait_rows(2, imap_mail, note="known")
        await lab.settled()
        assert await lab.kinds() == before
        assert lab.replies == {"c@c.example": 1}
        assert (len(server.mails("shop")), len(server.mails("shop", "保留"))) == (1, 1)


@pytest.mark.parametrize("after", [-1, 0], ids=["before it is done", "after it is done"])
async def test_the_server_is_killed_during_append(after: int, new_mailserver: NewServer) -> None:
    server = new_mailserver()
    async with KillingProxy(server, Fault(b"APPEND", after=after)) as proxy:
        transport = ImapTransport(account(server, port=proxy.port))
        raw = mail("お知らせ")
        leased = Leased("q1", "notice", "mailbox", "m1", "", ("owner@shop.example",), raw, datetime.now(UTC))
        first = await transport.send(leased)
        assert [r.status for r in first.results] == [Status.DEFERRED]
        assert first.down
        await asyncio.wait_for(proxy.up_again.wait(), 30)
        again = Leased(**{name: getattr(leased, name) for name in Leased.__slots__} | {"attempts": 1})
        second = await transport.send(again)
        assert [r.status for r in second.results] == [Status.DELIVERED]
        await transport.close()
    (kept,) = server.mails("shop")
    assert kept.endswith(raw)


async def test_append_killed_with_the_mail_half_sent(new_mailserver: NewServer) -> None:
    server = new_mailserver()
    async with KillingProxy(server, Fault(b"MARK-IN-THE-MIDDLE")) as proxy:
        transport = ImapTransport(account(server, port=proxy.port))
        raw = mail("大").replace(
            b"\r\n\r\n", b"\r\n\r\n" + b"x" * 70 + b"\r\nMARK-IN-THE-MIDDLE\r\n" + b"y\r\n" * 99_999, 1
        )
        leased = Leased("q1", "notice", "mailbox", "m1", "", ("o@shop.example",), raw, datetime.now(UTC))
        assert (await transport.send(leased)).down
        await asyncio.wait_for(proxy.up_again.wait(), 30)
        again = Leased(**{name: getattr(leased, name) for name in Leased.__slots__} | {"attempts": 1})
        assert (await transport.send(again)).results[0].status is Status.DELIVERED
        await transport.close()
    assert len(server.mails("shop")) == 1


async def test_without_move_nothing_is_doubled_by_a_kill_between_copy_and_expunge(
    new_mailserver: NewServer, tmp_path: Path
) -> None:
    server = new_mailserver(more="protocol imap {\n imap_capability = IMAP4rev1 IDLE UIDPLUS\n}")
    async with KillingProxy(server, Fault(b"+FLAGS.SILENT")) as proxy:
        watched = account(server, port=proxy.port)
        async with open_lab(tmp_path, watched) as lab:
            lab.watch()
            await lab.caught_up()
            raws = [mail("脅迫1"), mail("脅迫2"), mail("質問")]
            await asyncio.to_thread(server.put, "shop", *raws)
            await holds(lab, server, 1, 2)
            assert proxy.kills == 1


async def test_without_move_and_uidplus_mail_that_others_deleted_is_not_removed(
    new_mailserver: NewServer, tmp_path: Path
) -> None:
    server = new_mailserver(more="protocol imap {\n imap_capability = IMAP4rev1 IDLE\n}")
    async with open_lab(tmp_path, account(server)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(server.put, "shop", mail("消すかも"), flags="\\Deleted")
        await lab.wait_rows(1, direction="in")
        await asyncio.to_thread(server.put, "shop", mail("脅迫"))
        await lab.wait_rows(1, state="held")
        await lab.settled()
        assert subjects(server.mails("shop", "保留")) == ["脅迫"]
        assert "消すかも" in subjects(server.mails("shop"))


@pytest.mark.parametrize("mute", ["greeting", "LOGIN", "SELECT", "SEARCH", "FETCH", "IDLE", "DONE"])
async def test_a_mute_server_never_hangs_the_watcher(mute: str, tmp_path: Path) -> None:
    async with FakeImap(mute=mute) as server:
        watched = account(DovecotServer(tmp_path, port=server.port), timeout=0.3, poll=1.0, since=86400)
        async with open_lab(tmp_path, watched) as lab:
            lab.watch()
            await until(lambda: asyncio.sleep(0, server.connections), lambda count: count >= 3, 15)


async def test_a_mute_server_is_taken_up_again_when_it_speaks(tmp_path: Path) -> None:
    async with (
        FakeImap(mute="SEARCH") as server,
        open_lab(tmp_path, account(DovecotServer(tmp_path, port=server.port), timeout=0.3, poll=1.0)) as lab,
    ):
        lab.watch()
        await until(lambda: asyncio.sleep(0, server.connections), lambda count: count >= 2)
        server.mute = ""
        await lab.caught_up()


async def test_a_server_that_is_away_for_long_is_caught_up_with(new_mailserver: NewServer, tmp_path: Path) -> None:
    server = new_mailserver()
    async with open_lab(tmp_path, account(server)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(1)
        assert not lab.watchers[0].state()["connected"]
        await asyncio.to_thread(server.start)
        raws = [mail(f"質問{n}", f"c{n}@customer.example") for n in range(20)]
        await asyncio.to_thread(server.put, "shop", *raws, mail("脅迫"))
        await holds(lab, server, 20, 1)


async def test_a_full_mailbox_is_told_and_tried_again(new_mailserver: NewServer, tmp_path: Path) -> None:
    quota = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:User quota
  quota_rule = *:storage=64K
  quota_vsizes = yes
}
"""
    server = new_mailserver(more=quota + "protocol imap {\n imap_capability = IMAP4rev1 IDLE UIDPLUS\n}\n")
    async with open_lab(tmp_path, account(server)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(server.put, "shop", mail("脅迫", body=("x" * 70 + "\n") * 600))  # 43 KB, and once more
        row = (await until(lambda: lab.rows(imap_mail, state="pending"), lambda f: bool(f) and bool(f[0].note)))[0]
        assert row.action == "move"
        notices = [r.subject for r in await lab.rows(direction="out", kind="notice")]
        assert any("容量がいっぱい" in subject for subject in notices)
        await asyncio.to_thread(server.kill)  # with every connection, which would keep the old limit
        server.more = server.more.replace("64K", "100M")
        await asyncio.to_thread(server.start)
        due = update(imap_mail).values(next_at=datetime.now(UTC))
        await lab.store.committer.submit(Work(lambda batch: batch.execute(due)))
        await until(lambda: asyncio.to_thread(server.mails, "shop", "保留"), lambda found: len(found) == 1)
        await lab.settled()
        assert (await lab.kinds())["mail.in"] == 1


async def test_a_read_only_account_is_screened_and_told(new_mailserver: NewServer, tmp_path: Path) -> None:
    acl = """
mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
plugin {
  acl = vfile:/dev/null
}
"""
    server = new_mailserver()
    async with open_lab(tmp_path, account(server)) as lab:
        lab.watch()
        await lab.caught_up()
        await lab.stop()
        rights = server.folder / "acl"
        rights.write_text("INBOX owner lr\n* owner lr\n")
        server.stop()
        server.more = acl.replace("/dev/null", str(rights))
        server.start()
        # somebody else delivers: the account itself may only read
        folder = server.folder / "mail" / "shop" / "Maildir"
        owner = folder.stat()
        file = folder / "new" / "1.M1.host"
        file.write_bytes(mail("脅迫").replace(b"\r\n", b"\n"))
        os.chown(file, owner.st_uid, owner.st_gid)
        lab.watch()
        await lab.wait_rows(1, direction="in")
        await until(lambda: lab.rows(imap_mail, state="failed"), lambda found: len(found) == 1)
        await until(
            lambda: lab.rows(direction="out", kind="notice"),
            lambda found: any("メールを移せません" in row.subject for row in found),
        )
        assert len(server.mails("shop")) == 1


async def test_a_missing_folder_that_may_not_be_made_is_told(mailserver: DovecotServer, tmp_path: Path) -> None:
    async with open_lab(tmp_path, account(mailserver, "nofolder", may_create=False, sent=("Gesendet",))) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, "nofolder", mail("脅迫"))
        await until(
            lambda: lab.rows(direction="out", kind="notice"),
            lambda found: sum("フォルダーがありません" in row.subject for row in found) == 2,
        )
        assert len(mailserver.mails("nofolder")) == 1
        with mailserver.imap("nofolder") as session:
            session.create(mailbox("保留"))
        due = update(imap_mail).values(next_at=datetime.now(UTC))
        await lab.store.committer.submit(Work(lambda batch: batch.execute(due)))
        await until(lambda: asyncio.to_thread(mailserver.mails, "nofolder", "保留"), lambda found: len(found) == 1)


async def test_a_wrong_password_is_told_once(
    mailserver: DovecotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "LOGIN_WAIT", 0.2)
    async with open_lab(tmp_path, account(mailserver, "wrong", password="nope")) as lab:
        lab.watch()
        await until(lambda: asyncio.sleep(0, lab.watchers[0]._failures), lambda count: count >= 2)
        rows = await lab.rows(direction="out", kind="notice")
        assert len(rows) == 1
        assert "ログインできません" in rows[0].subject


def test_the_wait_grows_and_is_bounded() -> None:
    waits = [_backoff(n) for n in range(1, 40)]
    assert waits[0] < 1.5
    assert max(waits) <= LONGEST_WAIT * 1.3
    assert min(waits[10:]) > 60
