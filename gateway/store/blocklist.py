"""The blacklist in memory: says no without a database round trip, and follows what other processes block."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import StoreError
from gateway.model.entry import Who, address_keys, ip_keys
from gateway.model.growing import Gatherer, KeySet, NetworkSet
from gateway.model.lookup import BlockEntry
from gateway.model.network import parse_network
from gateway.store.blocks import counts
from gateway.store.engine import Store
from gateway.store.tables import block_entry, person

logger = structlog.get_logger()

PAGE = 4000  # rows taken in between two turns of the event loop
POLL = 1.0  # seconds
RETRY = 5.0  # seconds after a failure of the database


class Blocklist:
    """Which addresses and IPs active entries cover.

    Before everything is loaded, and after a yes, the database is asked; an entry that ended since costs one such
    question, never a wrong answer.
    """

    def __init__(self, store: Store, *, poll: float = POLL) -> None:
        self._store = store
        self._poll = poll
        self._keys = KeySet()
        self._networks = NetworkSet()
        self._seen: tuple[int, str] | None = None  # seq and id of the newest row taken in
        self._task: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()

    @property
    def loaded(self) -> bool:
        """Whether a no can be said without the database."""
        return self._loaded.is_set()

    async def start(self) -> None:
        """Begin to load, and then to follow, in the background."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="blocklist")

    async def ready(self) -> None:
        """Wait until all entries are loaded."""
        await self._loaded.wait()

    async def stop(self) -> None:
        """Stop following."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def follow(self) -> None:
        """Take in every entry that was added since the last time, all of them at first. Raises `StoreError`."""
        if self._seen is None:
            await self._load()
        while True:
            rows = await self._newer()
            for who, value, ended_at, _, _ in rows:
                if ended_at is None and who != Who.NETWORK:
                    self._keys.add(value)
            new = [value for who, value, ended_at, _, _ in rows if ended_at is None and who == Who.NETWORK]
            if new:
                found = [network for value in new if (network := parse_network(value)) is not None]
                await asyncio.to_thread(self._networks.update, found)
            if rows:
                self._seen = (rows[-1].seq, rows[-1].id)
            if len(rows) < PAGE:
                self._loaded.set()
                return

    async def _load(self) -> None:
        """Read all active entries in one go: a million in two seconds or so, away from the event loop with SQLite."""
        columns = (block_entry.c.who, block_entry.c.value)
        active = select(*columns).where(block_entry.c.ended_at.is_(None))
        async with self._store.read() as connection:
            newest = (await connection.execute(select(func.max(block_entry.c.seq)))).scalar()
            sql = str(active.compile(connection.sync_engine))
            driver: Any = (await connection.get_raw_connection()).driver_connection
            if self._store.embedded:
                self._keys, self._networks = await driver.in_thread(lambda raw: _read_all(raw, sql))
            else:
                self._keys, self._networks = await _stream_all(driver, sql)
        # What was committed with this number or before is read; a row of a later record has a higher one.
        self._seen = (-1 if newest is None else newest + 1, "")

    async def _newer(self) -> Sequence[Any]:
        assert self._seen is not None
        at = tuple_(block_entry.c.seq, block_entry.c.id)
        statement = (
            select(block_entry.c.who, block_entry.c.value, block_entry.c.ended_at, block_entry.c.seq, block_entry.c.id)
            # the first condition says nothing new, but lets the index on seq find the place
            .where(block_entry.c.seq >= self._seen[0], at > tuple_(*self._seen))
            .order_by(block_entry.c.seq, block_entry.c.id)
            .limit(PAGE)
        )
        async with self._store.read() as connection:
            return (await connection.execute(statement)).all()

    async def covering_address(self, address: str) -> Sequence[BlockEntry]:
        """Active entries that cover a folded address, most exact first. Raises `StoreError`."""
        keys: Iterable[str] = address_keys(address)
        if self.loaded:
            held = self._keys
            keys = [key for key in keys if key in held]
        return await self._confirm(keys) if keys else ()

    async def covering_ip(self, ip: str) -> Sequence[BlockEntry]:
        """Active entries that cover an IP, longest prefix first. Raises `StoreError`."""
        if self.loaded and ip not in self._networks:
            return ()
        keys = ip_keys(ip)
        return await self._confirm(keys) if keys else ()

    async def covering_any(self, addresses: Iterable[str], at_most: int) -> Sequence[BlockEntry]:
        """Active entries that cover one of the addresses, at most `at_most`. Raises `StoreError`."""
        wanted = dict.fromkeys(
            key for address in addresses for key in address_keys(address) if not self.loaded or key in self._keys
        )
        found: list[BlockEntry] = []
        keys = list(wanted)
        for start in range(0, len(keys), 500):
            found += await self._confirm(keys[start : start + 500])
            if len(found) >= at_most:
                break
        return found[:at_most]

    async def _confirm(self, keys: Iterable[str]) -> Sequence[BlockEntry]:
        order = {key: place for place, key in enumerate(keys)}
        async with self._store.read() as connection:
            rows = await _entries(connection, list(order))
        return sorted(rows, key=lambda entry: order[entry.entry])

    async def _run(self) -> None:
        while True:
            try:
                await self.follow()
                wait = self._poll
            except StoreError as error:
                # What others blocked meanwhile is not known: the database is asked, as long as it answers.
                self._loaded.clear()
                logger.warning("blocklist_not_followed", error=str(error))
                wait = RETRY
            except Exception:
                # A defect here must cost speed, never let a blocked person through.
                self._loaded.clear()
                logger.exception("blocklist_not_followed")
                wait = RETRY
            await asyncio.sleep(wait)


def _read_all(raw: sqlite3.Connection, sql: str) -> tuple[KeySet, NetworkSet]:
    gatherer = Gatherer()
    cursor = raw.execute(sql)
    while rows := cursor.fetchmany(PAGE):
        _gather(gatherer, rows)
    return gatherer.sets()


async def _stream_all(driver: Any, sql: str) -> tuple[KeySet, NetworkSet]:
    gatherer = Gatherer()
    async with driver.transaction():  # a cursor on the server lives in a transaction
        cursor = await driver.cursor(sql)
        while rows := await cursor.fetch(PAGE):
            _gather(gatherer, rows)
    return await asyncio.to_thread(gatherer.sets)


def _gather(gatherer: Gatherer, rows: Iterable[Any]) -> None:
    network = Who.NETWORK.value
    gatherer.keys(value for who, value in rows if who != network)
    gatherer.networks(value for who, value in rows if who == network)


async def _entries(connection: AsyncConnection, values: Sequence[str]) -> list[BlockEntry]:
    statement = (
        select(block_entry.c.id, block_entry.c.value, block_entry.c.reason, person.c.name, block_entry.c.watched)
        .outerjoin(person, person.c.id == block_entry.c.person)
        .where(block_entry.c.value.in_(values), counts(datetime.now(UTC)))
    )
    rows = await connection.execute(statement)
    return [BlockEntry(row.id, row.value, row.reason, row.name or "", row.watched) for row in rows]
