"""The names of all persons in memory: says at once that nobody is called so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, select

from gateway.model.entry import Who
from gateway.model.lookup import KnownPerson
from gateway.model.names import name_keys, tells_a_person
from gateway.store.engine import Store
from gateway.store.tables import block_entry, person

MOST = 50_000  # persons, the newest
PAGE = 1000  # names folded between two turns of the event loop
LOOK = 2.0  # seconds between two looks whether there are more
RELOAD = 600.0  # seconds after which all are read anew: somebody may have been renamed
_MOST_FOUND = 20  # persons of one name
_MOST_ENTRIES = 2000  # of all of them
_OF_ADDRESSES = (Who.ADDRESS.value, Who.DOMAIN.value, Who.SUBDOMAINS.value)


class PersonNames:
    """Which persons have a name with one of some keys. Read at the first question, then whenever there are more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ids: dict[str, list[str]] = {}  # by name key
        self._state: tuple[int, datetime | None] | None = None  # how many there are, when the newest was made
        self._looked = self._read = float("-inf")
        self._reading = asyncio.Lock()

    async def named(self, keys: Collection[str]) -> Sequence[KnownPerson]:
        """Persons of these keys with their addresses. Raises `StoreError`."""
        await self._follow()
        found = dict.fromkeys(id for key in keys for id in self._ids.get(key, ()))
        return await self._with_entries(list(found)[:_MOST_FOUND]) if found else ()

    async def _follow(self) -> None:
        if not self._due() or (self._state is not None and self._reading.locked()):
            return  # while one question waits for newer names, the others are answered from those at hand
        async with self._reading:
            if not self._due():
                return
            async with self._store.read() as connection:
                row = (await connection.execute(select(func.count(), func.max(person.c.created_at)))).one()
            state = (int(row[0]), row[1])
            if state != self._state or time.monotonic() - self._read > RELOAD:
                self._ids = await self._load()
                self._state, self._read = state, time.monotonic()
            self._looked = time.monotonic()

    def _due(self) -> bool:
        return time.monotonic() - self._looked > LOOK

    async def _load(self) -> dict[str, list[str]]:
        ids: dict[str, list[str]] = {}
        page = select(person.c.id, person.c.name).order_by(person.c.id.desc()).limit(PAGE)
        last = None
        for _ in range(MOST // PAGE):
            async with self._store.read() as connection:
                rows = (await connection.execute(page if last is None else page.where(person.c.id < last))).all()
            for row in rows:
                for key in name_keys(row.name):
                    if tells_a_person(key):
                        ids.setdefault(key, []).append(row.id)
            if len(rows) < PAGE:
                break
            last = rows[-1].id
            await asyncio.sleep(0)
        return ids

    async def _with_entries(self, ids: Sequence[str]) -> Sequence[KnownPerson]:
        statement = (
            select(person.c.id, person.c.name, block_entry.c.value)
            .outerjoin(block_entry, (block_entry.c.person == person.c.id) & block_entry.c.who.in_(_OF_ADDRESSES))
            .where(person.c.id.in_(ids))
            .order_by(person.c.id)
            .limit(_MOST_ENTRIES)
        )
        async with self._store.read() as connection:
            rows = (await connection.execute(statement)).all()
        names = {row.id: row.name for row in rows}
        entries: dict[str, list[str]] = {id: [] for id in names}
        for row in rows:
            if row.value is not None:
                entries[row.id].append(row.value)
        return [KnownPerson(name, tuple(dict.fromkeys(entries[id]))) for id, name in names.items()]
