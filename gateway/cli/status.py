"""`sekisho status`: how the gateway is doing, and what needs a person; quick, for health checks call it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from gateway.cli.context import current
from gateway.cli.output import emit, fields, local, say
from gateway.cli.words import QUEUE, word
from gateway.ops.disk import database_folder, free_bytes
from gateway.ops.health import Beat, Problem, beats, problems, span
from gateway.ops.unattested import unattested
from gateway.store.imap import account_states
from gateway.store.status import Numbers, numbers
from gateway.text import Text

_GOOD = Text("問題はありません。", "All is well.")
_ATTENTION = Text("対応が必要なことが {count} 件あります。", "What needs a person: {count}")


async def status(
    *,
    alive: Annotated[
        bool,
        Text(
            "ゲートウェイ自体が動いていないときだけ終了コード 1（死活監視用）。",
            "Exit 1 only where the gateway itself does not work: for health checks.",
        ),
    ] = False,
) -> int:
    """Show listeners, mail, queue, disk, clock and checkpoints; exit 1 where something needs a person."""
    context = current()
    settings = context.settings
    async with context.store(create=False) as store:
        seen = await numbers(store)
        mailboxes = await account_states(store)
        late = await unattested(store, settings, seen, datetime.now(UTC))
    now = datetime.now(UTC)
    folder = database_folder(settings.storage.database)
    free = await asyncio.to_thread(free_bytes, folder) if folder is not None else None
    lives = beats(seen, now)
    listens = settings.smtp is not None
    found = problems(seen, lives, now, free=free, minimum_free=settings.storage.minimum_free, listens=listens)
    watched = {account.name: mailboxes.get(account.name, {}) for account in settings.imap}
    found += tuple(
        Problem("mailbox", CUT_OFF.with_(name=name, why=_why(state)))
        for name, state in watched.items()
        if state.get("error")
    )
    found += late
    if context.json:
        emit({**_json(seen, lives, found, free, now), "mailboxes": watched})
    else:
        _show(seen, lives, found, free, now, watched)
    return 1 if any(problem.down for problem in found) or (found and not alive) else 0


def _json(
    seen: Numbers, lives: tuple[Beat, ...], found: tuple[Problem, ...], free: int | None, now: datetime
) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(seen).items() if name not in ("settings", "stopped")}
    return {
        "ok": not found,
        "alive": not any(problem.down for problem in found),
        "problems": [{"name": problem.name, "text": problem.text, "down": problem.down} for problem in found],
        "gateways": [
            {
                "node": beat.node,
                "fresh": beat.fresh,
                "at": beat.at,
                "listen": beat.listen,
                "smtp": beat.state.get("smtp"),
            }
            for beat in lives
        ],
        **kept,
        "disk_free": free,
        "clock": now,
    }


def _show(
    seen: Numbers,
    lives: tuple[Beat, ...],
    found: tuple[Problem, ...],
    free: int | None,
    now: datetime,
    watched: Mapping[str, Mapping[str, Any]],
) -> None:
    language = current().language
    rows: list[tuple[Text, object]] = []
    for beat in lives:
        state = RUNS if beat.fresh else RUNS_NOT
        listen = ", ".join(beat.listen) or "-"
        rows.append((GATEWAY, state.with_(node=beat.node, listen=listen, ago=span(now - beat.at))))
    if not lives:
        rows.append((GATEWAY, NEVER))
    rows += [
        (MAILBOX, (WATCHED if state.get("connected") else UNWATCHED).with_(name=n)) for n, state in watched.items()
    ]
    waiting = "  ".join(f"{word(QUEUE, state).in_(language)} {count}" for state, count in sorted(seen.queue.items()))
    rows += [
        (LAST_IN, _moment(seen.last_in, now)),
        (LAST_OUT, _moment(seen.last_out, now)),
        (WAITING, waiting or NOTHING),
        (OLDEST, _moment(seen.oldest, now) if seen.oldest else None),
        (HELD, COUNT.with_(count=seen.held)),
        (DISK, FREE.with_(free=free / 2**30) if free is not None else None),
        (CLOCK, now),
        (LOG, LOGGED.with_(size=seen.log_size, at=_moment(seen.log_at, now))),
        (
            CHECKPOINT,
            SEALED.with_(size=seen.checkpoint_size, at=_moment(seen.checkpoint_at, now))
            if seen.checkpoint_at
            else NONE,
        ),
    ]
    fields(rows, indent=0)
    say("")
    if not found:
        say(_GOOD)
        return
    say(_ATTENTION, count=len(found))
    for problem in found:
        say(f"  {'✗' if problem.down else '!'} {problem.text.in_(language)}")


def _why(state: Mapping[str, Any]) -> Text:
    return Text("{ja}", "{en}").with_(ja=state.get("error_ja") or state["error"], en=state["error"])


def _moment(at: datetime | None, now: datetime) -> Text:
    return AGO.with_(at=local(at), ago=span(now - at)) if at is not None else NEVER


GATEWAY = Text("ゲートウェイ", "gateway")
RUNS = Text("動作中  {listen}  ({node})", "running  {listen}  ({node})")
RUNS_NOT = Text("停止  最後の応答 {ago}前  ({node})", "not running  last seen {ago} ago  ({node})")
NEVER = Text("まだありません", "never")
MAILBOX = Text("メールボックス", "mailbox")
WATCHED = Text("{name}  見張り中", "{name}  watched")
UNWATCHED = Text("{name}  つながっていません", "{name}  not connected")
CUT_OFF = Text(
    "メールボックス {name} を見張れません: {why}（sekisho imap check で確かめられます）",
    "the mailbox {name} cannot be watched: {why} (sekisho imap check tells more)",
)
LAST_IN = Text("最後の受信", "last mail in")
LAST_OUT = Text("最後の配送", "last mail out")
WAITING = Text("配送待ち", "queue")
NOTHING = Text("なし", "empty")
OLDEST = Text("最も古いもの", "oldest")
HELD = Text("保留中", "held")
COUNT = Text("{count} 通", "{count}")
DISK = Text("ディスクの空き", "disk free")
FREE = Text("{free:.1f} GB", "{free:.1f} GB")
CLOCK = Text("時計", "clock")
LOG = Text("記録", "log")
LOGGED = Text("{size:,} 件  最新 {at}", "{size:,} records, the newest {at}")
CHECKPOINT = Text("チェックポイント", "checkpoint")
SEALED = Text("{size:,} 件まで  {at}", "up to {size:,} records, {at}")
NONE = Text("まだありません", "none yet")
AGO = Text("{at}（{ago}前）", "{at} ({ago} ago)")
