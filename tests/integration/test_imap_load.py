"""Much mail: a backlog is worked off quickly in bounded memory, an old mailbox is met with care, none is held up."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gateway.ops import heap
from gateway.store.tables import imap_folder
from gateway.testing.dovecot import DovecotServer
from tests.integration.imap_lab import account, mail, open_lab, until

NewServer = Callable[..., DovecotServer]
WAITING = 2000
OLD = int(os.environ.get("SEKISHO_OLD_MAILS", "50000"))


def fill(server: DovecotServer, count: int, *, days: float = 0.0, folder: str = "shop", start: int = 0) -> None:
    """Put mails into the Maildir itself, which is much quicker than APPEND; the file's time is INTERNALDATE."""
    inbox = server.folder / "mail" / folder / "Maildir" / "new"
    owner = inbox.stat()
    when = time.time() - days * 86400
    for number in range(start, start + count):
        sender = f"c{number}@customer.example"
        body = f"番号 {number} の件です。\n" + "よろしくお願いいたします。\n" * 90  # 4 KB
        path = inbox.parent / "tmp" / f"{int(when)}.M{number}.host"
        path.write_bytes(mail(f"質問 {number}", sender, body=body).replace(b"\r\n", b"\n"))
        os.chown(path, owner.st_uid, owner.st_gid)
        os.utime(path, (when, when))
        path.rename(inbox / path.name)


@pytest.fixture
def frozen() -> Iterator[None]:
    """The collector as the daemon has it: what earlier tests left behind would take it some hundred ms a time."""
    usual = gc.get_threshold()
    heap.freeze()
    yield
    gc.set_threshold(*usual)
    gc.unfreeze()


@pytest.mark.usefixtures("frozen")
async def test_2000_waiting_mails_at_100_a_second_in_flat_memory_without_holding_the_loop(
    new_mailserver: NewServer, tmp_path: Path
) -> None:
    """Bounds are in CPU time, so that they hold on a busy machine, too; the figures tell what the clock says."""
    server = new_mailserver()
    other = account(server, "other", name="other", timeout=30.0)
    async with open_lab(tmp_path, account(server, timeout=30.0), other) as lab:
        lab.watch()
        await lab.caught_up()
        await lab.stop()
        lab.watch(other)
        await lab.caught_up()
        await asyncio.to_thread(fill, server, WAITING)
        process = psutil.Process()
        held: list[float] = []
        highest = 0

        async def feel() -> None:
            nonlocal highest
            while True:
                before, busy = time.perf_counter(), time.thread_time()
                await asyncio.sleep(0.005)
                held.append(min(time.perf_counter() - before, time.thread_time() - busy))
                highest = max(highest, process.memory_info().rss)

        feeling = asyncio.create_task(feel())
        before = process.memory_info().rss
        started, cpu = time.monotonic(), time.process_time()
        watcher = lab.watch()
        await until(lambda: asyncio.sleep(0, watcher._taking.taken), lambda taken: taken >= 100, 60)
        await asyncio.to_thread(server.put, "other", mail("急ぎ", "urgent@customer.example"))
        put, busy, ahead = time.monotonic(), time.process_time(), watcher._taking.taken
        await lab.wait_rows(1, sender="urgent@customer.example")
        aside, worked = time.monotonic() - put, time.process_time() - busy
        ahead = watcher._taking.taken - ahead
        assert watcher._taking.taken < WAITING, "the backlog was over before the other mail came"
        await until(lambda: asyncio.sleep(0, watcher._taking.taken), lambda taken: taken >= WAITING, 60)
        took, used = time.monotonic() - started, time.process_time() - cpu
        feeling.cancel()
        rows = await lab.rows(direction="in")
        assert len({row.sha256 for row in rows}) == len(rows) == WAITING + 1
        grown, worst = (highest - before) / 1e6, max(held)
        figures = (
            f"{WAITING / took:.0f} mails/s by the clock, {WAITING / used:.0f} a CPU second, memory +{grown:.0f} MB, "
            f"loop held at most {1000 * worst:.0f} ms, a mail in another mailbox after {aside:.2f} s "
            f"({worked:.2f} s CPU), behind {ahead} of this one\n"
        )
        sys.stdout.write(figures)
        assert WAITING / used >= 100, figures
        assert grown < 150, figures
        assert worst < 0.05, figures
        assert worked < 2.0, figures


async def test_memory_stays_flat_over_a_long_backlog(new_mailserver: NewServer, tmp_path: Path) -> None:
    """The second thousand costs no more memory than the first: nothing is kept a mail."""
    server = new_mailserver()
    async with open_lab(tmp_path, account(server, timeout=30.0, poll=1.0)) as lab:
        watcher = lab.watch()
        await lab.caught_up()
        process = psutil.Process()
        levels = []
        for turn in range(3):
            await asyncio.to_thread(fill, server, 300, start=1000 * turn)
            wanted = 300 * (turn + 1)
            await until(lambda wanted=wanted: asyncio.sleep(0, watcher._taking.taken), lambda n, w=wanted: n >= w, 60)
            lab.handed.clear()
            levels.append(process.memory_info().rss / 1e6)
        sys.stdout.write(f"memory after each 300 mails: {[round(level) for level in levels]} MB\n")
        assert levels[-1] - levels[1] < 40, levels


async def test_a_mailbox_of_50000_old_mails(new_mailserver: NewServer, tmp_path: Path) -> None:
    """First contact: `since` decides, nothing old is fetched beyond it, moved or answered; progress is on record."""
    server = new_mailserver(location="mbox:~/mbox:INBOX=~/mbox/inbox")
    await asyncio.to_thread(server.put, "shop", mail("始"))
    await asyncio.to_thread(server.kill)
    _old_mailbox(server, OLD)
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.mails, "shop", "Sent")
    async with open_lab(tmp_path, account(server, timeout=60.0, since=30 * 86400)) as lab:
        started = time.monotonic()
        watcher = lab.watch()
        await until(lambda: asyncio.sleep(0, watcher.caught_up.is_set()), bool, 110)
        took = time.monotonic() - started
        rows = await lab.rows(direction="in")
        assert len(rows) == 301  # ten a day, and the one of today
        assert {row.state for row in rows} == {"delivered"}
        assert lab.handed == []
        (folder,) = await lab.rows(imap_folder)
        assert folder.next_uid >= OLD
        sys.stdout.write(f"first contact with {OLD} mails: {took:.1f} s\n")


def _old_mailbox(server: DovecotServer, count: int) -> None:
    """One file with all of them, ten a day back into the past, as a shop has it after years."""
    file = server.folder / "mail" / "shop" / "mbox" / "inbox"
    owner = file.stat()
    now = time.time()
    latest = file.read_bytes()
    raw = mail("脅迫 むかし").replace(b"\r\n", b"\n")
    with file.open("wb") as out:
        for number in range(count, 0, -1):
            when = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(now - number * 8640 + 300))
            out.write(f"From c@customer.example  {when}\nX-Number: {number}\n".encode() + raw + b"\n")
        out.write(latest)
    os.chown(file, owner.st_uid, owner.st_gid)


@pytest.mark.parametrize("size", [1, 201])
async def test_portions_at_their_bounds(mailserver: DovecotServer, tmp_path: Path, size: int) -> None:
    user = f"bounds{size}"
    async with open_lab(tmp_path, account(mailserver, user)) as lab:
        lab.watch()
        await lab.caught_up()
        await lab.stop()
        await asyncio.to_thread(
            mailserver.put, user, *(mail(f"質問 {n}", f"c{n}@customer.example") for n in range(size))
        )
        lab.watch()
        await lab.wait_rows(size, direction="in")
        assert sum(lab.replies.values()) == size
