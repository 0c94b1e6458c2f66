"""A shop with mail on record, filled through the real store, and the command run on it as its user would."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.config import scaffold
from gateway.model.acceptance import Acceptance, Accepted, Dispatch, Draft, ReplyPlan
from gateway.model.envelope import Envelope, Peer, Tls
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact, unknown
from gateway.model.origin import Origin, Trust
from gateway.model.verdict import Action, ConditionTrace, Outcome, RuleTrace, Verdict
from gateway.store.accept import Accept
from gateway.store.engine import Store, open_store
from gateway.store.gateway_events import Heartbeat
from gateway.store.outcome import Attempt, Settle
from gateway.testing.mail import letter
from gateway.text import Text

NODE = f"{os.uname().nodename}-1"
ROOT = Path(__file__).parents[2]
SHOP = "shop@shop.example"
EVIL = "\x1b[31m赤い\x9b2J\u202e件名\x07"

SENT = Text("送信します。", "It goes out.")
WITHHELD = Text("差出人を確認できません。", "The sender is not authenticated.")


@dataclass
class Shop:
    """A folder with config and database; `ids` are those of the mail, by what is special about it."""

    folder: Path
    ids: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'data' / 'sekisho.db'}"

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run `sekisho` on this shop as a process of its own."""
        more.setdefault("env", environment())
        return subprocess.run(
            [sys.executable, "-m", "gateway", "-c", str(self.config), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            cwd=ROOT,
            **more,
        )

    def with_store(self, work: Any) -> Any:
        """Run `await work(store)` on the shop's database."""

        async def run() -> Any:
            store = await open_store(self.url)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def beat(self, ago: float = 0.0, **state: Any) -> None:
        """A sign of life of a daemon, `ago` seconds old."""
        at = datetime.now(UTC) - timedelta(seconds=ago)
        said = {"pid": 1, "listen": ["127.0.0.1:2525"], "disk_low": False, "smtp": {}, "at": at.isoformat(), **state}
        self.with_store(lambda store: store.committer.submit(Heartbeat(NODE, said)))


def environment(**more: str) -> dict[str, str]:
    """The environment of a plain terminal that is not Japanese."""
    kept = {k: v for k, v in os.environ.items() if k not in ("SEKISHO_CONFIG", "LC_ALL", "LC_MESSAGES", "COLUMNS")}
    return {**kept, "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8", **more}


def make(folder: Path, language: str = "ja") -> Shop:
    """A shop as `sekisho init` writes it, without a database."""
    scaffold.write(folder, language)
    return Shop(folder)


def fill(shop: Shop) -> Shop:
    """Put mail of every fate on record."""
    shop.with_store(lambda store: _fill(shop, store))
    return shop


async def _fill(shop: Shop, store: Store) -> None:
    add = _Adder(shop, store)
    taken = await add(
        "order", "hanako@customer.example", "注文番号1024の発送日について", "いつ届きますか。\n", reply=True
    )
    for entry in taken.leased:
        await _settle(store, entry.id, entry.recipients, "delivered", 250, "2.0.0 Ok")
    await add("threat", "ikari@isp.example", "責任者を出せ", "火をつけてやる。\n", outcome=Outcome.QUARANTINE)
    await add("threat2", "ikari@isp.example", "まだか", "早くしろ。\n", outcome=Outcome.QUARANTINE, ip="198.51.100.24")
    await add("evil", "evil@example.net", EVIL, "x\n", outcome=Outcome.REJECT)
    waiting = await add("waiting", "taro@example.com", "返品したい", "注文 370-1234567-7654321 の件です。\n")
    await _settle(
        store, waiting.leased[0].id, (SHOP,), "deferred", 451, "4.3.0 try again", next_at=timedelta(minutes=5)
    )
    failed = await add("failed", "jiro@example.com", "ﾍﾝﾋﾟﾝについて", "返品です。\n")
    await _settle(store, failed.leased[0].id, (SHOP,), "failed", 550, "5.1.1 no such user")
    shop.entries |= {"waiting": waiting.leased[0].id, "failed": failed.leased[0].id}


class _Adder:
    def __init__(self, shop: Shop, store: Store) -> None:
        self._shop = shop
        self._store = store

    async def __call__(
        self,
        name: str,
        sender: str,
        subject: str,
        text: str,
        *,
        ip: str = "198.51.100.23",
        outcome: Outcome = Outcome.DELIVER,
        reply: bool = False,
    ) -> Accepted:
        raw = letter(sender, subject if subject.isprintable() else "x", text)
        peer = Peer(ip, 4711, "mail.example.com", tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256))
        came = Exchange(raw, Envelope(sender, (SHOP,), peer))
        held = outcome is not Outcome.DELIVER
        condition = ConditionTrace("text", "contains", "火をつけ", "火をつけてやる。", held)
        rule = RuleTrace("脅迫", "rules.yaml:42", "enforce", held, (condition,))
        draft = Draft("reply", letter(SHOP, "Re: " + subject, "受け付けました。\n"), "", (sender,), "Re: " + subject)
        plan = ReplyPlan("received", sender, reply, SENT if reply else WITHHELD, draft if reply else None)
        accepted = Acceptance(
            came,
            sender=sender,
            origin=Origin(ip, "peer", Trust.PEER),
            facts={
                "blocked": Fact(False, Text("登録なし", "not listed")),
                "spf": unknown(Text("DNS 無応答", "DNS silent")),
            },
            verdict=Verdict(
                Action(outcome, tags=("脅迫",) if held else ()),
                "脅迫" if held else "default",
                "rules.yaml:42",
                "ab" * 32,
                (rule,),
            ),
            trace=b"X-Sekisho-Verdict: x\r\n",
            subject=subject,
            from_header=f"お客様 <{sender}>",
            message_id=f"<{came.id}@example.com>",
            reply=plan,
            dispatches=() if held else (Dispatch("deliver", "mailbox", came.id, sender, (SHOP,)),),
        )
        unit = Accept(accepted, NODE, timedelta(minutes=5), (), "mx.shop.example", accepted.trace + raw)
        await unit.prepare()
        self._shop.ids[name] = came.id
        self._shop.raw[name] = raw
        return await self._store.committer.submit(unit)


async def _settle(
    store: Store,
    entry: str,
    recipients: tuple[str, ...],
    status: str,
    code: int,
    text: str,
    next_at: timedelta | None = None,
) -> None:
    results = tuple(SimpleNamespace(recipient=r, status=status, code=code, text=text) for r in recipients)
    due = datetime.now(UTC) + next_at if next_at is not None else None
    await store.committer.submit(Settle([Attempt(entry, NODE, results, "mail.example:24", due)]))


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects on its standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def one(self) -> dict[str, Any]:
        """The one JSON object on its standard output."""
        (found,) = self.lines
        return found


class Here:
    """Runs the command in this process, which is quick."""

    def __init__(self, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
        self._shop = shop
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["-c", str(self._shop.config), *arguments])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err
        return Ran(int(ended.value.code or 0), out, err)
