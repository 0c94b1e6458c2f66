"""`sekisho case`: what belongs to a case, and the hold that keeps it from being deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from gateway.cli.context import current, operator
from gateway.cli.kinds import VALUES
from gateway.cli.output import emit, fields, listing, local, say
from gateway.cli.usage import WrongUsage
from gateway.cli.verbs import Verb
from gateway.cli.when import ago
from gateway.store import cases
from gateway.store.cases import Case
from gateway.store.engine import Store
from gateway.store.persons import list_persons
from gateway.store.selection import calls_of, canonical, messages_of, person_id
from gateway.text import Text

_BAD = Text("「{value}」は {kind} として読み取れません。", "{value!r} cannot be read as {kind}.")
_WHAT = Text(
    "何が案件に属するかを指定してください（--person、--address、--order、--ip、--phone、--message、--since、--until）。",
    "Say what belongs to it: --person, --address, --order, --ip, --phone, --message, --since, --until.",
)
_ADDED = Text("案件「{name}」を作りました。", "The case {name} is open.")
_CHANGED = Text("案件「{name}」を変更しました。", "The case {name} is changed.")
_HELD = Text(
    "案件「{name}」を保全しました。属するメールは、解除するまで削除されません。",
    "The case {name} is on hold: nothing of it is deleted until it is released.",
)
_RELEASED = Text("案件「{name}」の保全を解除しました。", "The hold on the case {name} is released.")
_SAME = Text("案件「{name}」は、すでにその状態です。", "The case {name} stands so already.")
_NONE = Text("案件はまだありません。", "There are no cases yet.")
_NO_REASON = Text("理由を --reason で書いてください。記録に残ります。", "Give a reason with --reason; it is kept.")

_Name = Annotated[str, Parameter(name="NAME"), Text("案件の名前。", "The case's name.")]
_Persons = Annotated[tuple[str, ...], Parameter("--person", metavar="NAME"), Text("お客様。", "Persons.")]
_Addresses = Annotated[
    tuple[str, ...],
    Parameter("--address", metavar="ADDRESS"),
    Text("アドレス。@ドメイン、*.ドメインも可。", "Addresses; also @domain, *.domain."),
]
_Orders = Annotated[tuple[str, ...], Parameter("--order", metavar="NUMBER"), Text("注文番号。", "Order numbers.")]
_Ips = Annotated[
    tuple[str, ...], Parameter("--ip", metavar="IP"), Text("発信元の IP。CIDR も可。", "Origin IPs; also CIDR.")
]
_Phones = Annotated[tuple[str, ...], Parameter("--phone", metavar="NUMBER"), Text("電話番号。", "Phone numbers.")]
_Messages = Annotated[tuple[str, ...], Parameter("--message", metavar="ID"), Text("メールの ID。", "Ids of messages.")]
_When = Parameter(metavar="WHEN")
_Reason = Annotated[str, Text("理由。記録に残ります。", "The reason, kept on record.")]


async def add(
    name: _Name,
    /,
    *,
    person: _Persons = (),
    address: _Addresses = (),
    order: _Orders = (),
    ip: _Ips = (),
    phone: _Phones = (),
    message: _Messages = (),
    since: Annotated[str, _When, Text("これ以降のもの: 2026-11-01、90d。", "From: 2026-11-01, 90d.")] = "",
    until: Annotated[str, _When, Text("これ以前のもの（日付はその日を含みます）。", "Until; a day is included.")] = "",
    note: Annotated[str, Text("メモ。", "A note.")] = "",
    hold: Annotated[bool, Text("すぐに保全します。", "Put it on hold at once.")] = False,
) -> int:
    """Open a case: everything of these persons, addresses, orders, within the period."""
    context = current()
    begins, ends = ago(since), ago(until, whole_day=True)
    async with context.store() as store:
        members = await _members(
            store, person=person, address=address, order=order, ip=ip, phone=phone, message=message
        )
        if not members and begins is None and ends is None:
            raise WrongUsage(_WHAT)
        unit = cases.AddCase(name, members, begins, ends, note, hold, operator())
        id = await store.committer.submit(unit)
    if context.json:
        emit({"id": id, "name": name})
    say(_ADDED, name=name)
    if hold:
        say(_HELD, name=name)
    return 0


async def change(
    name: _Name,
    /,
    *,
    person: _Persons = (),
    address: _Addresses = (),
    order: _Orders = (),
    ip: _Ips = (),
    phone: _Phones = (),
    message: _Messages = (),
    remove: Annotated[bool, Text("加えるのではなく、外します。", "Take these out instead of adding them.")] = False,
) -> int:
    """Add to a case, or take something out."""
    context = current()
    async with context.store(create=False) as store:
        members = await _members(
            store, person=person, address=address, order=order, ip=ip, phone=phone, message=message
        )
        if not members:
            raise WrongUsage(_WHAT)
        unit = cases.ChangeCase(name, {} if remove else members, members if remove else {}, operator())
        id = await store.committer.submit(unit)
    if context.json:
        emit({"id": id, "name": name})
    say(_CHANGED, name=name)
    return 0


async def show(name: _Name, /) -> int:
    """What belongs to a case, and how much of it is on record."""
    context = current()
    async with context.store(create=False) as store:
        case = await cases.find_case(store, name)
        messages, calls = await messages_of(store, case.selection), await calls_of(store, case.selection)
        names = await _names(store, case)
    if context.json:
        emit({**_json(case), "persons": names, "messages": list(messages), "calls": list(calls)})
        return 0
    fields(
        [
            (NAME, case.name),
            (STATE, ON_HOLD if case.hold else OPEN),
            (NOTE, case.note),
            (SINCE, case.since),
            (UNTIL, case.until),
            *((KINDS[kind], names if kind == "person" else list(values)) for kind, values in case.members.items()),
            (MESSAGES, COUNT.with_(count=len(messages))),
            (CALLS, COUNT.with_(count=len(calls))),
            (CREATED, case.created_at),
        ],
        indent=0,
    )
    return 0


async def list_cases() -> int:
    """All cases, the newest first; exit 1 where there are none."""
    context = current()
    async with context.store(create=False) as store:
        found = await cases.list_cases(store)
        counts = [len(await messages_of(store, case.selection)) for case in found]
    if context.json:
        for case, count in zip(found, counts, strict=True):
            emit({**_json(case), "messages": count})
    elif found:
        listing(
            (NAME, STATE, MESSAGES, SINCE, UNTIL, NOTE),
            (
                (
                    case.name,
                    ON_HOLD if case.hold else OPEN,
                    count,
                    local(case.since, "%Y-%m-%d") if case.since else "",
                    local(case.until, "%Y-%m-%d") if case.until else "",
                    case.note,
                )
                for case, count in zip(found, counts, strict=True)
            ),
        )
    if not found:
        say(_NONE)
    return 0 if found else 1


async def hold(name: _Name, /, *, reason: _Reason) -> int:
    """Keep everything of a case from being deleted."""
    return await _hold(name, reason, on=True)


async def release(name: _Name, /, *, reason: _Reason) -> int:
    """End the hold on a case."""
    return await _hold(name, reason, on=False)


async def _hold(name: str, reason: str, *, on: bool) -> int:
    context = current()
    if not reason.strip():
        raise WrongUsage(_NO_REASON)
    async with context.store(create=False) as store:
        changed = await store.committer.submit(cases.Hold(name, on, reason, operator()))
    if context.json:
        emit({"name": name, "hold": on, "changed": changed})
    say((_HELD if on else _RELEASED) if changed else _SAME, name=name)
    return 0 if changed else 1


async def _members(store: Store, **given: tuple[str, ...]) -> dict[str, list[str]]:
    """The values as they are compared, by kind; raises `WrongUsage` on the first that is none, `NotFound`."""
    found: dict[str, list[str]] = {}
    for kind, values in given.items():
        for value in values:
            try:
                known = await person_id(store, value) if kind == "person" else canonical(kind, value)
            except ValueError as error:
                raise WrongUsage(_BAD.with_(value=value[:200], kind=f"--{kind}")) from error
            found.setdefault(kind, []).append(known)
    return found


async def _names(store: Store, case: Case) -> list[str]:
    names: Mapping[str, str] = {one.id: one.name for one in await list_persons(store, limit=100_000)}
    return [names.get(id, id) for id in case.members.get("person", ())]


def _json(case: Case) -> dict[str, object]:
    return {**asdict(case), "members": {kind: list(values) for kind, values in case.members.items()}}


VERBS = (
    Verb("add", add, Text("案件を作ります。", "Open a case.")),
    Verb("change", change, Text("案件の対象を増やす、または外します。", "Add to a case, or take something out.")),
    Verb("show", show, Text("案件を表示します。", "Show a case.")),
    Verb("list", list_cases, Text("案件の一覧です。", "List the cases.")),
    Verb("hold", hold, Text("案件を保全します（削除を止めます）。", "Put a case on hold: nothing of it is deleted.")),
    Verb("release", release, Text("保全を解除します。", "Release the hold on a case.")),
)

NAME = Text("案件", "case")
STATE = Text("状態", "state")
ON_HOLD = Text("保全中", "on hold")
OPEN = Text("通常", "open")
NOTE = Text("メモ", "note")
SINCE = Text("期間の始め", "since")
UNTIL = Text("期間の終わり", "until")
MESSAGES = Text("メール", "messages")
CALLS = Text("電話", "calls")
COUNT = Text("{count:,} 件", "{count:,}")
CREATED = Text("作成", "opened")
KINDS = {
    "person": Text("お客様", "persons"),
    **VALUES,
    "message": Text("メールの ID", "message ids"),
}
