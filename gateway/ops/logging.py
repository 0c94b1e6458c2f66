"""How the program logs its own work: structlog, as text on a terminal and as JSON lines otherwise."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from gateway.model.settings import Log


def configure(settings: Log, stream: Any = None) -> None:
    """Set up structlog, and quiet the libraries: aiosmtpd's INFO logs addresses, its DEBUG bodies."""
    out = sys.stderr if stream is None else stream
    text = settings.format == "text" or (settings.format == "auto" and out.isatty())
    level = getattr(logging, settings.level.upper(), logging.INFO)
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if text:
        processors.append(structlog.dev.ConsoleRenderer(colors=out.isatty()))
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_line)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("mail.log", "mail.debug", "asyncio", "aiosqlite"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _line(event: dict[str, Any], default: Callable[[Any], Any]) -> str:
    """An event as one line of JSON."""
    try:
        return orjson.dumps(event, default=default).decode()
    except TypeError:  # lone surrogates, integers of more than 64 bits
        return json.dumps(event, default=default)
