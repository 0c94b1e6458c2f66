"""What the daemon does by itself from time to time: checkpoints, signs of life, a look at the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from gateway.errors import SekishoError

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Chore:
    """Work that is done every `every` seconds; a failure is logged and does not stop the next time."""

    name: str
    every: float
    work: Callable[[], Awaitable[object]]


async def keep_house(chores: list[Chore]) -> None:
    """Do all chores, each in its own rhythm, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for chore in chores:
            group.create_task(_repeat(chore), name=f"chore {chore.name}")


async def _repeat(chore: Chore) -> None:
    while True:
        await asyncio.sleep(chore.every)
        try:
            await chore.work()
        except SekishoError as error:  # known and passing, such as a locked database
            logger.warning("chore_failed", chore=chore.name, why=str(error))
        except Exception:
            logger.exception("chore_failed", chore=chore.name)
