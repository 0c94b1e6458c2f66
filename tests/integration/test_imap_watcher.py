"""A watched mailbox on a real Dovecot: what happens to mail there, and what is on record about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from gateway.clients.imap import ImapSession
from gateway.clients.imap.names import mailbox
from gateway.clients.imap.session import Selected
from gateway.intake.imap import watcher
from gateway.mime.message import Message
from gateway.model.mailbox import Place
from gateway.model.settings import ImapActions
from gateway.store import maintenance
from gateway.store.batch import Batch
from gateway.store.imap import Attempting, Lease, account_states, pending
from gateway.store.quarantine import Release
from gateway.store.tables import imap_folder, imap_mail, message
from gateway.testing.dovecot import DovecotServer
from gateway.testing.mail import letter
from tests.integration.imap_lab import account, mail, open_lab, subjects, until
from tests.integration.stores import Work
from tests.servers.postgresql import PostgresqlServer


async def test_each_verdict_has_its_place_in_the_mailbox(mailserver: DovecotServer, tmp_path: Path) -> None:
    user = "verdicts"
    async with open_lab(tmp_path, account(mailserver, user, keyword="Sekisho")) as lab:
        lab.watch()
        await lab.caught_up()
        put = mailserver.put
        await asyncio.to_thread(put, user, mail("注文"), mail("脅迫だ"), mail("拒否です"), mail("破棄する"))
        rows = await lab.wait_rows(4, direction="in")
        await lab.settled()
        assert {row.then: row.state for row in rows} == {
            "deliver": "delivered",
            "quarantine": "held",
            "reject": "rejected",
            "discard": "discarded",
        }
        assert subjects(mailserver.mails(user)) == ["注文"]
        assert subjects(mailserver.mails(user, "保留")) == ["脅迫だ"]
        assert subjects(mailserver.mails(user, "拒否")) == ["拒否です", "破棄する"]
        assert lab.replies == {"hanako@customer.example": 1}
        with mailserver.imap(user) as session:
            session.select("INBOX")
            assert session.search(None, "KEYWORD", "Sekisho", "UNSEEN")[1] == [b"1"]
            assert any(mailbox("保留").strip('"').encode() in line for line in session.lsub()[1])  # programs show it


async def test_mail_is_screened_within_two_seconds_by_idle(mailserver: DovecotServer, tmp_path: Path) -> None:
    async with open_lab(tmp_path, account(mailserver, "idle", poll=600.0)) as lab:
        lab.watch()
        await lab.caught_up()
        took = []
        for number in range(5):
            await asyncio.to_thread(mailserver.put, "idle", mail(f"注文{number}"))
            started = time.monotonic()
            await lab.wait_rows(number + 1, direction="in")
            took.append(time.monotonic() - started)
        assert max(took) < 2.0, took


async def test_mail_is_screened_within_the_poll_time_without_idle(
    new_mailserver: Callable[..., DovecotServer], tmp_path: Path
) -> None:
    server = new_mailserver(more="protocol imap {\n imap_capability = IMAP4rev1 UIDPLUS MOVE\n}")
    async with open_lab(tmp_path, account(server, poll=1.0)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(server.put, "shop", mail())
        started = time.monotonic()
        await lab.wait_rows(1, direction="in")
        assert time.monotonic() - started < 3.0


async def test_bytes_come_out_of_the_log_as_they_lie_in_the_mailbox(mailserver: DovecotServer, tmp_path: Path) -> None:
    """ISO-2022-JP, a subject with `* `, `{5}` at the end of a line, and 25 MB."""
    big = mail("写真").replace(b"\r\n\r\n", b"\r\n\r\n" + b"0123456789abcdef* OK {7}\r\n" * 1_000_000, 1)
    raws = [mail("最後の警告だ", charset="iso-2022-jp", body="いい加減にしろ。\n"), mail("a * b {5}"), big]
    assert len(big) > 25_000_000
    async with open_lab(tmp_path, account(mailserver, "bytes", timeout=30.0)) as lab:
        lab.watch()
        await lab.caught_up()
        for raw in raws:
            await asyncio.to_thread(mailserver.put, "bytes", raw)
        rows = await lab.wait_rows(3, direction="in")
        kept = [await lab.raw(row.id) for row in sorted(rows, key=lambda row: row.size)]
        lying = sorted(mailserver.mails("bytes"), key=len)
        assert kept == lying
        assert kept == sorted(raws, key=len)


async def test_old_mail_is_left_alone_at_the_first_contact(mailserver: DovecotServer, tmp_path: Path) -> None:
    await asyncio.to_thread(mailserver.put, "old", *(mail(f"脅迫{n}") for n in range(3)))
    async with open_lab(tmp_path, account(mailserver, "old")) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, "old", mail("脅迫 新"))
        await lab.wait_rows(1, direction="in")
        await lab.settled()
        assert [row.subject for row in await lab.rows(direction="in")] == ["脅迫 新"]
        assert len(mailserver.mails("old")) == 3


async def test_since_records_old_mail_and_neither_moves_nor_answers_it(
    mailserver: DovecotServer, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    await asyncio.to_thread(mailserver.put, "since", mail("昔の脅迫"), at=now - timedelta(days=40))
    await asyncio.to_thread(mailserver.put, "since", mail("境目"), at=now - timedelta(days=30, hours=2))
    await asyncio.to_thread(mailserver.put, "since", mail("最近の脅迫"), mail("最近の質問"), at=now - timedelta(days=3))
    async with open_lab(tmp_path, account(mailserver, "since", since=30 * 86400)) as lab:
        lab.watch()
        await lab.caught_up()
        rows = await lab.rows(direction="in")
        assert {(row.subject, row.then, row.state) for row in rows} == {
            ("最近の脅迫", "quarantine", "delivered"),
            ("最近の質問", "deliver", "delivered"),
        }
        assert [row.reply["why"] for row in rows if row.reply] == [
            "見張りを始める前からあったメールのため返信しません。"
        ]
        assert lab.handed == []
        assert len(mailserver.mails("since")) == 4


async def test_mail_that_waited_too_long_is_moved_but_not_answered(mailserver: DovecotServer, tmp_path: Path) -> None:
    async with open_lab(tmp_path, account(mailserver, "late")) as lab:
        lab.watch()
        await lab.caught_up()
        await lab.stop()
        days_ago = datetime.now(UTC) - timedelta(days=5)
        put = mailserver.put
        await asyncio.to_thread(put, "late", mail("遅い質問"), mail("脅迫"), at=days_ago)
        await asyncio.to_thread(put, "late", mail("速い質問"))
        lab.watch()
        await lab.wait_rows(3, direction="in")
        await lab.settled()
        assert sum(lab.replies.values()) == 1
        assert subjects(mailserver.mails("late", "保留")) == ["脅迫"]
        said = {row.subject: row.reply["would_send"] for row in await lab.rows(direction="in") if row.reply}
        assert said == {"遅い質問": False, "速い質問": True}


async def test_a_release_moves_the_mail_back_and_screens_it_no_more(mailserver: DovecotServer, tmp_path: Path) -> None:
    async with open_lab(tmp_path, account(mailserver, "release")) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, "release", mail("脅迫"))
        (row,) = await lab.wait_rows(1, state="held")
        await until(lambda: asyncio.to_thread(mailserver.mails, "release", "保留"), lambda found: len(found) == 1)
        await lab.settled()
        assert await lab.store.committer.submit(Release(row.id, "店長", "誤判定")) == ""
        await until(lambda: asyncio.to_thread(mailserver.mails, "release"), lambda found: len(found) == 1)
        await until(lambda: lab.rows(imap_mail, message=row.id), lambda found: len(found) == 3)
        await lab.settled()
        assert mailserver.mails("release", "保留") == []
        assert (await lab.kinds())["mail.in"] == 1
        assert [r.state for r in await lab.rows(direction="in")] == ["released"]


async def test_a_released_mail_that_a_person_took_away_is_put_back_from_the_record(
    mailserver: DovecotServer, tmp_path: Path
) -> None:
    user = "putback"
    async with open_lab(tmp_path, account(mailserver, user)) as lab:
        lab.watch()
        await lab.caught_up()
        held = mail("脅迫")
        await asyncio.to_thread(mailserver.put, user, held)
        (row,) = await lab.wait_rows(1, state="held")
        await lab.settled()
        await asyncio.to_thread(_empty, mailserver, user, "保留")
        assert await lab.store.committer.submit(Release(row.id)) == ""
        await until(lambda: asyncio.to_thread(mailserver.mails, user), lambda found: found == [held])
        await lab.settled()
        await until(lambda: lab.rows(imap_mail, message=row.id), lambda found: len(found) == 3)
        assert [r.state for r in await lab.rows(direction="in")] == ["released"]
        assert (await lab.kinds())["mail.in"] == 1


async def test_a_folder_that_a_person_removed_is_made_again(mailserver: DovecotServer, tmp_path: Path) -> None:
    user = "removed"
    async with open_lab(tmp_path, account(mailserver, user)) as lab:
        lab.watch()
        await lab.caught_up()
        for number in (1, 2):
            await asyncio.to_thread(mailserver.put, user, mail(f"脅迫{number}"))
            await lab.wait_rows(number, state="held")
            await lab.settled()
            assert subjects(mailserver.mails(user, "保留")) == [f"脅迫{number}"]
            with mailserver.imap(user) as session:
                assert session.delete(mailbox("保留"))[0] == "OK"


async def test_a_person_who_moves_a_held_mail_back_releases_it(mailserver: DovecotServer, tmp_path: Path) -> None:
    async with open_lab(tmp_path, account(mailserver, "person")) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, "person", mail("脅迫"))
        await lab.wait_rows(1, imap_mail, state="done")
        with mailserver.imap("person") as session:
            session.select(mailbox("保留"))
            session.uid("MOVE", "1", "INBOX")
        await lab.wait_rows(1, state="released")
        await asyncio.sleep(0.5)
        assert len(mailserver.mails("person")) == 1
        assert (await lab.kinds())["quarantine"] == 1
        assert (await lab.kinds())["mail.in"] == 1


async def test_drafts_and_templates_are_left_alone(mailserver: DovecotServer, tmp_path: Path) -> None:
    watched = account(mailserver, "drafts", sent=("Sent",), poll=1.0)
    async with open_lab(tmp_path, watched) as lab:
        lab.watch()
        await lab.caught_up()
        template = letter("shop@shop.example", "ひな形", headers={"X-Mozilla-Draft-Info": "internal/draft"})
        for folder in ("INBOX", "Sent"):
            await asyncio.to_thread(mailserver.put, "drafts", mail("書きかけ"), folder=folder, flags="\\Draft")
            await asyncio.to_thread(mailserver.put, "drafts", template, folder=folder)
        await asyncio.to_thread(mailserver.put, "drafts", mail("本物"))
        await lab.wait_rows(1, direction="in")
        await until(lambda: lab.rows(imap_mail, note="draft"), lambda found: len(found) == 4)
        assert [row.subject for row in await lab.rows() if row.kind == "mail"] == ["本物"]


async def test_sent_mail_is_logged_and_joined_to_what_it_answers(mailserver: DovecotServer, tmp_path: Path) -> None:
    async with open_lab(tmp_path, account(mailserver, "sent", sent=("Sent",), poll=1.0)) as lab:
        lab.watch()
        await lab.caught_up()
        asked = mail("発送はいつですか", message_id="<q1@customer.example>")
        other = mail("別の件", "jiro@other.example", message_id="<q2@other.example>")
        await asyncio.to_thread(mailserver.put, "sent", asked, other)
        came = {row.message_id: row.id for row in await lab.wait_rows(2, direction="in")}
        answer = letter(
            "shop@shop.example",
            "Re: 発送はいつですか",
            to="hanako@customer.example",
            headers={"References": "<q0@customer.example> <q1@customer.example>"},
        )
        fresh = letter("shop@shop.example", "お知らせ", to="jiro@other.example")
        alone = letter("shop@shop.example", "初めまして", to="someone@new.example")
        await asyncio.to_thread(mailserver.put, "sent", answer, fresh, alone, folder="Sent")
        rows = await until(lambda: lab.rows(direction="out", kind="mail"), lambda found: len(found) == 3)
        assert {row.subject: row.about for row in rows} == {
            "Re: 発送はいつですか": came["<q1@customer.example>"],
            "お知らせ": came["<q2@other.example>"],
            "初めまして": "",
        }
        assert {row.state for row in rows} == {"sent"}
        assert await lab.raw(next(row.id for row in rows if row.subject == "お知らせ")) == fresh
        assert mailserver.mails("sent", "Sent") == [answer, fresh, alone]  # nothing is changed there


async def test_an_automatic_reply_in_the_sent_folder_is_not_logged_twice(
    mailserver: DovecotServer, tmp_path: Path
) -> None:
    async with open_lab(tmp_path, account(mailserver, "auto", sent=("Sent",), poll=1.0)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, "auto", mail())
        await lab.wait_rows(1, direction="out", kind="reply")
        reply = next(leased for leased in lab.handed if leased.kind == "reply")
        await asyncio.to_thread(mailserver.put, "auto", b"Return-Path: <>\r\n" + reply.raw, folder="Sent")
        await asyncio.to_thread(mailserver.put, "auto", reply.raw, folder="INBOX")
        await until(lambda: lab.rows(imap_mail, message=reply.message), lambda found: len(found) == 2)
        kinds = await lab.kinds()
        assert (kinds["mail.in"], kinds["mail.out"]) == (1, 1)


async def test_uidvalidity_changes_and_nothing_is_answered_or_recorded_twice(
    mailserver: DovecotServer, tmp_path: Path
) -> None:
    user = "renumbered"
    async with open_lab(tmp_path, account(mailserver, user)) as lab:
        lab.watch()
        await lab.caught_up()
        raws = [mail(f"質問{n}", f"c{n}@customer.example") for n in range(5)]
        await asyncio.to_thread(mailserver.put, user, *raws, mail("脅迫"))
        await lab.wait_rows(6, direction="in")
        await lab.settled()
        before = await lab.kinds()
        await lab.stop()
        await asyncio.to_thread(_new_validity, mailserver, user)
        await asyncio.to_thread(mailserver.put, user, *raws[::-1])
        lab.watch()
        await until(lambda: lab.rows(imap_mail, note="known"), lambda found: len(found) == 5)
        fresh = mail("新しい質問", "new@customer.example")
        await asyncio.to_thread(mailserver.put, user, fresh)
        await lab.wait_rows(7, direction="in")
        after = await lab.kinds()
        assert after["mail.in"] == before["mail.in"] + 1
        assert set(lab.replies.values()) == {1}
        assert len(lab.replies) == 6


async def test_an_act_is_carried_over_to_the_new_numbers(mailserver: DovecotServer, tmp_path: Path) -> None:
    user = "carried"
    async with open_lab(tmp_path, account(mailserver, user, may_create=False)) as lab:
        lab.watch()
        await lab.caught_up()
        held = mail("脅迫")
        await asyncio.to_thread(mailserver.put, user, held)
        await until(lambda: lab.rows(imap_mail, state="pending"), lambda found: bool(found) and bool(found[0].note))
        await lab.stop()
        assert len(await lab.rows(direction="out", kind="notice")) == 2  # of the rule, and of the missing folder
        await asyncio.to_thread(_new_validity, mailserver, user)
        await asyncio.to_thread(mailserver.put, user, held)
        with mailserver.imap(user) as session:
            session.create(mailbox("保留"))
        lab.watch()
        await until(lambda: asyncio.to_thread(mailserver.mails, user, "保留"), lambda found: found == [held])
        await lab.settled()
        assert {row.state for row in await lab.rows(imap_mail)} == {"carried", "done"}
        assert (await lab.kinds())["mail.in"] == 1


async def test_mail_that_a_person_took_away_meanwhile(mailserver: DovecotServer, tmp_path: Path) -> None:
    user = "taken"
    async with open_lab(tmp_path, account(mailserver, user, may_create=False)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, user, mail("脅迫"))
        await until(lambda: lab.rows(imap_mail, state="pending"), lambda found: bool(found) and bool(found[0].note))
        await lab.stop()
        with mailserver.imap(user) as session:
            session.select("INBOX")
            session.store("1", "+FLAGS", "\\Deleted")
            session.expunge()
        due = update(imap_mail).values(next_at=datetime.now(UTC))
        await lab.store.committer.submit(Work(lambda batch: batch.execute(due)))
        lab.watch()
        await lab.settled()
        assert [row.state for row in await lab.rows(imap_mail)] == ["gone"]


async def test_folders_below_a_prefix_are_named_without_it(
    new_mailserver: Callable[..., DovecotServer], tmp_path: Path
) -> None:
    """Courier's way, and that of many providers in Japan: every folder is `INBOX.name`."""
    server = new_mailserver(namespace="separator = .\n  prefix = INBOX.")
    async with open_lab(tmp_path, account(server, sent=("Sent",), poll=1.0)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(server.put, "shop", mail("脅迫"))
        await lab.wait_rows(1, state="held")
        await lab.settled()
        assert subjects(server.mails("shop", "INBOX.保留")) == ["脅迫"]
        await asyncio.to_thread(server.put, "shop", mail("送信"), folder="INBOX.Sent")
        await lab.wait_rows(1, direction="out", kind="mail")


async def test_actions_can_leave_delete_or_hand_on(mailserver: DovecotServer, tmp_path: Path) -> None:
    user = "actions"
    actions = ImapActions(deliver="mailbox", quarantine="leave", reject="leave", discard="delete")
    async with open_lab(tmp_path, account(mailserver, user, actions=actions)) as lab:
        lab.watch()
        await lab.caught_up()
        put = mailserver.put
        await asyncio.to_thread(put, user, mail("注文"), mail("脅迫"), mail("拒否"), mail("破棄"))
        await lab.wait_rows(4, direction="in")
        await lab.settled()
        assert subjects(mailserver.mails(user)) == sorted(["注文", "脅迫", "拒否"])
        assert [leased.target for leased in lab.handed if leased.kind == "deliver"] == ["mailbox"]
        assert len(await lab.rows(message, direction="in")) == 4
        (held,) = await lab.rows(message, state="held")
        assert await lab.store.committer.submit(Release(held.id)) == ""  # it lies in the inbox already
        await asyncio.sleep(0.5)
        assert subjects(mailserver.mails(user)) == sorted(["注文", "脅迫", "拒否"])


async def test_two_gateways_share_an_account_by_a_lease(
    mailserver: DovecotServer, postgresql: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one database, as two machines: one watches, and when it dies without a word the other takes over."""
    monkeypatch.setattr(watcher, "LEASE", timedelta(seconds=1.5))
    user, url = "shared", postgresql.new_database()
    await maintenance.upgrade(url)
    async with open_lab(tmp_path, account(mailserver, user), database=url) as lab:
        first = lab.watch(node="node-1")
        await lab.caught_up()
        second = lab.watch(node="node-2")
        await asyncio.to_thread(mailserver.put, user, mail("脅迫"))
        await lab.wait_rows(1, direction="in")
        await lab.settled()
        await asyncio.sleep(1.7)  # longer than a lease: it is renewed
        assert first.state()["connected"]
        assert not second.state()["connected"]
        lab.tasks[0].cancel()
        await until(lambda: asyncio.sleep(0, second.state()["connected"]), bool)
        await asyncio.to_thread(mailserver.put, user, mail("質問"))
        await lab.wait_rows(2, direction="in")
        assert (await lab.kinds())["mail.in"] == 2
        assert subjects(mailserver.mails(user, "保留")) == ["脅迫"]


async def test_two_watchers_at_the_same_time_record_each_mail_once(
    mailserver: DovecotServer, postgresql: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where both believe that they hold the lease, one takes a mail's place, and one moves it.

    Dovecot lets two sessions move one mail at the same moment, and leaves two of it in one of two such cases.
    """

    async def always(lease: Lease, batch: Batch) -> bool:
        return True

    moved: list[int] = []
    move = ImapSession.move

    async def slowly(session: ImapSession, uids: Sequence[int], folder: str) -> dict[int, int]:
        moved.extend(uids)
        await asyncio.sleep(0.3)  # time for the other to begin the same
        return await move(session, uids, folder)

    monkeypatch.setattr(Lease, "apply", always)
    monkeypatch.setattr(ImapSession, "move", slowly)
    user, url = "both", postgresql.new_database()
    await maintenance.upgrade(url)
    async with open_lab(tmp_path, account(mailserver, user), database=url) as lab:
        for node in ("node-1", "node-2"):
            await asyncio.wait_for(lab.watch(node=node).caught_up.wait(), 20)
        with mailserver.imap(user) as session:
            session.create(mailbox("保留"))
        raws = [mail(f"{word} {n}", f"c{n}@customer.example") for n in range(15) for word in ("質問", "脅迫")]
        await asyncio.to_thread(mailserver.put, user, *raws)
        await lab.wait_rows(30, direction="in")
        await lab.settled()
        assert len(moved) == len(set(moved)) == 15
        assert sorted(mailserver.mails(user, "保留")) == sorted(raw for raw in raws if "脅迫" in Message(raw).subject)
        assert {row.state for row in await lab.rows(imap_mail)} == {"done"}
        assert (await lab.kinds())["mail.in"] == 30
        assert len({row.sha256 for row in await lab.rows(direction="in")}) == 30
        assert set(lab.replies.values()) == {1}


async def test_an_act_that_one_gateway_is_at_is_left_alone_by_the_other(
    mailserver: DovecotServer, tmp_path: Path
) -> None:
    """A claim keeps others away; a new session of the account's gateway takes up what an earlier one left."""
    user = "claimed"
    async with open_lab(tmp_path, account(mailserver, user, may_create=False)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, user, mail("脅迫"))
        (row,) = await until(lambda: lab.rows(imap_mail, state="pending"), lambda found: bool(found) and found[0].note)
        due = update(imap_mail).values(next_at=datetime.now(UTC))
        place = Place(row.account, row.folder, row.uidvalidity, row.uid)
        await lab.stop()
        await lab.store.committer.submit(Work(lambda batch: batch.execute(due)))
        claims = [await lab.store.committer.submit(Attempting((place,))) for _ in range(2)]
        assert claims == [{place}, frozenset()]
        assert await pending(lab.store, "shop", datetime.now(UTC)) == []
        with mailserver.imap(user) as session:
            session.create(mailbox("保留"))
        lab.watch()
        await lab.settled()
        assert subjects(mailserver.mails(user, "保留")) == ["脅迫"]


async def test_a_mail_that_an_open_folder_does_not_show_yet_is_not_taken_for_gone(
    mailserver: DovecotServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An act that another gateway ordered may be about a mail that came after this session's last look."""
    user, fresh = "stale", False
    search, select = ImapSession.search, ImapSession.select

    async def opening(session: ImapSession, folder: str, **more: bool) -> Selected:
        nonlocal fresh
        fresh = True
        return await select(session, folder, **more)

    async def stale(session: ImapSession, *criteria: str) -> list[int]:
        nonlocal fresh
        shown, fresh = fresh or ":" in criteria[1], False
        return await search(session, *criteria) if shown else []

    async with open_lab(tmp_path, account(mailserver, user)) as lab:
        lab.watch()
        await lab.caught_up()
        monkeypatch.setattr(ImapSession, "select", opening)
        monkeypatch.setattr(ImapSession, "search", stale)
        await asyncio.to_thread(mailserver.put, user, mail("脅迫"))
        await lab.wait_rows(1, state="held")
        await lab.settled()
        assert [row.state for row in await lab.rows(imap_mail)] == ["done"]
        assert subjects(mailserver.mails(user, "保留")) == ["脅迫"]


@pytest.mark.parametrize("how", ["MOVE", "COPY"])
async def test_a_move_that_ended_half_way_leaves_one_mail(
    how: str, new_mailserver: Callable[..., DovecotServer], tmp_path: Path
) -> None:
    """The server died when it had copied the mail and not yet removed it: it lies in both folders."""
    more = "" if how == "MOVE" else "protocol imap {\n imap_capability = IMAP4rev1 IDLE UIDPLUS\n}"
    server = new_mailserver(more=more)
    async with open_lab(tmp_path, account(server, may_create=False)) as lab:
        lab.watch()
        await lab.caught_up()
        held = mail("脅迫")
        await asyncio.to_thread(server.put, "shop", held)
        (row,) = await until(lambda: lab.rows(imap_mail, state="pending"), lambda found: bool(found) and found[0].note)
        await lab.stop()
        await asyncio.to_thread(server.put, "shop", held, folder="保留")
        lab.watch()
        await lab.settled()
        assert (server.mails("shop"), server.mails("shop", "保留")) == ([], [held])
        assert await lab.store.committer.submit(Release(row.message)) == ""
        await lab.stop()
        back = update(imap_mail).where(imap_mail.c.state == "pending").values(attempts=1)
        await lab.store.committer.submit(Work(lambda batch: batch.execute(back)))
        await asyncio.to_thread(server.put, "shop", held)  # and so at the way back
        lab.watch()
        await lab.settled()
        assert (server.mails("shop"), server.mails("shop", "保留")) == ([held], [])
        assert (await lab.kinds())["mail.in"] == 1


async def test_a_release_while_the_mail_is_on_its_way_brings_it_back(mailserver: DovecotServer, tmp_path: Path) -> None:
    """The move was begun and its outcome is not on record yet: the release does not take it for not done."""
    user = "crossing"
    async with open_lab(tmp_path, account(mailserver, user, may_create=False)) as lab:
        lab.watch()
        await lab.caught_up()
        await asyncio.to_thread(mailserver.put, user, mail("脅迫"))
        (row,) = await until(lambda: lab.rows(imap_mail, state="pending"), lambda found: bool(found) and found[0].note)
        await lab.stop()
        with mailserver.imap(user) as session:  # what the move does before anybody hears of it
            session.create(mailbox("保留"))
            session.select("INBOX")
            session.uid("MOVE", str(row.uid), mailbox("保留"))
        assert await lab.store.committer.submit(Release(row.message)) == ""
        lab.watch()
        await lab.settled()
        assert subjects(mailserver.mails(user)) == ["脅迫"]
        assert mailserver.mails(user, "保留") == []


async def test_while_the_disk_is_full_mail_waits_where_it_lies(mailserver: DovecotServer, tmp_path: Path) -> None:
    room = [True]
    async with open_lab(tmp_path, account(mailserver, "disk", poll=1.0)) as lab:
        lab.watch(ready=lambda: room[0])
        await lab.caught_up()
        room[0] = False
        await asyncio.sleep(1.2)
        await asyncio.to_thread(mailserver.put, "disk", mail("脅迫"))
        await asyncio.sleep(1.0)
        assert await lab.rows(direction="in") == []
        room[0] = True
        await lab.wait_rows(1, state="held")


async def test_what_status_says_of_an_account(mailserver: DovecotServer, tmp_path: Path) -> None:
    async with open_lab(tmp_path, account(mailserver, "state")) as lab:
        lab.watch()
        await lab.caught_up()
        said = await until(
            lambda: account_states(lab.store), lambda found: bool(found.get("shop", {}).get("connected"))
        )
        assert said["shop"]["error"] == ""
        assert len(await lab.rows(imap_folder)) == 1


def _empty(server: DovecotServer, user: str, folder: str) -> None:
    """Remove every mail of a folder, as a person does."""
    with server.imap(user) as session:
        session.select(mailbox(folder))
        session.store("1:*", "+FLAGS", "\\Deleted")
        session.expunge()


def _new_validity(server: DovecotServer, user: str) -> None:
    """Make the inbox anew, empty and with another UIDVALIDITY, as a server does that lost its index."""
    folder = server.folder / "mail" / user / "Maildir"
    for name in ("cur", "new"):
        for file in (folder / name).glob("*"):
            file.unlink()
    for file in folder.glob("dovecot*"):
        if file.is_file():
            file.unlink()
    time.sleep(1.1)  # the UIDVALIDITY is the time in seconds
