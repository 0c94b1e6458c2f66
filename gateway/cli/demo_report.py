"""What the demo shows: a row a customer with verdict, reason, reply and place, and the replies as they would arrive."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from gateway.cli.context import current
from gateway.cli.output import console, printable, table
from gateway.cli.words import THEN
from gateway.store.engine import Store, open_store
from gateway.store.tables import message, queue
from gateway.testing.customers import Customer
from gateway.testing.sink import Taken
from gateway.text import Text

PATIENCE = 30.0  # seconds that deliveries may take

_HEADINGS = (
    Text("お客様", "customer"),
    Text("判定", "verdict"),
    Text("決めたルール", "rule"),
    Text("理由", "reason"),
    Text("返信", "reply"),
    Text("返信の理由", "why (not)"),
    Text("いまどこに", "where it is now"),
)
_TITLE = Text("見本のお客様と、その扱い", "the sample customers and what became of their mail")
YES = Text("はい ({template})", "yes ({template})")
NO = Text("いいえ", "no")
_MAILBOX = Text("メールボックス {file}", "mailbox {file}")
_HELD = Text("保留（sekisho quarantine show {id}）", "quarantine (sekisho quarantine show {id})")
_NONE = Text("どのルールにも当たらない", "no rule matched")
_NO_ORDER = Text("返信の指定なし", "no reply ordered")
_REPLY_TITLE = Text(
    "■ 実際に送られたメール（返信と、店主へのお知らせ）", "■ what was really sent (replies, and notices to the owner)"
)


async def wait_until_settled(store: Store) -> None:
    """Wait until nothing is left to deliver."""
    open_states = ("waiting", "leased", "sending")
    left = select(func.count()).select_from(queue).where(queue.c.state.in_(open_states))
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < deadline:
        async with store.read() as connection:
            if not (await connection.execute(left)).scalar_one():
                return
        await asyncio.sleep(0.05)


async def show_table(database: str, sent: Sequence[tuple[Customer, str]], folder: Path) -> list[dict[str, Any]]:
    """The table; the same rows as data."""
    language = current().language
    store = await open_store(database)
    try:
        async with store.read() as connection:
            found = {row.id: row for row in (await connection.execute(select(message))).all()}
    finally:
        await store.close()
    files = await asyncio.to_thread(_maildir, folder / "maildir")
    rows = []
    for customer, reply in sent:
        row = found[reply.rpartition(" ")[2]]
        rows.append(_row(customer, row, files, language))
    table(_HEADINGS, [tuple(r.values()) for r in rows], title=_TITLE)
    return rows


def _row(customer: Customer, row: Any, files: dict[str, str], language: str) -> dict[str, Any]:
    said = row.reply or {}
    sends = bool(said.get("would_send"))
    place = _HELD.with_(id=row.id) if row.state == "held" else _MAILBOX.with_(file=files.get(row.id, "?"))
    return {
        "customer": customer.about.in_(language),
        "verdict": THEN[row.then].in_(language),
        "rule": row.rule,
        "reason": reason(row, language),
        "reply": (YES.with_(template=said.get("template", "")) if sends else NO).in_(language),
        "why": str(said.get("why") or _NO_ORDER.in_(language)),
        "where": place.in_(language),
    }


def reason(row: Any, language: str) -> str:
    """The conditions that held in the rule that decided, with what was known about their facts."""
    for rule in row.verdict.get("trail", []):
        if rule["name"] == row.rule and rule["matched"]:
            reasons = []
            for condition in rule["conditions"]:
                if condition["holds"] and condition.get("group") != "unless":
                    note = (row.facts.get(condition["fact"]) or {}).get("note")
                    hit = condition.get("hit") or condition["expected"]
                    reasons.append(note or f"{condition['fact']} {condition['operator']} 「{hit}」")
            return "; ".join(reasons)
    return _NONE.in_(language)


def _maildir(folder: Path) -> dict[str, str]:
    """Exchange id to file, read from the id that our trace headers carry."""
    found = {}
    for path in (folder / "new").glob("*"):
        head = path.read_bytes()[:8192].decode("utf-8", "replace")
        for line in head.splitlines():
            if line.startswith("X-Sekisho-Id: "):
                found[line.partition(": ")[2]] = f"{folder.name}/new/{path.name[:28]}…"
                break
    return found


def show_replies(taken: Sequence[Taken]) -> None:
    """Every mail that left, as its reader sees it."""
    if current().json:
        return
    out = console()
    out.print(_REPLY_TITLE.in_(current().language))
    for one in taken:
        shown = email.message_from_bytes(one.raw, policy=email.policy.default)
        body = shown.get_body(("plain",))
        out.rule(printable(f"→ {', '.join(one.recipients)}"), align="left")
        for name in ("From", "To", "Subject", "Auto-Submitted"):
            out.print(printable(f"{name}: {shown.get(name, '')}"))
        out.print()
        text = body.get_content() if body is not None else ""
        out.print(printable(text.replace("\r\n", "\n")), soft_wrap=True)
