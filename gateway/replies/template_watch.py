"""Edited templates take effect by themselves, as rules do; faulty ones never replace those in force."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.errors import ConfigError
from gateway.replies.templates import Templates

logger = structlog.get_logger()

Tell = Callable[[ConfigError], Awaitable[None]]


async def watch_templates(templates: Templates, tell: Tell, every: float = 1.0) -> None:
    """Reload whenever a file of the folder changes; a fault is told once. Runs until cancelled."""
    while True:
        await asyncio.sleep(every)
        seen = await asyncio.to_thread(templates.look)
        if seen == templates.stamp:
            continue
        # An editor may still be writing: wait until two looks agree.
        await asyncio.sleep(min(every, 0.2))
        if await asyncio.to_thread(templates.look) != seen:
            continue
        try:
            await asyncio.to_thread(templates.reload)
            logger.info("templates_changed")
        except ConfigError as error:
            logger.warning("templates_kept", reason="the new templates have faults", faults=error.in_("en"))
            await tell(error)
