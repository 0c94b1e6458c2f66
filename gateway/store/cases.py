"""Cases: what belongs together for a lawyer, and the hold that keeps it from being deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound, Refused
from gateway.model.exchange import new_id
from gateway.model.mail_record import clean
from gateway.model.record import time_text
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.selection import Selection, call_condition, condition
from gateway.store.tables import call, case_file, case_member, message
from gateway.text import Text

KIND = "case"  # of log records

NO_CASE = Text("「{name}」という案件はありません。", "There is no case {name!r}.")
NO_CASE_MEND = Text("「sekisho case list」で確かめてください。", "`sekisho case list` shows them.")
TAKEN = Text("「{name}」という案件はすでにあります。", "There is a case {name!r} already.")
EMPTY = Text("案件「{name}」の対象がなくなってしまいます。", "Nothing would be left of the case {name}.")
NO_NAME = Text("案件の名前が空です。", "A case needs a name.")


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands; `members` are canonical values by kind."""

    id: str
    name: str
    note: str
    since: datetime | None
    until: datetime | None
    hold: bool
    created_at: datetime
    changed_at: datetime
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def selection(self) -> Selection:
        """What belongs to it."""
        named = self.members
        return Selection(
            persons=named.get("person", ()),
            addresses=named.get("address", ()),
            orders=named.get("order", ()),
            ips=named.get("ip", ()),
            phones=named.get("phone", ()),
            messages=named.get("message", ()),
            since=self.since,
            until=self.until,
        )


@dataclass(frozen=True, slots=True)
class AddCase:
    """Unit: open a case; gives its id. Raises `Refused` where the name is taken or empty."""

    name: str
    members: Mapping[str, Sequence[str]]
    since: datetime | None = None
    until: datetime | None = None
    note: str = ""
    hold: bool = False
    operator: str = ""

    async def apply(self, batch: Batch) -> str:
        """Write it and its record."""
        name = _name(self.name)
        if (await batch.execute(select(case_file.c.id).where(case_file.c.name == name))).first() is not None:
            raise Refused(TAKEN.with_(name=name))
        id = new_id()
        row = {"id": id, "name": name, "note": clean(self.note), "since": self.since, "until": self.until}
        batch.insert(case_file, {**row, "hold": self.hold, "created_at": batch.now, "changed_at": batch.now})
        _insert_members(batch, id, self.members, {})
        said = {"note": clean(self.note), "members": _told(self.members), "hold": self.hold}
        _append(batch, "add", id, name, self.operator, since=_time(self.since), until=_time(self.until), **said)
        return id


@dataclass(frozen=True, slots=True)
class ChangeCase:
    """Unit: add values to a case, or take some out. Raises `NotFound`."""

    name: str
    add: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remove: Mapping[str, Sequence[str]] = field(default_factory=dict)
    operator: str = ""

    async def apply(self, batch: Batch) -> str:
        """Gives its id."""
        await batch.flush()
        case = await _find(batch.connection, self.name)
        for kind, values in self.remove.items():
            where = and_(case_member.c.case == case.id, case_member.c.kind == kind, case_member.c.value.in_(values))
            await batch.execute(delete(case_member).where(where))
        left = {kind: set(values) - set(self.remove.get(kind, ())) for kind, values in case.members.items()}
        if case.members and not any(left.values()) and not any(self.add.values()):
            raise Refused(EMPTY.with_(name=case.name))  # its period would stand for everybody's mail
        _insert_members(batch, case.id, self.add, left)
        await batch.execute(update(case_file).where(case_file.c.id == case.id).values(changed_at=batch.now))
        _append(batch, "change", case.id, case.name, self.operator, add=_told(self.add), remove=_told(self.remove))
        return case.id


@dataclass(frozen=True, slots=True)
class Hold:
    """Unit: put a hold on a case (`on`), or release it; True where that changed anything. Raises `NotFound`."""

    name: str
    on: bool
    reason: str = ""
    operator: str = ""

    async def apply(self, batch: Batch) -> bool:
        """Write it and its record."""
        await batch.flush()
        case = await _find(batch.connection, self.name)
        if case.hold == self.on:
            return False
        values = {"hold": self.on, "changed_at": batch.now}
        await batch.execute(update(case_file).where(case_file.c.id == case.id).values(**values))
        action = "hold" if self.on else "release"
        _append(batch, action, case.id, case.name, self.operator, reason=clean(self.reason))
        return True


async def list_cases(store: Store) -> tuple[Case, ...]:
    """All cases, the newest first. Raises `StoreError`."""
    async with store.read() as connection:
        return await _cases(connection, None)


async def find_case(store: Store, name: str) -> Case:
    """The case of this name or id. Raises `NotFound`."""
    async with store.read() as connection:
        return await _find(connection, name)


async def held_messages(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Which of these messages a case holds."""
    found: set[str] = set()
    for case in await holding(connection):
        where = await condition(connection, case.selection)
        rows = await connection.execute(select(message.c.id).where(message.c.id.in_(ids), where))
        found.update(rows.scalars())
    return found


async def held_calls(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Which of these calls a case holds."""
    found: set[str] = set()
    for case in await holding(connection):
        where = await call_condition(connection, case.selection)
        rows = await connection.execute(select(call.c.id).where(call.c.id.in_(ids), where))
        found.update(rows.scalars())
    return found


async def holding(connection: AsyncConnection) -> tuple[Case, ...]:
    """The cases that hold something."""
    return await _cases(connection, case_file.c.hold.is_(True))


async def _find(connection: AsyncConnection, name: str) -> Case:
    folded = " ".join(name.split())
    found = await _cases(connection, or_(case_file.c.name == folded, case_file.c.id == folded.lower()))
    if not found:
        raise NotFound(NO_CASE.with_(name=folded), NO_CASE_MEND)
    return found[0]


async def _cases(connection: AsyncConnection, where: ColumnElement[bool] | None) -> tuple[Case, ...]:
    statement = select(case_file).order_by(case_file.c.created_at.desc(), case_file.c.id)
    rows = (await connection.execute(statement if where is None else statement.where(where))).all()
    members: dict[str, dict[str, list[str]]] = {row.id: {} for row in rows}
    named = select(case_member).order_by(case_member.c.kind, case_member.c.value)
    for row in await connection.execute(named.where(case_member.c.case.in_(list(members)))):
        members[row.case].setdefault(row.kind, []).append(row.value)
    return tuple(
        Case(
            row.id,
            row.name,
            row.note,
            row.since,
            row.until,
            row.hold,
            row.created_at,
            row.changed_at,
            {kind: tuple(values) for kind, values in members[row.id].items()},
        )
        for row in rows
    )


def _insert_members(
    batch: Batch, case: str, members: Mapping[str, Sequence[str]], known: Mapping[str, set[str]]
) -> None:
    for kind, values in members.items():
        for value in dict.fromkeys(values):
            if value not in known.get(kind, ()):
                batch.insert(case_member, {"case": case, "kind": kind, "value": value, "added_at": batch.now})


def _append(batch: Batch, action: str, id: str, name: str, operator: str, **more: Any) -> None:
    batch.append(KIND, {"action": action, "case": id, "name": name, "operator": clean(operator), **more})


def _name(name: str) -> str:
    folded = " ".join(clean(name).split())
    if not folded:
        raise Refused(NO_NAME)
    return folded


def _told(members: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {kind: list(values) for kind, values in members.items() if values}


def _time(at: datetime | None) -> str | None:
    return time_text(at) if at is not None else None
