"""`sekisho demo --imap`: the same sample customers in a watched mailbox, on a Dovecot of the demo's own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gateway.cli.context import Context, current, enter
from gateway.cli.demo_report import NO, YES, reason, show_replies, wait_until_settled
from gateway.cli.demo_stage import BLOCKING, DIED, LEFT, REASON, VERIFY, keep_log, prepare, run_sekisho, start, stop
from gateway.cli.output import emit, say, table
from gateway.cli.words import THEN
from gateway.errors import SekishoError
from gateway.store.engine import Store, open_store
from gateway.store.tables import imap_folder, imap_mail, message
from gateway.testing.customers import BLOCKED, BLOCKED_RANGE, Customer, before_the_block, customers, zone
from gateway.testing.dns import DnsServer
from gateway.testing.dovecot import PASSWORD, DovecotServer
from gateway.testing.mail import DkimKey, letter
from gateway.testing.sink import SmtpSink
from gateway.text import Text

CONFIG = """\
shop:
  name: 和み工房
  contact: support@shop.example
  addresses: [shop@shop.example, "@order.shop.example"]
  owner: owner@shop.example
  language: {language}
  timezone: Asia/Tokyo
storage:
  database: sqlite:///data/sekisho.db
imap:
  - name: shop
    server: imap://127.0.0.1:{imap}
    user: shop@shop.example
    password: {password}
    sent: [Sent]
    poll: 1s
mailbox: maildir:maildir
outgoing: smtp://127.0.0.1:{outgoing}
dns: {{servers: ["127.0.0.1:{dns}"]}}
rules: rules.yaml
templates: templates/
"""
USER = "shop@shop.example"
PATIENCE = 60.0

_START = Text(
    "■ {folder} に一式を作り、見本のメールサーバー（Dovecot）と、そのメールボックスを見張るゲートウェイを動かします。",
    "■ making everything in {folder}, starting a mail server (Dovecot) and a gateway that watches a mailbox on it",
)
_READY = Text("  見張りを始めました: {user} @ 127.0.0.1:{port}", "  watching {user} @ 127.0.0.1:{port}")
_OLD = Text("■ 見張りの前からあった 1 通には触れません。", "■ one mail that lay there before is left alone")
_BEFORE = Text("■ 取引停止の前に届いたメール", "■ mail from before anybody was blocked")
_ARRIVING = Text("■ {count} 人の見本のお客様のメールが届きます。", "■ mail of {count} sample customers arrives")
_SENT = Text("■ 店の返信が送信済みフォルダーに入ります。", "■ the shop's own answer appears in the Sent folder")
_JOINED = Text(
    "  記録し、お客様のメールに結び付けました: {subject}", "  on record, joined to the customer's mail: {subject}"
)
_TITLE = Text(
    "見本のお客様と、メールボックスでの扱い", "the sample customers and what became of their mail in the mailbox"
)
_HEADINGS = (
    Text("お客様", "customer"),
    Text("判定", "verdict"),
    Text("決めたルール", "rule"),
    Text("理由", "reason"),
    Text("返信", "reply"),
    Text("いまどこに", "where it lies"),
)


async def demo_imap(shown: Path) -> int:
    """Watch a mailbox, let sample customers' mail arrive, show where it went and why, verify the records."""
    context = current()
    language = context.language
    folder = _prepared(shown, language)
    key = DkimKey.make("customer.example")
    async with _dovecot() as server, DnsServer(zone(key)) as dns, SmtpSink() as outside:
        config = folder / "config.yaml"
        ports = {"imap": server.port, "outgoing": outside.port, "dns": dns.address[1]}
        config.write_text(CONFIG.format(language=language, password=PASSWORD, **ports), encoding="utf-8")
        say(_START, folder=shown)
        await asyncio.to_thread(server.put, USER, letter(subject="以前のメール"))
        gateway = await start(config)
        assert gateway.stderr is not None
        log = asyncio.create_task(keep_log(gateway.stderr, folder / "gateway.log"))
        try:
            seen = Context(config, context.lang or language, context.json)
            enter(seen)
            store = await _store(seen, gateway)
            try:
                rows = await _arrivals(store, server, config, key, language)
            finally:
                await store.close()
            show_replies(outside.taken)
        finally:
            await stop(gateway)
            await log
    say(VERIFY)
    code = await run_sekisho(config, "verify", show=True)
    say(LEFT, folder=shown)
    if context.json:
        emit({"customers": rows, "replies": len(outside.taken), "verified": code == 0, "folder": str(folder)})
    return code


@asynccontextmanager
async def _dovecot() -> AsyncIterator[DovecotServer]:
    """A Dovecot in a folder with a short path that its own users may enter; gone at the end."""
    place = _place()
    server = DovecotServer(place)
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.kill)
        shutil.rmtree(place, ignore_errors=True)


def _prepared(shown: Path, language: str) -> Path:
    folder = shown.absolute()
    prepare(folder, language)
    return folder


def _place() -> Path:
    place = Path(tempfile.mkdtemp(prefix="sekisho-dovecot-"))
    place.chmod(0o755)
    return place


async def _store(seen: Context, gateway: asyncio.subprocess.Process) -> Store:
    """The database as soon as the gateway has looked at the mailbox for the first time."""
    url, path = seen.settings.storage.database, seen.settings.data / "sekisho.db"
    end = asyncio.get_running_loop().time() + PATIENCE
    while not path.exists():
        await _pause(gateway, end)
    store = await open_store(url)
    while len(await _rows(store, select(imap_folder))) < 2:
        await _pause(gateway, end)
    return store


async def _pause(gateway: asyncio.subprocess.Process, end: float) -> None:
    if gateway.returncode is not None or asyncio.get_running_loop().time() > end:
        raise SekishoError(DIED.with_(said="gateway.log"))
    await asyncio.sleep(0.1)


async def _arrivals(
    store: Store, server: DovecotServer, config: Path, key: DkimKey, language: str
) -> list[dict[str, Any]]:
    say(_READY, user=USER, port=server.port)
    say(_OLD)
    say(_BEFORE)
    before = [(customer, _filed(customer)) for customer in before_the_block()]
    await _arrive(store, server, before, 1)
    say(BLOCKING, who=f"{BLOCKED} '{BLOCKED_RANGE}'")
    words = ("--reason", REASON.in_(language), "--person", "碇 源太")
    await run_sekisho(config, "block", BLOCKED, BLOCKED_RANGE, *words)
    await asyncio.sleep(1.5)  # the running gateway looks for new entries every second
    filed = [(customer, _filed(customer)) for customer in customers(key)]
    say(_ARRIVING, count=len(filed))
    for number, one in enumerate(filed, 2):  # one after the other, so that the table reads the same every time
        await _arrive(store, server, [one], number)
    rows = await _table(store, filed, language)
    say(_SENT)
    subject, said = "Re: 注文番号1024の発送日について", "明日発送します。\n"
    answer = letter("shop@shop.example", subject, said, to=filed[0][0].mail_from)
    await asyncio.to_thread(server.put, USER, answer, folder="Sent")
    sent = select(message).where(message.c.direction == "out", message.c.kind == "mail")
    found = await _until(store, sent, lambda rows: len(rows) == 1)
    say(_JOINED, subject=found[0].subject)
    return rows


def _filed(customer: Customer) -> bytes:
    """The mail as a provider files it: Return-Path and its own Received on top."""
    top = (
        f"Return-Path: <{customer.mail_from}>\r\n"
        f"Received: from {customer.helo} ({customer.helo} [{customer.ip}])\r\n"
        f" by mx.provider.example with ESMTPS; {formatdate()}\r\n"
    )
    return top.encode("utf-8") + customer.raw


async def _arrive(store: Store, server: DovecotServer, filed: list[tuple[Customer, bytes]], total: int) -> None:
    await asyncio.to_thread(server.put, USER, *(raw for _, raw in filed))
    came = select(imap_mail.c.state).where(imap_mail.c.folder == "INBOX", imap_mail.c.message.is_not(None))
    await _until(store, came, lambda rows: len(rows) >= total and all(row.state == "done" for row in rows))
    await wait_until_settled(store)


async def _table(store: Store, filed: list[tuple[Customer, bytes]], language: str) -> list[dict[str, Any]]:
    """A row a customer: verdict, rule, reason, reply, and the folder in which the mail lies."""
    columns = (imap_mail.c.action, imap_mail.c.target, imap_mail.c.folder)
    joined = select(message, *columns).join(imap_mail, imap_mail.c.message == message.c.id)
    by_digest = {row.sha256: row for row in await _rows(store, joined.where(message.c.direction == "in"))}
    rows = []
    for customer, raw in filed:
        row = by_digest[hashlib.sha256(raw).digest()]
        said = row.reply or {}
        reply = YES.with_(template=said.get("template", "")) if said.get("would_send") else NO
        rows.append(
            {
                "customer": customer.about.in_(language),
                "verdict": THEN[row.then].in_(language),
                "rule": row.rule,
                "reason": reason(row, language),
                "reply": reply.in_(language),
                "where": row.target if row.action == "move" else row.folder,
            }
        )
    table(_HEADINGS, [tuple(r.values()) for r in rows], title=_TITLE)
    return rows


async def _until(store: Store, statement: Any, good: Callable[[Any], bool]) -> Any:
    end = asyncio.get_running_loop().time() + PATIENCE
    while not good(found := await _rows(store, statement)):
        if asyncio.get_running_loop().time() > end:
            raise SekishoError(DIED.with_(said=json.dumps(str(found))[:800]))
        await asyncio.sleep(0.05)
    return found


async def _rows(store: Store, statement: Any) -> Any:
    async with store.read() as connection:
        return (await connection.execute(statement)).all()
