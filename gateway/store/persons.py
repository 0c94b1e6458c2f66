"""Persons: one person is addresses, IPs, names, phone numbers, orders and calls that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound, Refused
from gateway.model.entry import Who
from gateway.model.mail_record import clean
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.people import find_or_make, fold_name
from gateway.store.selection import KIND_OF, NOBODY
from gateway.store.tables import block_entry, call, case_member, person, person_trait
from gateway.text import Text

KIND = "people"  # of log records
TRAITS = ("name", "address", "ip", "phone", "order")
_CHUNK = 500

SAME = Text("同じ方です。", "That is the same person.")
NOTHING = Text("{name}さんの記録に、指定された値はありません。", "{name} has none of these values.")
NO_NAME = Text("お名前が空です。", "A name is needed.")


@dataclass(frozen=True, slots=True)
class Person:
    """A person with everything that is known: values by kind (name, address, ip, phone, order)."""

    id: str
    name: str
    note: str
    created_at: datetime
    blocked: int  # entries of the blacklist in force
    calls: int
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merge:
    """Unit: two persons are one: `other` goes into `name`, and its name is kept as another one. Raises `NotFound`."""

    name: str
    other: str
    operator: str = ""

    async def apply(self, batch: Batch) -> str:
        """Gives the id of the person that stays."""
        into, gone = await _find(batch, self.name), await _find(batch, self.other)
        if into.id == gone.id:
            raise Refused(SAME)
        await batch.execute(update(block_entry).where(block_entry.c.person == gone.id).values(person=into.id))
        await batch.execute(update(call).where(call.c.person == gone.id).values(person=into.id))
        traits = (await batch.execute(select(person_trait).where(person_trait.c.person == gone.id))).all()
        await batch.execute(delete(person_trait).where(person_trait.c.person == gone.id))
        values = [(row.kind, row.value) for row in traits]
        await _add(batch, into.id, [*values, ("name", gone.name)] if gone.name != into.name else values)
        cases = select(case_member.c.case).where(case_member.c.kind == "person", case_member.c.value == gone.id)
        for case in (await batch.execute(cases)).scalars().all():
            there = (case_member.c.case == case, case_member.c.kind == "person")
            known = (await batch.execute(select(case_member.c.value).where(*there))).scalars().all()
            of_gone = (*there, case_member.c.value == gone.id)
            if into.id in known:
                await batch.execute(delete(case_member).where(*of_gone))
            else:
                await batch.execute(update(case_member).where(*of_gone).values(value=into.id))
        note = "\n".join(filter(None, (into.note, gone.note)))
        await batch.execute(update(person).where(person.c.id == into.id).values(note=note))
        await batch.execute(delete(person).where(person.c.id == gone.id))
        _append(batch, "merge", self.operator, into, other={"id": gone.id, "name": gone.name})
        return str(into.id)


@dataclass(frozen=True, slots=True)
class Split:
    """Unit: some values of a person belong to somebody else; gives that one's id. Raises `NotFound`, `Refused`."""

    name: str
    values: tuple[str, ...]
    to: str
    operator: str = ""

    async def apply(self, batch: Batch) -> str:
        """Move entries and traits."""
        whose = await _find(batch, self.name)
        named = (block_entry.c.person == whose.id, block_entry.c.value.in_(self.values))
        traits = (person_trait.c.person == whose.id, person_trait.c.value.in_(self.values))
        entries = (await batch.execute(select(block_entry.c.id).where(*named))).all()
        moved = (await batch.execute(select(person_trait).where(*traits))).all()
        if not entries and not moved:
            raise Refused(NOTHING.with_(name=whose.name))
        if not fold_name(self.to):
            raise Refused(NO_NAME)
        other = await find_or_make(batch, self.to)
        assert other is not None
        if other == whose.id:
            raise Refused(SAME)
        await batch.execute(update(block_entry).where(*named).values(person=other))
        await batch.execute(delete(person_trait).where(*traits))
        await _add(batch, other, [(row.kind, row.value) for row in moved])
        await batch.execute(
            update(call).where(call.c.person == whose.id, call.c.number.in_(self.values)).values(person=other)
        )
        said = {"other": {"id": other, "name": fold_name(self.to)}, "values": [clean(one) for one in self.values]}
        _append(batch, "split", self.operator, whose, **said)
        return other


@dataclass(frozen=True, slots=True)
class Note:
    """Unit: what is noted of a person is replaced. Raises `NotFound`."""

    name: str
    note: str
    operator: str = ""

    async def apply(self, batch: Batch) -> None:
        """Write it and its record."""
        whose = await _find(batch, self.name)
        await batch.execute(update(person).where(person.c.id == whose.id).values(note=clean(self.note)))
        _append(batch, "note", self.operator, whose, note=clean(self.note))


@dataclass(frozen=True, slots=True)
class Add:
    """Unit: values (kind, canonical) of a person, made where there is none of the name; gives how many are new."""

    name: str
    values: tuple[tuple[str, str], ...]
    note: str = ""
    operator: str = ""

    async def apply(self, batch: Batch) -> int:
        """Write what is new, with a record where anything is."""
        if not fold_name(self.name):
            raise Refused(NO_NAME)
        id = await find_or_make(batch, self.name)
        assert id is not None
        whose = (await batch.execute(select(person).where(person.c.id == id))).one()
        new = await _add(batch, id, self.values)
        note = clean(self.note)
        if note and note not in whose.note.split("\n"):
            joined = "\n".join(filter(None, (whose.note, note)))
            await batch.execute(update(person).where(person.c.id == id).values(note=joined))
        if new or note:
            _append(batch, "add", self.operator, whose, values=[list(one) for one in new], note=note)
        return len(new)


async def list_persons(store: Store, *, text: str = "", limit: int = 1000) -> tuple[Person, ...]:
    """Persons in the order of their names, with all that is known; `text` is a part of a name, a note or a value."""
    where = []
    if text:
        part = fold_name(text)
        entries = select(block_entry.c.person).where(block_entry.c.value.icontains(part, autoescape=True))
        traits = select(person_trait.c.person).where(person_trait.c.value.icontains(part, autoescape=True))
        named = (person.c.name, person.c.note)
        fits = [column.icontains(part, autoescape=True) for column in named]
        where.append(or_(*fits, person.c.id.in_(entries), person.c.id.in_(traits), person.c.id == part.lower()))
    async with store.read() as connection:
        rows = (await connection.execute(select(person).where(*where).order_by(person.c.name).limit(limit))).all()
        return await _filled(connection, rows)


async def find_person(store: Store, name: str) -> Person:
    """The person of this name or id. Raises `NotFound`."""
    async with store.read() as connection:
        row = (await connection.execute(_named(name))).first()
        if row is None:
            raise NotFound(NOBODY.with_(name=name))
        return (await _filled(connection, [row]))[0]


async def _filled(connection: AsyncConnection, rows: Sequence[Any]) -> tuple[Person, ...]:
    values: dict[str, dict[str, dict[str, None]]] = {row.id: {} for row in rows}
    blocked: dict[str, int] = {}
    calls: dict[str, int] = {}
    ids = list(values)
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        entries = select(block_entry.c.person, block_entry.c.who, block_entry.c.value, block_entry.c.ended_at)
        for row in await connection.execute(entries.where(block_entry.c.person.in_(some))):
            values[row.person].setdefault(KIND_OF[Who(row.who)], {})[row.value] = None
            blocked[row.person] = blocked.get(row.person, 0) + (row.ended_at is None)
        traits = select(person_trait).where(person_trait.c.person.in_(some)).order_by(person_trait.c.value)
        for row in await connection.execute(traits):
            values[row.person].setdefault(row.kind, {})[row.value] = None
        counted = select(call.c.person, func.count()).where(call.c.person.in_(some)).group_by(call.c.person)
        calls |= {row[0]: row[1] for row in await connection.execute(counted)}
    return tuple(
        Person(
            row.id,
            row.name,
            row.note,
            row.created_at,
            blocked.get(row.id, 0),
            calls.get(row.id, 0),
            {kind: tuple(found) for kind, found in values[row.id].items()},
        )
        for row in rows
    )


def _named(name: str) -> Any:
    wanted = or_(person.c.name == fold_name(name), person.c.id == name.strip().lower())
    return select(person).where(wanted).order_by(person.c.created_at).limit(1)


async def _find(batch: Batch, name: str) -> Any:
    row = (await batch.execute(_named(name))).first()
    if row is None:
        raise NotFound(NOBODY.with_(name=name))
    return row


async def _add(batch: Batch, id: str, values: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Add what is not known yet; gives that."""
    rows = await batch.execute(select(person_trait.c.kind, person_trait.c.value).where(person_trait.c.person == id))
    known = {(row.kind, row.value) for row in rows}
    new = [one for one in dict.fromkeys((kind, clean(value)) for kind, value in values) if one not in known]
    for kind, value in new:
        batch.insert(person_trait, {"person": id, "kind": kind, "value": value, "added_at": batch.now})
    return new


def _append(batch: Batch, action: str, operator: str, whose: Any, **more: Any) -> None:
    record = {"action": action, "person": whose.id, "name": whose.name, "operator": clean(operator), **more}
    batch.append(KIND, record)
