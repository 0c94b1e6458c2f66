"""`sekisho run`: the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.cli.context import current
from gateway.config import load_settings
from gateway.daemon import Daemon
from gateway.ops import logging


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where it is installed, otherwise Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Any = uvloop.new_event_loop
    return factory  # type: ignore[no-any-return]


def run() -> int:
    """Run until SIGTERM or Ctrl-C; SIGHUP reloads."""
    context = current()
    settings = context.settings
    logging.configure(settings.log)

    async def serve() -> None:
        await Daemon(settings, lambda: load_settings(context.path, context.environ)).run()

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve())
    return 0
