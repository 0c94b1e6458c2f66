"""`sekisho people`: who belongs together, and what is on record of one person."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from cyclopts import Parameter

from gateway.cli.context import current, operator
from gateway.cli.kinds import ADDRESSES, VALUES
from gateway.cli.output import emit, fields, listing, say, table
from gateway.cli.people_erase import erase
from gateway.cli.people_files import export_people, import_people
from gateway.cli.verbs import Verb
from gateway.model.entry import parse_entry
from gateway.store import persons
from gateway.store.calls import read_calls
from gateway.store.engine import Store
from gateway.store.persons import Person
from gateway.store.search import Hit, find
from gateway.store.selection import Selection, call_condition, messages_of
from gateway.text import Text

SHOWN = 200  # events of a timeline

_NONE = Text("登録された方はまだいません。", "Nobody is on record yet.")
_MERGED = Text("{other}さんを{name}さんにまとめました。", "{other} is {name} from now on.")
_SPLIT = Text("{values} を{other}さんに分けました。", "{values} belong to {other} from now on.")
_NOTED = Text("{name}さんのメモを書き換えました。", "The note on {name} is replaced.")
_MORE = Text("ほかに {count:,} 件あります。", "{count:,} more are not shown.")

_Name = Annotated[str, Parameter(name="NAME"), Text("お名前か ID。", "Name or id.")]


async def list_people(
    text: Annotated[str, Text("名前・メモ・アドレスなどの一部。", "A part of a name, a note or a value.")] = "", /
) -> int:
    """Everybody on record; exit 1 where nobody fits."""
    context = current()
    async with context.store(create=False) as store:
        found = await persons.list_persons(store, text=text)
    if context.json:
        for one in found:
            emit(asdict(one))
    elif found:
        listing(
            (NAME, BLOCKED, CALLS, ADDRESSES, NOTE),
            (
                (
                    one.name,
                    one.blocked,
                    one.calls,
                    list(one.values.get("address", ())),
                    one.note.replace("\n", " / "),
                )
                for one in found
            ),
        )
    if not found:
        say(_NONE)
    return 0 if found else 1


async def show(name: _Name, /) -> int:
    """Everything known of one person, with a timeline of mail and calls."""
    context = current()
    async with context.store(create=False) as store:
        one = await persons.find_person(store, name)
        events = await _timeline(store, one)
    if context.json:
        emit({**asdict(one), "timeline": events})
        return 0
    fields(
        [
            (NAME, one.name),
            (ID, one.id),
            *((KINDS[kind], list(values)) for kind, values in one.values.items()),
            (BLOCKED, one.blocked),
            (NOTE, one.note),
            (SINCE, one.created_at),
        ],
        indent=0,
    )
    if events:
        say("")
        table((WHEN, WHAT, STATE, ABOUT), ([e["at"], e["what"], e["state"], e["about"]] for e in events[:SHOWN]))
    if len(events) > SHOWN:
        say(_MORE, count=len(events) - SHOWN)
    return 0


async def _timeline(store: Store, one: Person) -> list[dict[str, Any]]:
    selection = Selection(persons=(one.id,))
    events: list[dict[str, Any]] = []
    for id in await messages_of(store, selection):
        events.append(_event(await find(store, id)))
    async with store.read() as connection:
        where = await call_condition(connection, selection)
    for made in await read_calls(store, where):
        events.append({"at": made.at, "what": CALL, "state": made.number, "about": made.summary, "id": made.id})
    return sorted(events, key=lambda event: event["at"])


def _event(hit: Hit) -> dict[str, Any]:
    at: datetime = hit.received_at
    what = IN if hit.direction == "in" else OUT
    return {"at": at, "what": what, "state": hit.state, "about": hit.subject, "id": hit.id}


async def merge(
    name: _Name, other: Annotated[str, Parameter(name="OTHER"), Text("同じ方の別の登録。", "The same person.")], /
) -> int:
    """Two entries are one person: OTHER goes into NAME."""
    context = current()
    async with context.store(create=False) as store:
        id = await store.committer.submit(persons.Merge(name, other, operator()))
    if context.json:
        emit({"id": id})
    say(_MERGED, name=name, other=other)
    return 0


async def split(
    name: _Name,
    /,
    *values: Annotated[str, Parameter(name="VALUE"), Text("分けるアドレス・電話番号・IP。", "Addresses, phones, IPs.")],
    to: Annotated[str, Parameter(metavar="NAME"), Text("分けた先の方のお名前。", "Whose they are.")],
) -> int:
    """Some values belong to somebody else."""
    context = current()
    entries = [parse_entry(value) for value in values]
    canonical = [entry.value if entry is not None else value for entry, value in zip(entries, values, strict=True)]
    async with context.store(create=False) as store:
        moved = tuple(dict.fromkeys([*canonical, *values]))
        id = await store.committer.submit(persons.Split(name, moved, to, operator()))
    if context.json:
        emit({"id": id})
    say(_SPLIT, values=", ".join(canonical), other=to)
    return 0


async def note(
    name: _Name, text: Annotated[str, Text("メモ。今のメモと置き換わります。", "It replaces the present note.")], /
) -> int:
    """What is to be kept in mind of a person."""
    context = current()
    async with context.store(create=False) as store:
        await store.committer.submit(persons.Note(name, text, operator()))
    if context.json:
        emit({"name": name, "note": text})
    say(_NOTED, name=name)
    return 0


VERBS = (
    Verb("list", list_people, Text("登録された方の一覧です。", "List everybody on record.")),
    Verb("show", show, Text("一人のすべてと時系列を表示します。", "Show one person with a timeline.")),
    Verb("merge", merge, Text("同じ方の登録を一つにまとめます。", "Make one person of two entries.")),
    Verb("split", split, Text("一部の情報を別の方に分けます。", "Give some values to somebody else.")),
    Verb("note", note, Text("メモを書きます。", "Note something of a person.")),
    Verb("import", import_people, Text("CSV から取り込みます。", "Take in persons from CSV.")),
    Verb("export", export_people, Text("CSV に書き出します。", "Write everybody as CSV.")),
    Verb("erase", erase, Text("請求に応じて一人の情報を消去します。", "Erase one person's data on request.")),
)

NAME = Text("お名前", "name")
ID = Text("ID", "id")
BLOCKED = Text("取引停止", "blocked")
CALLS = Text("電話", "calls")
NOTE = Text("メモ", "note")
SINCE = Text("登録", "since")
WHEN = Text("日時", "time")
WHAT = Text("種別", "what")
STATE = Text("状態", "state")
ABOUT = Text("内容", "about")
IN = Text("受信", "mail in")
OUT = Text("送信", "mail out")
CALL = Text("電話", "call")
KINDS = {
    "name": Text("別のお名前", "other names"),
    **VALUES,
}
