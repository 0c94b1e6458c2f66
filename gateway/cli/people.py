"""`sekisho people`: who belongs together, what is on record of one person, and erasing it on request."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from gateway.cli.context import STANDARD_INPUT, current, operator
from gateway.cli.output import confirm, emit, fields, listing, progress, say, table, warn
from gateway.cli.people_csv import read_csv, write_csv
from gateway.cli.usage import WrongUsage
from gateway.cli.verbs import Verb
from gateway.errors import Refused
from gateway.model.entry import parse_entry
from gateway.store import erasure, persons
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
_IMPORTED = Text("{people} 名、{values} 件の情報を取り込みました。", "{values} values of {people} persons are new.")
_EXPORTED = Text("{people} 名を {path} に書き出しました。", "{people} persons are written to {path}.")
_NO_REASON = Text("理由を --reason で書いてください。記録に残ります。", "Give a reason with --reason; it is kept.")
_MORE = Text("ほかに {count:,} 件あります。", "{count:,} more are not shown.")
_FOUND = Text(
    "{messages:,} 通のメール・電話（うち {others:,} 通は、ほかの方とのやり取りの中でこの方に触れたもの）と"
    "{records:,} 件の記録を消去します。元に戻せません。",
    "{messages:,} messages and calls ({others:,} of them with others, which name this person) and {records:,} records"
    " will be erased. There is no way back.",
)
_BLOCKED = Text(
    "この方への取引停止（{count} 件）も消えるため、以後のメールは通るようになります。",
    "{count} entries of the blacklist go with it: mail from this person passes again afterwards.",
)
_SURE = Text("消去しますか？", "erase it?")
_NOT_DONE = Text("消去しませんでした。", "nothing was erased")
_NOT_DONE_MEND = Text("承知のうえで行うには --yes を付けてください。", "add --yes to go on knowingly")
_ERASED = Text(
    "消去しました（記録 {seqs}）。証拠ログの検証はこれまでどおり通ります。",
    "Erased (records {seqs}). The log verifies as before.",
)
_OUTSIDE = Text(
    "次のものは別に消去してください：データベースのバックアップ、店のメールボックス、書き出した証拠一式、"
    "プログラムの動作記録。",
    "Erase for yourself: backups of the database, the shop's mailbox, bundles that were exported, the program's log.",
)
_WRITE = Text("{path} に書けません：{why}", "{path} cannot be written: {why}")
_READ = Text("{path} を読めません：{why}", "{path} cannot be read: {why}")
_SEARCHING = Text("調べています", "searching")

_Other = Annotated[str, Parameter(name="OTHER"), Text("同じ方の別の登録。", "The same person's other entry.")]
_Note = Annotated[str, Text("メモ。今のメモと置き換わります。", "It replaces the present note.")]
_File = Annotated[Path | None, Text("書き出すファイル。省略時は画面へ。", "The file; otherwise the screen.")]
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


async def import_people(
    file: Annotated[Path, Text("CSV ファイル。- は標準入力。", "The CSV file; - reads standard input.")], /
) -> int:
    """Take in persons from a CSV as `export` writes it; what is known already is left."""
    context = current()
    raw = await asyncio.to_thread(_read, file)
    people = read_csv(raw)
    new = 0
    async with context.store() as store:
        with progress() as bar:
            for one in bar.track(people):
                new += await store.committer.submit(persons.Add(one.name, one.values, one.note, operator()))
    if context.json:
        emit({"people": len(people), "values": new})
    say(_IMPORTED, people=len(people), values=new)
    return 0


async def export_people(
    file: Annotated[Path | None, Text("書き出すファイル。省略時は画面へ。", "The file; otherwise the screen.")] = None,
    /,
) -> int:
    """Everybody on record as CSV that opens in Excel."""
    context = current()
    async with context.store(create=False) as store:
        found = await persons.list_persons(store, limit=1_000_000)
    written = write_csv(found)
    if file is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
        return 0
    try:
        await asyncio.to_thread(file.write_bytes, written)
    except OSError as error:
        raise Refused(_WRITE.with_(path=file, why=error.strerror)) from error
    if context.json:
        emit({"people": len(found), "file": str(file)})
    say(_EXPORTED, people=len(found), path=file)
    return 0


async def erase(
    who: Annotated[
        str,
        Parameter(name="WHO"),
        Text("アドレス、電話番号、またはお名前か ID。", "Address, phone number, or a person's name or id."),
    ],
    /,
    *,
    reason: Annotated[
        str,
        Text(
            "理由（「本人の請求」など）。本人のアドレスなどは書かないでください。",
            "The reason, such as the person's request; leave their address out of it.",
        ),
    ],
    yes: Annotated[bool, Parameter(["--yes", "-y"]), Text("確認せずに進めます。", "Do not ask.")] = False,
) -> int:
    """Erase a person from mail, log, lists and free space; refused while a case holds any of it."""
    context = current()
    if not reason.strip():
        raise WrongUsage(_NO_REASON)
    async with context.store(create=False) as store:
        with progress() as bar:
            bar.add_task(_SEARCHING.in_(context.language), total=None)
            found = await erasure.find(store, await erasure.traces_of(store, who))
            rows = await erasure.rows_of(store, found.traces)
        if not found.anything and not rows:
            raise erasure.nobody(who)
        await erasure.refuse_held(store, found)
        if not yes:
            warn(_FOUND, messages=len(found.messages), others=found.others, records=len(found.records))
            if found.blocked:
                warn(_BLOCKED, count=found.blocked)
            if not confirm(_SURE):
                raise Refused(_NOT_DONE, _NOT_DONE_MEND)
        done = await erasure.erase(store, found, reason, operator())
    if context.json:
        emit({"records": list(done.seqs), "counts": done.counts})
    say(_ERASED, seqs=", ".join(map(str, done.seqs)) or "-")
    say(_OUTSIDE)
    return 0


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise Refused(_READ.with_(path=file, why=error.strerror)) from error


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
ADDRESSES = Text("アドレス", "addresses")
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
    "address": ADDRESSES,
    "ip": Text("IP", "IPs"),
    "phone": Text("電話番号", "phones"),
    "order": Text("注文番号", "orders"),
}
