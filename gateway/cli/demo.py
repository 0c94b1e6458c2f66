"""`sekisho demo`: the gateway at work on sample customers, on this machine alone, from SMTP to verified records."""

from __future__ import annotations

import asyncio
import json
import smtplib
import socket
from pathlib import Path
from typing import Annotated

from gateway.cli.context import Context, current, enter
from gateway.cli.demo_report import show_replies, show_table, wait_until_settled
from gateway.cli.demo_stage import BLOCKING, DIED, LEFT, REASON, VERIFY, keep, prepare, run_sekisho, start, stop
from gateway.cli.output import emit, say
from gateway.errors import SekishoError
from gateway.store.engine import open_store
from gateway.testing.customers import BLOCKED, BLOCKED_RANGE, Customer, before_the_block, customers, zone
from gateway.testing.dns import DnsServer
from gateway.testing.mail import DkimKey
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
smtp:
  listen: ["127.0.0.1:0"]
  hostname: mx.shop.example
  proxy_protocol_from: [127.0.0.1/32]   # so that each sample customer comes from an IP of its own
mailbox: maildir:maildir
outgoing: smtp://127.0.0.1:{outgoing}
dns: {{servers: ["127.0.0.1:{dns}"]}}
rules: rules.yaml
templates: templates/
"""

_START = Text(
    "■ {folder} に一式を作り、ゲートウェイを動かします。", "■ making everything in {folder} and starting the gateway"
)
_READY = Text("  受け付けを始めました: {address}", "  listening on {address}")
_BEFORE = Text("■ 取引停止の前に届いていたメールを送ります。", "■ sending what had come in before anybody was blocked")
_SENDING = Text("■ {count} 人の見本のお客様が SMTP で送信します。", "■ {count} sample customers send by SMTP")
_FOREIGN = Text(
    "  ほかの店あてのメールは中継しません: {reply}", "  mail for somebody else's address is not relayed: {reply}"
)
_EXPORT = Text("■ sekisho export --address {who} -o {bundle}", "■ sekisho export --address {who} -o {bundle}")
_VERIFY_BUNDLE = Text("■ sekisho verify {bundle}", "■ sekisho verify {bundle}")


async def demo(
    *,
    dir: Annotated[Path | None, Text("作業用のフォルダー", "The folder to work in.")] = None,
    imap: Annotated[
        bool,
        Text("メールボックスの見張り（IMAP）を実演します。Dovecot が必要です。", "Watch a mailbox; needs Dovecot."),
    ] = False,
) -> int:
    """Start a gateway, send sample customers through it, show what happened and why, verify the records."""
    if imap:
        from gateway.cli.demo_imap import demo_imap

        return await demo_imap(dir or Path("demo-imap"))
    dir = dir or Path("demo")
    context = current()
    language = context.language
    folder = dir.absolute()
    prepare(folder, language)
    key = DkimKey.make("customer.example")
    async with DnsServer(zone(key)) as dns, SmtpSink() as outside:
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(language=language, outgoing=outside.port, dns=dns.address[1]), encoding="utf-8")
        say(_START, folder=dir)
        gateway = await start(config)
        try:
            port = await _port(gateway, folder / "gateway.log")
            say(_READY, address=f"127.0.0.1:{port}")
            seen = Context(config, context.lang or language, context.json)
            enter(seen)
            database = seen.settings.storage.database
            say(_BEFORE)
            for customer in before_the_block():
                await _send(port, customer)
            await _settled(database)
            say(BLOCKING, who=f"{BLOCKED} '{BLOCKED_RANGE}'")
            await run_sekisho(
                config, "block", BLOCKED, BLOCKED_RANGE, "--reason", REASON.in_(language), "--person", "碇 源太"
            )
            await asyncio.sleep(1.5)  # the running gateway looks for new entries every second
            say(_SENDING, count=len(customers(key)))
            sent: list[tuple[Customer, str]] = []
            for customer in customers(key):
                sent.append((customer, await _send(port, customer)))
                await _settled(database)  # one after the other, so that the table reads the same every time
            refused = await _send(port, customers(key)[0], "somebody@elsewhere.example")
            say(_FOREIGN, reply=refused)
            rows = await show_table(database, sent, folder)
            show_replies(outside.taken)
        finally:
            await stop(gateway)
    say(VERIFY)
    code = await run_sekisho(config, "verify", show=True)
    bundle = folder / "case.zip"
    say(_EXPORT, who=BLOCKED, bundle=dir / bundle.name)
    code = code or await run_sekisho(config, "export", "--address", BLOCKED, "-o", str(bundle), show=True)
    say(_VERIFY_BUNDLE, bundle=dir / bundle.name)
    code = code or await run_sekisho(config, "verify", str(bundle), show=True)
    say(LEFT, folder=dir)
    if context.json:
        emit(
            {
                "customers": rows,
                "replies": len(outside.taken),
                "verified": code == 0,
                "bundle": str(dir / bundle.name),
                "folder": str(dir),
            }
        )
    return code


async def _port(gateway: asyncio.subprocess.Process, log: Path) -> int:
    """The port that `ready` names; the gateway's log goes on into a file."""
    reader = gateway.stderr
    assert reader is not None
    said = ""
    with log.open("a", encoding="utf-8") as kept:
        while line := (await asyncio.wait_for(reader.readline(), 60)).decode("utf-8", "replace"):
            kept.write(line)
            said += line
            if '"ready"' in line:
                port = int(json.loads(line)["listen"][0].rpartition(":")[2])
                break
        else:
            raise SekishoError(DIED.with_(said=said.strip()[-800:]))
    keep(reader, log)
    return port


class _Proxied(smtplib.SMTP):
    """A client that speaks for a customer's IP by the PROXY protocol, as a load balancer would."""

    def __init__(self, port: int, customer: Customer) -> None:
        self._customer = customer
        super().__init__("127.0.0.1", port, local_hostname=customer.helo, timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made = socket.create_connection((host, port), timeout)
        made.sendall(f"PROXY TCP4 {self._customer.ip} 127.0.0.1 40000 25\r\n".encode("ascii"))
        return made


async def _send(port: int, customer: Customer, recipient: str = "") -> str:
    """Hand the mail over by SMTP; the gateway's last reply."""

    def deliver() -> str:
        with _Proxied(port, customer) as client:
            client.ehlo()
            options = ["BODY=8BITMIME"]
            code, said = client.mail(customer.mail_from, options)
            if code == 250:
                code, said = client.rcpt(recipient or customer.recipient)
            if code == 250:
                code, said = client.data(customer.raw)
            return f"{code} {said.decode('utf-8', 'replace')}"

    return await asyncio.to_thread(deliver)


async def _settled(database: str) -> None:
    store = await open_store(database)
    try:
        await wait_until_settled(store)
    finally:
        await store.close()
