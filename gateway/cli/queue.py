"""`sekisho queue`: what still waits for delivery, tried at once or given up on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gateway.cli.context import current, operator
from gateway.cli.output import confirm, emit, listing, local, one_line, progress, say, warn
from gateway.cli.usage import WrongUsage
from gateway.cli.verbs import Verb
from gateway.cli.words import KINDS, QUEUE, word
from gateway.errors import Refused, SekishoError
from gateway.store import queue
from gateway.store.engine import Store
from gateway.text import Text

PAGE = 500
TOGETHER = 100  # entries in one transaction

_EMPTY = Text("待っているものはありません。", "Nothing waits.")
_MORE = Text("ほかにもあります。--limit を増やしてください。", "There are more: raise --limit.")
_LIMIT = Text("--limit は 1 以上にしてください。", "--limit must be 1 or more.")
_WHICH = Text("対象の ID、--target、または --all を指定してください。", "Name ids, --target or --all.")
_EITHER = Text("ID と --target・--all は同時に指定できません。", "Give either ids, or --target or --all.")
_SURE = Text("{count} 件の配送をやめます。よろしいですか？", "Give up on {count} entries?")
_NOT_SURE = Text("取り消しませんでした。", "Nothing was cancelled.")
_NOT_SURE_MEND = Text("確認なしで進めるには --yes を付けてください。", "Add --yes to go on without being asked.")
_RETRIED = Text("{count} 件をすぐに再試行します。", "{count} will be tried at once.")
_CANCELLED = Text(
    "{count} 件の配送をやめました。メールの記録は残ります。", "{count} given up on; the mail stays on record."
)

_HEADINGS = (
    Text("ID", "id"),
    Text("状態", "state"),
    Text("次回", "next"),
    Text("回数", "tries"),
    Text("種類", "kind"),
    Text("宛先", "to"),
    Text("件名", "subject"),
    Text("最後のエラー", "last error"),
)

_Ids = Annotated[
    str, Parameter(name="ID"), Text("配送の ID（queue list に出ます）。", "Entry ids, as `queue list` shows.")
]
_Target = Annotated[
    Literal["", "mailbox", "outgoing"],
    Parameter(metavar="WHERE"),
    Text("行き先がここのものだけ。", "Only those that go there."),
]
_Failed = Annotated[
    bool,
    Text("失敗したもの、取り置いたものも含めます。", "Also those that failed or were set aside."),
]


async def list_(
    *,
    target: _Target = "",
    limit: Annotated[int, Text("最大件数（既定 100）。", "At most so many (100).")] = 100,
) -> int:
    """What waits, what failed and what was set aside, oldest first."""
    context = current()
    if limit < 1:
        raise WrongUsage(_LIMIT)
    rows: list[queue.QueueRow] = []
    async with context.store(create=False) as store:
        async for row in _entries(store, queue.SHOWN, target):
            rows.append(row)
            if len(rows) > limit:
                break
    if context.json:
        for row in rows[:limit]:
            emit(asdict(row))
    elif rows:
        listing(_HEADINGS, [_row(row) for row in rows[:limit]], first=5)
    if not rows:
        say(_EMPTY)
    elif len(rows) > limit:
        say(_MORE)
    return 0


def _row(row: queue.QueueRow) -> Sequence[object]:
    return (
        row.id,
        word(QUEUE, row.state),
        local(row.next_at, "%m-%d %H:%M") if row.state == "waiting" else "",
        row.attempts,
        word(KINDS, row.kind),
        row.recipients,
        one_line(row.subject, 40),
        one_line(row.last_error or "", 120),
    )


async def retry(
    *ids: _Ids,
    all: Annotated[bool, Text("待っているものすべて。", "Everything that waits.")] = False,
    target: _Target = "",
    failed: _Failed = False,
) -> int:
    """Try entries at once; exit 1 where one cannot be tried."""
    states = ("waiting", "failed", "aside") if failed else ("waiting",)
    context = current()
    async with context.store(create=False) as store:
        wanted = await _wanted(store, ids, all or (failed and not ids), target, states)
        return await _each(store, wanted, lambda id: queue.RetryNow((id,), operator()), _RETRIED)


async def cancel(
    *ids: _Ids,
    all: Annotated[bool, Text("待っているものすべて。", "Everything that waits.")] = False,
    target: _Target = "",
    failed: _Failed = False,
    reason: Annotated[str, Text("理由。記録に残ります。", "The reason, for the records.")] = "",
    yes: Annotated[bool, Parameter(["--yes", "-y"]), Text("確認せずに進めます。", "Do not ask.")] = False,
) -> int:
    """Give up on entries; exit 1 where one cannot be given up on."""
    states = ("waiting", "failed", "aside", "uncertain") if failed else ("waiting",)
    context = current()
    async with context.store(create=False) as store:
        wanted = await _wanted(store, ids, all or (failed and not ids), target, states)
        if wanted and not ids and not yes and not confirm(_SURE.with_(count=len(wanted))):
            raise Refused(_NOT_SURE, _NOT_SURE_MEND)
        return await _each(store, wanted, lambda id: queue.Cancel((id,), operator(), reason), _CANCELLED)


async def _wanted(store: Store, ids: tuple[str, ...], all: bool, target: str, states: Sequence[str]) -> tuple[str, ...]:
    """The entries that the command line means."""
    if ids and (all or target):
        raise WrongUsage(_EITHER)
    if ids:
        return tuple(dict.fromkeys(id.strip().lower() for id in ids))
    if not all and not target:
        raise WrongUsage(_WHICH)
    return tuple([row.id async for row in _entries(store, states, target)])


async def _entries(store: Store, states: Sequence[str], target: str) -> AsyncIterator[queue.QueueRow]:
    last: queue.QueueRow | None = None
    while True:
        page = await queue.list_queue(store, states=states, limit=PAGE, after=last)
        for row in page:
            if not target or row.target == target:
                yield row
        if len(page) < PAGE:
            return
        last = page[-1]


async def _each(store: Store, wanted: Sequence[str], unit: Callable[[str], Any], done: Text) -> int:
    """Every entry by itself: one that cannot be touched does not stop the others."""
    context = current()
    count = 0
    with progress() as bar:
        task = bar.add_task("", total=len(wanted))
        for start in range(0, len(wanted), TOGETHER):
            part = wanted[start : start + TOGETHER]
            outcomes = await asyncio.gather(*(store.committer.submit(unit(id)) for id in part), return_exceptions=True)
            for id, outcome in zip(part, outcomes, strict=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, SekishoError):
                    raise outcome
                wrong = outcome if isinstance(outcome, SekishoError) else None
                count += wrong is None
                if context.json:
                    emit({"id": id, "done": wrong is None, "why": wrong.text.in_(context.language) if wrong else None})
                if wrong is not None:
                    warn(wrong.in_(context.language))
            bar.advance(task, len(part))
    if count or not wanted:
        say(done.with_(count=count) if wanted else _EMPTY)
    return 0 if count == len(wanted) else 1


VERBS = (
    Verb("list", list_, Text("配送待ち、失敗、取り置きを一覧にします。", "List what waits, failed or was set aside.")),
    Verb("retry", retry, Text("すぐに再試行します。", "Try deliveries at once.")),
    Verb(
        "cancel",
        cancel,
        Text("配送をやめます（メールの記録は残ります）。", "Give up on deliveries; the mail stays on record."),
    ),
)
