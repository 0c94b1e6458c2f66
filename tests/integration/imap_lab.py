"""A watcher with everything behind it in one process: the store, the rules, and a list instead of the delivery."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from filters.api import Lookups
from filters.offline import NoDns
from filters.registry import FILTERS
from gateway.intake.imap.watcher import Watcher
from gateway.intake.judge import Judge
from gateway.intake.receive import Receiver
from gateway.model.acceptance import Leased
from gateway.model.settings import Imap, Outgoing, Settings, Shop, Target
from gateway.ops.threads import WorkerThreads
from gateway.replies.templates import Templates
from gateway.screening.rulebook import Rulebook
from gateway.screening.screener import Screener
from gateway.store.body import unpack
from gateway.store.engine import Store, open_store
from gateway.store.records import StoreRecords
from gateway.store.tables import body, imap_mail, log, message
from gateway.testing.dovecot import PASSWORD, DovecotServer
from gateway.testing.mail import letter

RULES = """\
version: 1
rules:
  - {name: 脅迫, when: {subject: {contains: 脅迫}}, then: quarantine, notify: owner}
  - {name: 拒否, when: {subject: {contains: 拒否}}, then: reject}
  - {name: 破棄, when: {subject: {contains: 破棄}}, then: discard}
default:
  then: deliver
  reply: {template: received, once_per: 1m, only_if: any}
"""
PATIENCE = 30.0


def mail(subject: str = "注文について", sender: str = "hanako@customer.example", **more: Any) -> bytes:
    """A mail as a provider has it: no two are alike."""
    return letter(sender, subject, headers={"Return-Path": f"<{sender}>"}, **more)


def account(server: DovecotServer, user: str = "shop", *, port: int = 0, **more: Any) -> Imap:
    """The settings of a mailbox on this server, or behind a proxy at `port`."""
    target = Target("imap", "127.0.0.1", port or server.port)
    return Imap(**{"name": "shop", "server": target, "user": user, "password": PASSWORD, "timeout": 5.0, **more})


@dataclass
class Lab:
    """A watched mailbox and what is on record about it."""

    settings: Settings
    store: Store
    receiver: Receiver
    handed: list[Leased] = field(default_factory=list)
    watchers: list[Watcher] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def watch(self, watched: Imap | None = None, *, node: str = "node-1", **more: Any) -> Watcher:
        """Begin to watch, with hardly any wait after a failure."""
        watcher = Watcher(
            watched or self.settings.imap[0],
            self.settings,
            self.store,
            self.receiver,
            **{"node": node, "wait": lambda failures: 0.1, "tick": 0.2, **more},
        )
        self.watchers.append(watcher)
        self.tasks.append(asyncio.create_task(watcher.run()))
        return watcher

    async def stop(self) -> None:
        """Stop watching."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for watcher in self.watchers:
            await watcher.close()
        self.tasks.clear()
        self.watchers.clear()

    async def caught_up(self) -> None:
        """Wait until everything that was there is on record."""
        async with asyncio.timeout(PATIENCE):
            await self.watchers[-1].caught_up.wait()

    async def rows(self, table: Any = message, **where: Any) -> list[Any]:
        """Rows of a table with these values."""
        statement = select(table)
        for name, value in where.items():
            statement = statement.where(table.c[name] == value)
        async with self.store.read() as connection:
            return list((await connection.execute(statement)).all())

    async def wait_rows(self, count: int, table: Any = message, **where: Any) -> list[Any]:
        """The rows as soon as there are `count`."""
        return await until(lambda: self.rows(table, **where), lambda found: len(found) >= count)

    async def settled(self) -> None:
        """Wait until nothing is left to do in the mailbox."""
        await until(lambda: self.rows(imap_mail, state="pending"), lambda found: not found)

    async def raw(self, id: str) -> bytes:
        """The bytes of a message out of the log."""
        (row,) = await self.rows(message, id=id)
        (kept,) = await self.rows(body, message=id)
        return unpack(kept.zstd, row.size)

    @property
    def replies(self) -> Counter[str]:
        """How many replies went to whom."""
        return Counter(leased.recipients[0] for leased in self.handed if leased.kind == "reply")

    async def kinds(self) -> Counter[str]:
        """How many records of each kind the log has."""
        return Counter(row.kind for row in await self.rows(log))


async def until(ask: Callable[[], Any], good: Callable[[Any], bool], patience: float = PATIENCE) -> Any:
    """Ask again and again until the answer is good."""
    end = time.monotonic() + patience
    while True:
        found = await ask()
        if good(found):
            return found
        assert time.monotonic() < end, f"still {found!r}"[:2000]
        await asyncio.sleep(0.05)


def subjects(raws: Iterable[bytes]) -> list[str]:
    """The subjects of raw mails, sorted."""
    from gateway.mime.message import Message

    return sorted(Message(raw).subject for raw in raws)


_fresh: list[Path] = []


async def _fresh_database() -> Path:
    """A database with its tables and nothing in them, made once."""
    if not _fresh:
        folder = Path(tempfile.mkdtemp(prefix="sekisho-lab-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        store = await open_store(f"sqlite:///{folder}/sekisho.db")
        await store.close()
        _fresh.append(folder / "sekisho.db")
    return _fresh[0]


@contextlib.asynccontextmanager
async def open_lab(
    folder: Path, *accounts: Imap, rules: str = RULES, database: str = "", **more: Any
) -> AsyncIterator[Lab]:
    """A lab with its own database and rules."""
    (folder / "rules.yaml").write_text(rules, encoding="utf-8")
    templates = Path(__file__).parents[2] / "filters" / "defaults" / "templates"
    settings = Settings(
        shop=Shop(name="和み工房"),
        smtp=None,
        imap=accounts,
        outgoing=Outgoing(Target("maildir", path=folder / "outgoing")),
        rules=folder / "rules.yaml",
        templates=templates,
        base=folder,
    )
    settings = replace(settings, **more)
    if not database:
        shutil.copyfile(await _fresh_database(), folder / "sekisho.db")  # migrations take half a second
    store = await open_store(database or f"sqlite:///{folder}/sekisho.db")
    records = StoreRecords(store)
    await records.start()
    await records.ready()
    with WorkerThreads() as threads:
        lookups = Lookups(records, NoDns(), threads)
        rulebook = Rulebook(settings, FILTERS)
        await rulebook.load()
        judge = Judge(settings, Screener(settings, FILTERS, lookups), Templates(settings.templates, settings))
        handed: list[Leased] = []
        receiver = Receiver(
            settings, judge, rulebook, store, lookups, handed.extend, node="node-1", hostname="mx.shop.example"
        )
        lab = Lab(settings, store, receiver, handed)
        try:
            yield lab
        finally:
            await lab.stop()
            await records.stop()
            await store.close()
