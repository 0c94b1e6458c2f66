"""`sekisho quarantine`: mail that waits for a person's decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from gateway.cli.context import current, operator
from gateway.cli.mail import ID, as_json, show_list, show_mail
from gateway.cli.output import emit, say, warn
from gateway.cli.reading import body
from gateway.cli.usage import WrongUsage
from gateway.cli.verbs import Verb
from gateway.cli.words import STATES, word
from gateway.errors import MimeLimit, Refused, SekishoError
from gateway.store import quarantine, search
from gateway.store.engine import Store
from gateway.text import Text

_NONE = Text("保留中のメールはありません。", "No mail is held.")
_MORE = Text(
    "ほかにもあります（全 {count} 件）。--limit を増やしてください。", "{count} are held in all: raise --limit."
)
_LIMIT = Text("--limit は 1 以上にしてください。", "--limit must be 1 or more.")
_NOBODY = Text("対象の ID を指定してください。", "Name the ids.")
_NOT_HELD = Text("{id} は保留中ではありません（{state}）。", "{id} is not held ({state}).")
_NOT_HELD_MEND = Text("内容は「sekisho log show {id}」で見られます。", "`sekisho log show {id}` shows it.")
_CHOICE = Text(
    "届けるには: sekisho quarantine release {id}\nお断りするには: sekisho quarantine refuse {id}",
    "to deliver it: sekisho quarantine release {id}\nto refuse it: sekisho quarantine refuse {id}",
)
_RELEASED = Text(
    "{id} の保留を解きました。届いたままの形でメールボックスに届きます。",
    "{id} is released: it goes to the mailbox as it came.",
)
_REFUSED = Text("{id} をお断りしました。記録は残ります。", "{id} is refused; it stays on record.")

_Ids = Annotated[str, Parameter(name="ID"), ID]
_Reason = Annotated[str, Text("理由。記録に残ります。", "The reason, for the records.")]


async def list_(*, limit: Annotated[int, Text("最大件数（既定 50）。", "At most so many (50).")] = 50) -> int:
    """Held mail, newest first."""
    context = current()
    if limit < 1:
        raise WrongUsage(_LIMIT)
    async with context.store(create=False) as store:
        hits = await quarantine.list_held(store, limit=limit)
        count = await quarantine.count_held(store) if len(hits) == limit else len(hits)
    if context.json:
        for hit in hits:
            emit(as_json(hit))
    elif hits:
        show_list(hits)
    if not hits:
        say(_NONE)
    elif count > len(hits):
        say(_MORE, count=count)
    return 0


async def show(id: Annotated[str, ID], /) -> int:
    """A held message with its text and why it is held; exit 1 where it is not held."""
    context = current()
    async with context.store(create=False) as store:
        shown = await search.show(store, id)
        hit = shown.hit
        if hit.state != "held":
            raise Refused(_NOT_HELD.with_(id=hit.id, state=word(STATES, hit.state)), _NOT_HELD_MEND.with_(id=hit.id))
        try:
            text = await body(store, hit.id)
        except MimeLimit as error:
            text = f"({error.text.in_(context.language)})"
    if context.json:
        emit({**as_json(shown), "text": text})
        return 0
    show_mail(shown, text)
    say("")
    say(_CHOICE, id=hit.id)
    return 0


async def release(*ids: _Ids, reason: _Reason = "") -> int:
    """Deliver held mail as it came, without screening it again; exit 1 where one is not held."""
    return await _decide(ids, lambda id: quarantine.Release(id, operator(), reason), "released", _RELEASED)


async def refuse(*ids: _Ids, reason: _Reason = "") -> int:
    """Never deliver held mail; exit 1 where one is not held."""
    return await _decide(ids, lambda id: quarantine.Refuse(id, operator(), reason), "refused", _REFUSED)


async def _decide(ids: tuple[str, ...], unit: Callable[[str], Any], state: str, done: Text) -> int:
    """Decide on each message by itself: one that cannot be decided on does not stop the others."""
    context = current()
    if not ids:
        raise WrongUsage(_NOBODY)
    async with context.store(create=False) as store:
        outcomes = await asyncio.gather(*(_one(store, what, unit) for what in dict.fromkeys(ids)))
    failed = False
    for what, outcome in zip(dict.fromkeys(ids), outcomes, strict=True):
        wrong = outcome if isinstance(outcome, SekishoError) else None
        failed = failed or wrong is not None
        if context.json:
            why = wrong.text.in_(context.language) if wrong else None
            emit(
                {"id": what if wrong else outcome, "done": wrong is None, "state": None if wrong else state, "why": why}
            )
        if wrong is not None:
            warn(wrong.in_(context.language))
        else:
            say(done, id=outcome)
    return 1 if failed else 0


async def _one(store: Store, what: str, unit: Callable[[str], Any]) -> str | SekishoError:
    try:
        hit = await search.find(store, what)
        if hit.state != "held":
            return Refused(_NOT_HELD.with_(id=hit.id, state=word(STATES, hit.state)))
        await store.committer.submit(unit(hit.id))
    except SekishoError as error:
        return error
    return hit.id


VERBS = (
    Verb("list", list_, Text("保留中のメールを一覧にします。", "List held mail.")),
    Verb(
        "show",
        show,
        Text("保留中の1通を、本文と保留の理由とともに表示します。", "Show a held message, its text and why."),
    ),
    Verb(
        "release",
        release,
        Text(
            "保留を解き、届いたままの形で配送します（再判定はしません）。",
            "Deliver held mail as it came; it is not screened again.",
        ),
    ),
    Verb("refuse", refuse, Text("配送せず、お断りとして閉じます。", "Never deliver held mail; it stays on record.")),
)
