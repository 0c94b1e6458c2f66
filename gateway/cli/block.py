"""`sekisho block` and `sekisho unblock`: the blacklist, with its history."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated

from cyclopts import Parameter

from filters.data import domains
from gateway.cli.context import STANDARD_INPUT, current, operator
from gateway.cli.output import confirm, emit, progress, say, warn
from gateway.cli.usage import WrongUsage
from gateway.cli.when import ahead
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
_NO_REASON = Text(
    "理由を --reason で書いてください。後で証拠になります。", "give a reason with --reason: it becomes evidence"
)
_SURE = Text("それでも登録しますか？", "go on all the same?")
_NOT_DONE = Text("登録しませんでした。", "nothing was blocked")
_NOT_DONE_MEND = Text("承知のうえで登録するには --yes を付けてください。", "add --yes to go on knowingly")
_DONE = Text(
    "{added} 件を登録しました（変更 {changed} 件、すでに登録済み {unchanged} 件）。"
    "動作中のゲートウェイには 1 秒ほどで効きます。",
    "{added} blocked, {changed} changed, {unchanged} were blocked already; a running gateway follows within a second",
)
_ENDED = Text("{ended} 件を解除しました。履歴は残ります。", "{ended} unblocked; the history is kept")
_NOTHING = Text("登録されていなかったため、解除したものはありません。", "none of these was blocked")


_WHO = Text(
    "アドレス、@ドメイン、*.ドメイン、IP、CIDR、121.84.241.*、電話番号。- は標準入力（1行に1件）。",
    "Address, @domain, *.domain, IP, CIDR, 121.84.241.* or phone number; - reads standard input, one a line.",
)
_REASON = Text("理由。記録に残り、後で証拠になります。", "The reason, kept as evidence.")
_Who = Annotated[str, Parameter(name="WHO"), _WHO]


async def block(
    *who: _Who,
    reason: Annotated[str, _REASON],
    until: Annotated[
        str,
        Parameter(metavar="WHEN"),
        Text(
            "期限。2026-12-31（その日まで）や 30d。省略時は無期限。",
            "The end: 2026-12-31 (inclusive) or 30d; otherwise none.",
        ),
    ] = "",
    person: Annotated[str, Parameter(metavar="NAME"), Text("お客様のお名前。", "The person behind it.")] = "",
    watch: Annotated[
        bool,
        Text("停止せず、様子見として登録します（watched）。", "Only watch: the fact `watched` instead of `blocked`."),
    ] = False,
    yes: Annotated[bool, Parameter(["--yes", "-y"]), Text("確認せずに進めます。", "Do not ask.")] = False,
) -> int:
    """Block whom mail is not wanted from; asks before what would hit more than one person."""
    context = current()
    if not reason.strip():
        raise WrongUsage(_NO_REASON)
    ends = ahead(until)
    entries = list(_entries(who))
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
                operator=operator(),
                progress=lambda count: bar.update(task, completed=count),
            )
    if context.json:
        emit({"added": done.added, "changed": done.changed, "unchanged": done.unchanged})
    say(_DONE, added=done.added, changed=done.changed, unchanged=done.unchanged)
    return 0


async def unblock(*who: _Who, reason: Annotated[str, _REASON]) -> int:
    """End blocks; exit 1 where none of them was blocked."""
    context = current()
    if not reason.strip():
        raise WrongUsage(_NO_REASON)
    entries = list(_entries(who))
    async with context.store() as store:
        done = await blocks.unblock(store, entries, reason, operator=operator())
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
        for line in sys.stdin if text == STANDARD_INPUT else (text,):
            said = line.partition("#")[0].strip() if text == STANDARD_INPUT else line.strip()
            if not said:
                continue
            entry = parse_entry(said)
            if entry is None:
                raise Refused(_BAD.with_(who=said[:200]), _BAD_MEND)
            given = True
            yield entry
    if not given:
        raise WrongUsage(_NOBODY, _BAD_MEND)
