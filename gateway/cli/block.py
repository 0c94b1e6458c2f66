"""`sekisho block` and `sekisho unblock`: the blacklist, with its history."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Annotated

from cyclopts import Parameter

from filters.data import domains
from gateway.cli.context import current
from gateway.cli.output import confirm, emit, progress, say, warn
from gateway.errors import Refused
from gateway.model.block_warning import warn as warning_about
from gateway.model.entry import Entry, Who, parse_entry
from gateway.store import blocks
from gateway.store.records import StoreRecords
from gateway.text import Text

FEW = 20  # entries up to which each is looked at for its own warning

_BAD = Text("「{who}」は登録できる形ではありません。", "{who!r} is nothing that can be blocked")
_BAD_MEND = Text(
    "アドレス、@ドメイン、*.ドメイン、IP、CIDR、121.84.241.* の形、電話番号のいずれかで指定してください。",
    "give an address, @domain, *.domain, IP, CIDR, 121.84.241.* or a phone number",
)
_NOBODY = Text("登録する相手を指定してください。", "say whom to block")
_NO_REASON = Text("理由を --reason で書いてください。後で証拠になります。", "give a reason with --reason: it becomes evidence")
_BAD_UNTIL = Text("期限「{until}」が読み取れません。", "the date {until!r} cannot be read")
_UNTIL_MEND = Text("2026-12-31 または 30d のように書いてください。", "write 2026-12-31 or 30d")
_SURE = Text("それでも登録しますか？", "go on all the same?")
_NOT_DONE = Text("登録しませんでした。", "nothing was blocked")
_NOT_DONE_MEND = Text("承知のうえで登録するには --yes を付けてください。", "add --yes to go on knowingly")
_DONE = Text(
    "{added} 件を登録しました（変更 {changed} 件、すでに登録済み {unchanged} 件）。動作中のゲートウェイには 1 秒ほどで効きます。",
    "{added} blocked, {changed} changed, {unchanged} were blocked already; a running gateway follows within a second",
)
_ENDED = Text("{ended} 件を解除しました。履歴は残ります。", "{ended} unblocked; the history is kept")
_NOTHING = Text("登録されていなかったため、解除したものはありません。", "none of these was blocked")


async def block(
    *who: Annotated[str, Parameter(allow_leading_hyphen=True, help="address, @domain, *.domain, IP, CIDR, phone; - = standard input")],
    reason: str = "",
    until: Annotated[str, Parameter(help="2026-12-31 | 30d")] = "",
    person: Annotated[str, Parameter(help="the person behind it")] = "",
    watch: Annotated[bool, Parameter(negative="", help="only watch")] = False,
    yes: Annotated[bool, Parameter(["--yes", "-y"], negative="")] = False,
) -> int:
    """Block whom mail is not wanted from; asks before what would hit more than one person."""
    context = current()
    if not reason.strip():
        raise Refused(_NO_REASON)
    ends = _until(until)
    entries = list(_entries(who))
    _ = context.settings
    async with context.store() as store:
        if not yes:
            await _ask(entries, StoreRecords(store))
        with progress() as bar:
            task = bar.add_task("", total=len(entries))
            done = await blocks.block(
                store,
                entries,
                reason,
                until=ends,
                person=person,
                watched=watch,
                operator=_operator(),
                progress=lambda count: bar.update(task, completed=count),
            )
    if context.json:
        emit({"added": done.added, "changed": done.changed, "unchanged": done.unchanged})
    say(_DONE, added=done.added, changed=done.changed, unchanged=done.unchanged)
    return 0


async def unblock(
    *who: Annotated[str, Parameter(allow_leading_hyphen=True, help="as given to block; - = standard input")],
    reason: str = "",
) -> int:
    """End blocks; exit 1 where none of them was blocked."""
    context = current()
    if not reason.strip():
        raise Refused(_NO_REASON)
    entries = list(_entries(who))
    async with context.store() as store:
        done = await blocks.unblock(store, entries, reason, operator=_operator())
    if context.json:
        emit({"ended": done.ended})
    say(_ENDED.with_(ended=done.ended) if done.ended else _NOTHING)
    return 0 if done.ended else 1


async def _ask(entries: list[Entry], records: StoreRecords) -> None:
    """Warn of entries that stand for many people, and ask once."""
    shared = domains("free_mail") | domains("carriers") | domains("providers")
    found = False
    for entry in entries:
        senders = 0
        if entry.who is Who.NETWORK and entry.network is not None and len(entries) <= FEW and "/" not in entry.value:
            senders = await records.senders_at(entry.value, 100)
        said = warning_about(entry, shared, senders)
        if said is not None:
            found = True
            warn(said)
    if found and not confirm(_SURE):
        raise Refused(_NOT_DONE, _NOT_DONE_MEND)


def _entries(who: Iterable[str]) -> Iterable[Entry]:
    """Every entry named, or given on standard input one a line; raises `Refused` on the first that is none."""
    given = False
    for text in who:
        for line in sys.stdin if text == "-" else (text,):
            said = line.partition("#")[0].strip() if text == "-" else line.strip()
            if not said:
                continue
            entry = parse_entry(said)
            if entry is None:
                raise Refused(_BAD.with_(who=said[:200]), _BAD_MEND)
            given = True
            yield entry
    if not given:
        raise Refused(_NOBODY, _BAD_MEND)


def _until(text: str) -> datetime | None:
    """The end of the named day in the shop's zone, or so long from now; None for good."""
    if not text:
        return None
    zone = current().settings.shop.timezone
    span = re.fullmatch(r"(\d{1,5})([hdwmy])", text.strip())
    if span:
        days = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}[span[2]]
        return datetime.now(zone) + timedelta(days=int(span[1]) * days)
    try:
        day = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Refused(_BAD_UNTIL.with_(until=text), _UNTIL_MEND) from None
    if day.time() == time() and len(text.strip()) <= 10:
        day = datetime.combine(day.date(), time.max)
    return day if day.tzinfo else day.replace(tzinfo=zone)


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
