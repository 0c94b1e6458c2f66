"""`sekisho explain`: screen messages without any side effect and show every step of the decision."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from filters.api import Lookups
from filters.offline import NoRecords
from filters.registry import FILTERS
from gateway.cli.context import STANDARD_INPUT, current
from gateway.cli.decision import line, show_decision
from gateway.cli.output import emit, warn
from gateway.cli.usage import WrongUsage
from gateway.cli.words import THEN as THEN
from gateway.clients.dns import Resolver
from gateway.clients.scanners import Scanners
from gateway.errors import SekishoError
from gateway.intake.judge import Judge, Judgement
from gateway.mime.message import Message
from gateway.model.address import fold_address
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Unknown, Value
from gateway.model.settings import Settings
from gateway.ops.threads import WorkerThreads
from gateway.replies.templates import Templates
from gateway.screening.rule_tests import crlf
from gateway.screening.screener import Screener
from gateway.text import Text

# the store takes as long to import as everything else together, and is needed only where there is a database
if TYPE_CHECKING:
    from gateway.store.engine import Store

AT_ONCE = 8  # messages screened side by side, so that one that waits for DNS does not hold the others

_UNREADABLE = Text("{file} を読めません: {why}", "{file} cannot be read: {why}")
_NO_FILE = Text("調べるメールのファイルを指定してください。", "Name the mail files to explain.")
_NO_ORDER = Text("このルールは返信を指定していません。", "the rule that decided orders no reply")
_NO_RECORDS = Text(
    "データベースがまだないため、過去の記録なしで判定します。", "there is no database yet: judged without past records"
)


async def explain(
    *files: Annotated[
        str,
        Parameter(name="FILE"),
        Text("メールのファイル（.eml）。- は標準入力。", "Mail files (.eml); - reads standard input."),
    ],
    ip: Annotated[str, Parameter(metavar="IP"), Text("接続元の IP。", "IP of the peer.")] = "",
    helo: Annotated[str, Parameter(metavar="NAME"), Text("HELO の名前。", "HELO name.")] = "",
    mail_from: Annotated[
        str | None,
        Parameter(metavar="ADDRESS"),
        Text("エンベロープの差出人。省略時は Return-Path。", "Envelope sender; otherwise Return-Path."),
    ] = None,
    rcpt: Annotated[
        tuple[str, ...],
        Parameter(metavar="ADDRESS"),
        Text(
            "エンベロープの宛先。省略時は To などにある店のアドレス。",
            "Envelope recipient; otherwise the shop's address in To.",
        ),
    ] = (),
    all_facts: Annotated[
        bool,
        Text("ルールが使わないものも含め、すべて調べます。", "Find out every fact, not only those the rules ask for."),
    ] = False,
) -> int:
    """Screen messages and show facts, rules, verdict and reply."""
    context = current()
    if not files:
        raise WrongUsage(_NO_FILE)
    settings, ruleset = context.settings, context.rules()
    code = 0
    async with _judge(settings) as (judge, store):
        for start in range(0, len(files), AT_ONCE):
            names = files[start : start + AT_ONCE]
            judged = await asyncio.gather(
                *(
                    _one(name, judge, ruleset, _Stand(ip, helo, mail_from, rcpt), settings, store, all_facts)
                    for name in names
                )
            )
            for given, answer in zip(names, judged, strict=True):
                name = "-" if given == STANDARD_INPUT else given
                if isinstance(answer, SekishoError):
                    warn(answer.in_(context.language))
                    code = 1
                elif context.json:
                    emit(as_json(name, *answer))
                else:
                    show(name, *answer)
    return code


class _Stand:
    """What stands in for the envelope."""

    def __init__(self, ip: str, helo: str, mail_from: str | None, rcpt: Sequence[str]) -> None:
        self.ip, self.helo, self.mail_from, self.rcpt = ip, helo, mail_from, tuple(rcpt)

    def exchange(self, raw: bytes, settings: Settings) -> Exchange:
        message = Message(raw)
        sender = self.mail_from if self.mail_from is not None else return_path(message)
        rcpt = self.rcpt or shop_recipients(message, settings)
        source = "smtp" if self.mail_from is not None else "explain"  # with a guessed envelope less is known
        return Exchange(raw, Envelope(sender, rcpt, Peer(self.ip, helo=self.helo)), source=source)


async def _one(
    name: str, judge: Judge, ruleset: Any, stand: _Stand, settings: Settings, store: Store | None, all_facts: bool
) -> tuple[Judgement, bool, Text] | SekishoError:
    try:
        raw = await asyncio.to_thread(sys.stdin.buffer.read if name == STANDARD_INPUT else Path(name).read_bytes)
    except OSError as error:
        return SekishoError(_UNREADABLE.with_(file=name, why=error.strerror or error))
    judgement = await judge.consider(stand.exchange(crlf(raw), settings), ruleset, all_facts=all_facts)
    plan = judgement.reply
    if plan is None:
        return judgement, False, _NO_ORDER
    if plan.would_send and store is not None:
        from gateway.store.reply_history import withheld

        async with store.read() as connection:
            why = await withheld(connection, plan, judgement.screening.exchange.received_at)
        if why is not None:
            return judgement, False, why
    return judgement, plan.would_send, plan.why


def return_path(message: Message) -> str:
    """The envelope sender that the delivering MTA noted (RFC 5321 §4.4); else the From address; "" for `<>`."""
    noted = message.headers.get("return-path")
    if noted is not None:
        return noted.strip().strip("<>").strip()
    mailboxes = message.addresses("from")
    return mailboxes[0].address if mailboxes else ""


def shop_recipients(message: Message, settings: Settings) -> tuple[str, ...]:
    """The shop's addresses among Delivered-To, To and Cc; else the first of the config."""
    ours = settings.shop.addresses
    found = [
        box.address
        for header in ("delivered-to", "x-original-to", "to", "cc")
        for box in message.addresses(header)
        if fold_address(box.address) in ours or "@" + fold_address(box.address).rpartition("@")[2] in ours
    ]
    if found:
        return tuple(dict.fromkeys(found))
    return (next((a for a in ours if not a.startswith("@")), settings.shop.contact),)


@asynccontextmanager
async def _judge(settings: Settings) -> AsyncIterator[tuple[Judge, Store | None]]:
    """The same judge as the daemon's, on the records there are."""
    async with AsyncExitStack() as stack:
        store = None
        records: Any = NoRecords()
        path = settings.storage.database.removeprefix("sqlite:///")
        if not settings.storage.database.startswith("sqlite") or await asyncio.to_thread(Path(path).exists):
            from gateway.store.engine import open_store
            from gateway.store.records import StoreRecords

            store = await open_store(settings.storage.database)
            stack.push_async_callback(store.close)
            records = StoreRecords(store)
            await records.start()
            stack.push_async_callback(records.stop)
        else:
            warn(_NO_RECORDS)
        threads = stack.enter_context(WorkerThreads())
        lookups = Lookups(records, Resolver(settings.dns), threads, Scanners(settings.external))
        screener = Screener(settings, FILTERS, lookups)
        # Shown although no smarthost is set: the owner wants to see what the guard says of the mail.
        yield Judge(settings, screener, Templates(settings.templates, settings)), store


def as_json(name: str, judgement: Judgement, would_send: bool, why: Text) -> dict[str, Any]:
    """CONTRACT §2 `explain --json`."""
    language = current().language
    screening = judgement.screening
    verdict = screening.verdict
    return {
        "file": name,
        "verdict": {
            "then": str(verdict.action.then),
            "rule": verdict.rule,
            "at": verdict.at,
            "tags": list(verdict.action.tags),
            "ruleset": verdict.ruleset,
            "watched": [{"rule": rule, "then": str(then)} for rule, then in verdict.watched],
        },
        "facts": {key: plain_value(fact.value) for key, fact in sorted(screening.facts.items())},
        "unknown": sorted(key for key, fact in screening.facts.items() if not fact.known),
        "notes": {key: fact.note.in_(language) for key, fact in sorted(screening.facts.items()) if fact.note},
        "rules": [
            {
                "name": rule.name,
                "mode": rule.mode,
                "at": rule.at,
                "matched": rule.matched,
                "conditions": [
                    {
                        "fact": c.fact,
                        "operator": c.operator,
                        "expected": c.expected,
                        "observed": plain_value(c.observed),
                        "unknown": isinstance(c.observed, Unknown),
                        "holds": c.holds,
                        "group": c.group,
                        **({"hit": c.hit} if c.hit else {}),
                    }
                    for c in rule.conditions
                ],
            }
            for rule in verdict.trail
        ],
        "reply": {
            "template": judgement.reply.template if judgement.reply else None,
            "would_send": would_send,
            "why": why.in_(language),
        },
    }


def plain_value(value: Value | Unknown) -> object:
    """A fact's value as JSON; unknown is null (and named in `unknown`)."""
    if isinstance(value, Unknown):
        return None
    return list(value) if isinstance(value, tuple) else value


def show(name: str, judgement: Judgement, would_send: bool, why: Text) -> None:
    """The same for people."""
    language = current().language
    said = as_json(name, judgement, would_send, why)
    verdict = {**said["verdict"], "watched": [(w["rule"], w["then"]) for w in said["verdict"]["watched"]]}
    facts = {
        key: {"value": value, "note": said["notes"].get(key), "unknown": key in said["unknown"]}
        for key, value in said["facts"].items()
    }
    line(f"■ {name}", "bold")
    show_decision({**verdict, "trail": said["rules"]}, facts, {**said["reply"], "why": why.in_(language)})
    line("")
