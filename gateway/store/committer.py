"""Group commit: all work that waits at this moment goes into one transaction, with the log appended in it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.errors import StoreError
from gateway.store.batch import Batch
from gateway.store.failures import BUSY, DATABASE_ERRORS, DRIVER_ERRORS, is_of_one_record, store_error
from gateway.store.writer import SqliteWriter, Stale, Writer, open_writer
from gateway.text import Text

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

BATCH_UNITS = 128
BATCH_BYTES = 64 * 1024 * 1024
WAITING = 20_000  # units that may wait before more are turned away
TIMEOUT = 30.0  # seconds for one transaction

CLOSED = Text("データベースは閉じられています。", "The database is closed.")
HUNG = Text(
    "データベースが時間内に応答しませんでした。最後の書き込みが残ったかどうかは分かりません。",
    "The database did not answer in time; whether the last write was kept is not known.",
)
HUNG_MEND = Text("ディスクとデータベースの状態を確認してください。", "Check the disk and the database.")


class Unit(Protocol[T_co]):
    """Work that is done wholly or not at all. `apply` may be called again in a new transaction where one failed.

    A unit may have `prepare()`, awaited before it waits for its transaction, for work that needs none; and `weight`,
    its size in bytes where it is large.
    """

    async def apply(self, batch: Batch) -> T_co:
        """Do the work through `batch`; what it raises goes to the submitter, and nothing of it is kept."""


class _Waiting:
    __slots__ = ("error", "future", "result", "unit", "weight")

    def __init__(self, unit: Unit[Any], future: asyncio.Future[Any]) -> None:
        self.unit = unit
        self.future = future
        self.weight = int(getattr(unit, "weight", 0))
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():  # the submitter was cancelled; the work is done all the same
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Committer:
    """Takes units and commits them in groups, one transaction at a time while the next group gathers."""

    def __init__(self, engine: AsyncEngine, *, timeout: float = TIMEOUT) -> None:
        self._engine = engine
        self._timeout = timeout
        self._waiting: deque[_Waiting] = deque()
        self._runner: asyncio.Task[None] | None = None
        self._writer: Writer | None = None
        self._closed = False
        self.transactions = 0  # committed so far
        self.units = 0  # kept so far

    async def submit(self, unit: Unit[T]) -> T:
        """Do the unit's work in the next transaction; returns its result after the commit.

        Raises what the unit raised, or `StoreError` where the transaction failed: then nothing is kept. Cancelling the
        caller does not cancel the work.
        """
        prepare: Callable[[], Awaitable[None]] | None = getattr(unit, "prepare", None)
        if prepare is not None:
            await prepare()
        if self._closed:
            raise StoreError(CLOSED)
        if len(self._waiting) >= WAITING:
            raise StoreError(BUSY)
        waiting = _Waiting(unit, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="committer")
        result: T = await waiting.future
        return result

    async def close(self) -> None:
        """Commit what waits, then let go of the connection."""
        self._closed = True
        if self._runner is not None:
            await asyncio.gather(self._runner, return_exceptions=True)
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()

    async def _run(self) -> None:
        group: list[_Waiting] = []
        try:
            while self._waiting:
                group = self._next_group()
                await self._commit(group)
                for waiting in group:
                    waiting.settle()
        finally:
            self._runner = None
            for waiting in (*group, *self._waiting):  # none, but where the loop is being shut down
                waiting.error = waiting.error or StoreError(CLOSED)
                waiting.settle()
            self._waiting.clear()

    def _next_group(self) -> list[_Waiting]:
        group, weight = [self._waiting.popleft()], 0
        weight = group[0].weight
        while self._waiting and len(group) < BATCH_UNITS and weight + self._waiting[0].weight <= BATCH_BYTES:
            group.append(self._waiting.popleft())
            weight += group[-1].weight
        return group

    async def _commit(self, group: list[_Waiting]) -> None:
        """Commit a group; afterwards each of it has its result or its error."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._transaction(group)
        except BaseException as error:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.abandon()
            if is_of_one_record(error) and len(group) > 1:
                for waiting in group:  # each by itself: the one that cannot be kept does not take the others with it
                    waiting.error = None
                    await self._commit([waiting])
                return
            for waiting in group:
                waiting.error = _failure(error)
            if not isinstance(error, Exception):
                raise

    async def _transaction(self, group: list[_Waiting]) -> None:
        try:
            await self._try(group)
        except Stale:  # the next one begins with a look at the log and holds the lock from then on
            for waiting in group:
                waiting.error = None
            await self._try(group)

    async def _try(self, group: list[_Waiting]) -> None:
        batch = await self._begin()
        for number, waiting in enumerate(group):
            if number % 16 == 15:
                await asyncio.sleep(0)  # the event loop is not held by a large group
            try:
                waiting.result = await waiting.unit.apply(batch)
            except (*DRIVER_ERRORS, Stale):
                raise  # the transaction can no longer be trusted
            except Exception as error:
                waiting.error = error
            await (batch.keep() if waiting.error is None else batch.drop())
        await batch.commit()
        self.transactions += 1
        self.units += sum(waiting.error is None for waiting in group)

    async def _begin(self) -> Batch:
        if self._writer is not None:
            try:
                return Batch(self._writer, await self._writer.begin())
            except DATABASE_ERRORS:
                if isinstance(self._writer, SqliteWriter):
                    raise
                # an old connection may have died while nobody used it; nothing was done yet, so a new one may try
                self._writer.abandon()
                self._writer = None
        self._writer = await open_writer(self._engine)
        return Batch(self._writer, await self._writer.begin())


def _failure(error: BaseException) -> StoreError:
    """An error of its own for each submitter, with its cause for the program's log."""
    if isinstance(error, TimeoutError):
        failure = StoreError(HUNG, HUNG_MEND)
    elif isinstance(error, Exception):
        failure = store_error(error)
    else:
        failure = StoreError(CLOSED)
    if failure is not error:
        failure.__cause__ = error
    return failure
