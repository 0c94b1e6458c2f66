"""How verbs show things: tables and sentences for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text as RichText

from gateway.cli.context import current
from gateway.text import Text


def console(*, stderr: bool = False) -> Console:
    """The terminal; as wide as it takes where output goes into a file or a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not stream.isatty(),
        width=None if stream.isatty() else 200,
    )


def say(text: Text | str, **values: object) -> None:
    """One sentence on standard output, in the reader's language; nothing with --json."""
    context = current()
    if not context.json:
        console().print(_plain(text, values), soft_wrap=True)


def warn(text: Text | str, **values: object) -> None:
    """One sentence on standard error, in the reader's language."""
    console(stderr=True).print(_plain(text, values), soft_wrap=True)


def _plain(text: Text | str, values: dict[str, object]) -> str:
    if isinstance(text, str):
        return printable(text)
    return printable((text.with_(**values) if values else text).in_(current().language))


def emit(value: Any) -> None:
    """One JSON object on a line of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_json) + "\n")


def table(headings: Sequence[Text], rows: Iterable[Sequence[object]], *, title: Text | None = None) -> None:
    """A table for people; cells are text as it is, never markup."""
    language = current().language
    shown = Table(title=title.in_(language) if title else None, title_justify="left", header_style="bold")
    for heading in headings:
        shown.add_column(heading.in_(language), overflow="fold")
    for row in rows:
        shown.add_row(*(RichText(cell(value)) for value in row))
    console().print(shown)


def cell(value: object) -> str:
    """A value as people read it, without control characters."""
    if value is None:
        return ""
    if isinstance(value, Text):
        return value.in_(current().language)
    if isinstance(value, datetime):
        return local(value)
    if isinstance(value, bool):
        return YES.in_(current().language) if value else NO.in_(current().language)
    if isinstance(value, list | tuple):
        return ", ".join(cell(v) for v in value)
    return printable(str(value))


YES = Text("はい", "yes")
NO = Text("いいえ", "no")


def local(moment: datetime) -> str:
    """A time in the shop's zone, to the second."""
    context = current()
    zone = context.settings.shop.timezone if "settings" in context.__dict__ else None
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control characters other than line feed and tab are shown as their code."""
    if text.isprintable():
        return text
    return "".join(
        c
        if c in "\n\t" or c.isprintable() or c == "\u3000"
        else f"\\x{ord(c):02x}"
        if ord(c) < 256
        else f"\\u{ord(c):04x}"
        for c in text
    )


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Text):
        return value.in_(current().language)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def progress() -> Progress:
    """A progress bar on standard error, shown only on a terminal."""
    shown = console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=shown,
        disable=not sys.stderr.isatty() or current().json,
        transient=True,
    )


def confirm(question: Text) -> bool:
    """Ask on the terminal; without one the answer is no."""
    if not sys.stdin.isatty():
        return False
    console(stderr=True).print(question.in_(current().language), end=" [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes", "はい"}
