"""Erasure on request: nothing of a person is left in tables, log, indexes, journal or freed pages.

The log still verifies: the leaves stay, hashes under salts that are gone. Not reached are copies outside of this
database: backups, the shop's mailbox, bundles that were handed over, the program's own log.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound, Refused, StoreError
from gateway.model.entry import Who, parse_entry
from gateway.store.body import unpack
from gateway.store.cases import holding
from gateway.store.coded_text import coded_text
from gateway.store.deletion import ERASURE, KEPT_KINDS, Delete, Deleted
from gateway.store.engine import Store
from gateway.store.erased_rows import EraseRows, own_rows
from gateway.store.scrub import scrub
from gateway.store.selection import condition, person_id
from gateway.store.tables import (
    block_entry,
    body,
    log,
    message,
    person_trait,
)
from gateway.store.traces import Traces
from gateway.text import Text

_PAGE = 2000
_BODIES = 200
CHUNK = 100
PASSES = 4
SCRUB_TRIES = 30

NOBODY = Text("「{who}」の記録はありません。", "There is no record of {who!r}.")
HELD = Text(
    "案件「{cases}」で保全されているため、消去できません。",
    "Nothing is erased: the case {cases} holds this person's mail.",
)
HELD_MEND = Text(
    "弁護士に確認のうえ「sekisho case release 案件名」で保全を解いてから、もう一度実行してください。",
    "Ask your lawyer, release the hold with `sekisho case release NAME`, then run this again.",
)
NAMED = Text(
    "理由（--reason）に本人のアドレスなどを書かないでください。理由は記録に残ります。",
    "Leave the person's address out of --reason: the reason stays on record.",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What names a person: messages and calls by their ids, and records about none of these."""

    traces: Traces
    messages: tuple[str, ...] = ()
    records: tuple[int, ...] = ()
    blocked: int = 0  # entries of the blacklist in force, which end with the erasure
    others: int = 0  # of the messages those that only mention the person: from and to others

    @property
    def anything(self) -> bool:
        """Whether there is anything to erase besides rows of tables."""
        return bool(self.messages or self.records)


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased: numbers by kind, and the numbers of the records that say so."""

    counts: dict[str, int] = field(default_factory=dict)
    seqs: tuple[int, ...] = ()


async def traces_of(store: Store, who: str) -> Traces:
    """The traces of an address, a phone number, or a person by name or id. Raises `NotFound`."""
    entry = parse_entry(who)
    if entry is not None and entry.who in (Who.ADDRESS, Who.PHONE):
        alone = Traces((entry.value,)) if entry.who is Who.ADDRESS else Traces(phones=(entry.value,))
        async with store.read() as connection:
            whose = [
                select(block_entry.c.person).where(
                    block_entry.c.value == entry.value, block_entry.c.person.is_not(None)
                ),
                select(person_trait.c.person).where(person_trait.c.value == entry.value),
            ]
            ids = {id for statement in whose for id in (await connection.execute(statement)).scalars()}
            # who has nothing beside this is not known any more afterwards
            known = [(id, await _known(connection, id)) for id in sorted(ids)]
        nothing_else = tuple(id for id, found in known if found == (alone.addresses, alone.phones))
        return Traces(alone.addresses, alone.phones, nothing_else)
    id = await person_id(store, who)
    async with store.read() as connection:
        return Traces(*await _known(connection, id), (id,))


async def _known(connection: AsyncConnection, id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses and phone numbers that are on record of a person."""
    found: dict[str, set[str]] = {"address": set(), "phone": set()}
    entries = select(block_entry.c.who.label("kind"), block_entry.c.value).where(block_entry.c.person == id)
    traits = select(person_trait.c.kind, person_trait.c.value).where(person_trait.c.person == id)
    for statement in (entries, traits):
        for row in await connection.execute(statement):
            if row.kind in found:
                found[row.kind].add(row.value)
    return tuple(sorted(found["address"])), tuple(sorted(found["phone"]))


async def find(store: Store, traces: Traces) -> Found:
    """Everything that names the person, in a few passes over log and bodies; changes nothing. Raises `StoreError`."""
    messages, records, own = await _in_log(store, traces, 0)
    named = await _in_bodies(store, traces)
    blocked = 0
    async with store.read() as connection:
        active = or_(block_entry.c.value.in_(traces.addresses + traces.phones), block_entry.c.person.in_(traces.ids))
        count = select(func.count()).select_from(block_entry).where(active, block_entry.c.ended_at.is_(None))
        blocked = int((await connection.execute(count)).scalar_one())
        everything = await _with_answers(connection, messages | named)
    others = len((messages | named) - own)
    return Found(traces, tuple(sorted(everything)), tuple(sorted(records)), blocked, others)


async def rows_of(store: Store, traces: Traces) -> int:
    """How many rows of tables are the person's own. Raises `StoreError`."""
    total = 0
    async with store.read() as connection:
        for table, where in own_rows(traces):
            count = select(func.count()).select_from(table).where(where)
            total += int((await connection.execute(count)).scalar_one())
    return total


async def erase(store: Store, found: Found, reason: str, operator: str) -> Erased:
    """Erase what was found, then what came meanwhile, then overwrite freed space.

    Raises `Refused` while a case holds any of it or a message is being sent, `StoreError`; it may be run again then.
    """
    if found.traces.pattern.search(reason):
        raise Refused(NAMED)
    await refuse_held(store, found)
    counts: Counter[str] = Counter()
    seqs: list[int] = []
    for _ in range(PASSES):
        for start in range(0, max(len(found.messages), 1), CHUNK):
            some = found.messages[start : start + CHUNK]
            records = found.records if start == 0 else ()
            gone: Deleted = await store.committer.submit(Delete(some, ERASURE, reason, operator, records, strict=True))
            counts.update(gone.counts)
            seqs += [gone.seq] if gone.seq is not None else []
            await asyncio.sleep(0)
        counts.update(await store.committer.submit(EraseRows(found.traces)))
        found = await find(store, found.traces)
        if not found.anything:
            break
    await scrub(store)
    return Erased(dict(counts), tuple(seqs))


async def refuse_held(store: Store, found: Found) -> None:
    """Raise `Refused` where a case holds the person, or any of what was found."""
    ids, pattern = set(found.messages), found.traces.pattern
    async with store.read() as connection:
        names = []
        for case in await holding(connection):
            members = [value for values in case.members.values() for value in values]
            named = any(pattern.search(value) for value in members)
            if not named and ids:
                where = await condition(connection, case.selection)
                held = (await connection.execute(select(message.c.id).where(where))).scalars()
                named = any(id in ids for id in held)
            if named:
                names.append(case.name)
    if names:
        raise Refused(HELD.with_(cases=", ".join(names)), HELD_MEND)


async def _in_log(store: Store, traces: Traces, first: int) -> tuple[set[str], set[int], set[str]]:
    """Messages whose records name the person, records about no message, and the messages from or to the person."""
    pattern, at = traces.pattern, first - 1
    messages: set[str] = set()
    records: set[int] = set()
    own: set[str] = set()
    while True:
        page = select(log.c.seq, log.c.kind, log.c.record, log.c.message).where(log.c.seq > at)
        async with store.read() as connection:
            rows = (await connection.execute(page.order_by(log.c.seq).limit(_PAGE))).all()
        if not rows:
            return messages, records, own
        at = rows[-1].seq
        for row in await asyncio.to_thread(_naming, rows, pattern):
            if row.kind in KEPT_KINDS:
                continue
            if row.message:
                messages.add(row.message)
                if row.kind in ("mail.in", "mail.out", "call") and pattern.search(_envelope(row.record)):
                    own.add(row.message)
            else:
                records.add(row.seq)


def _naming(rows: Sequence[Any], pattern: re.Pattern[str]) -> list[Any]:
    return [row for row in rows if row.record is not None and pattern.search(row.record)]


def _envelope(record: str) -> str:
    """The part of a record that says from whom and to whom; facts and dialogue may only mention somebody."""
    said = json.loads(record)
    told = [said.get("envelope"), said.get("headers", {}).get("from"), said.get("sender"), said.get("number")]
    return json.dumps(told, ensure_ascii=False)


async def _in_bodies(store: Store, traces: Traces) -> set[str]:
    """Messages whose bytes name the person, as they are or decoded."""
    pattern, at = traces.raw_pattern, ""
    named: set[str] = set()
    while True:
        page = (
            select(body.c.message, body.c.zstd, message.c.size)
            .join(message, message.c.id == body.c.message)
            .where(body.c.message > at)
            .order_by(body.c.message)
            .limit(_BODIES)
        )
        async with store.read() as connection:
            rows = (await connection.execute(page)).all()
        if not rows:
            return named
        at = rows[-1].message
        named.update(await asyncio.to_thread(_bodies_naming, rows, pattern))


def _bodies_naming(rows: Sequence[Any], pattern: re.Pattern[bytes]) -> list[str]:
    found = []
    for row in rows:
        try:
            raw = unpack(row.zstd, row.size)
        except StoreError:
            continue  # damaged: `verify` says so
        if pattern.search(raw) or any(map(pattern.search, coded_text(raw))):
            found.append(row.message)
    return found


async def _with_answers(connection: AsyncConnection, ids: set[str]) -> set[str]:
    """The messages, and what the gateway sent about them."""
    everything, wanted = set(ids), sorted(ids)
    for start in range(0, len(wanted), CHUNK):
        about = select(message.c.id).where(message.c.about.in_(wanted[start : start + CHUNK]))
        everything.update((await connection.execute(about)).scalars())
    return everything


def nobody(who: str) -> NotFound:
    """The error for somebody of whom there is no trace."""
    return NotFound(NOBODY.with_(who=who))
