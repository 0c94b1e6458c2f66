"""How verbs show things: tables and sentences for people, JSON lines for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text as RichText

from gateway.cli.context import current
from gateway.cli.safe import json_safe, one_line, printable
from gateway.text import Text

__all__ = [
    "cell",
    "confirm",
    "console",
    "emit",
    "fields",
    "listing",
    "local",
    "one_line",
    "printable",
    "progress",
    "say",
    "table",
    "warn",
]

UNBOUNDED = 5000  # columns: as wide as it takes, where output goes into a file or a pipe


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let `main` end the command quietly; rich would exit with 1."""
        raise BrokenPipeError


def console(*, stderr: bool = False, width: int = 200) -> Console:
    """The terminal; `width` columns where output goes into a file or a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    return _Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not stream.isatty(),
        width=None if stream.isatty() else width,
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
    sys.stdout.write(json_safe(json.dumps(value, ensure_ascii=False, default=_json)) + "\n")


def table(headings: Sequence[Text], rows: Iterable[Sequence[object]], *, title: Text | None = None) -> None:
    """A table for people; cells are text as it is, never markup."""
    language = current().language
    shown = Table(title=title.in_(language) if title else None, title_justify="left", header_style="bold")
    for heading in headings:
        shown.add_column(heading.in_(language), overflow="fold")
    for row in rows:
        shown.add_row(*(RichText(cell(value)) for value in row))
    console().print(shown)


def listing(headings: Sequence[Text], rows: Iterable[Sequence[object]], *, first: int = 3) -> None:
    """A list for people, a line a row in files and pipes, and on a terminal that is wide enough.

    On a narrow one the `first` columns of a row stand on its first line, and what is left below them.
    """
    language = current().language
    cells = [[one_line(cell(value)) for value in row] for row in rows]
    names = [heading.in_(language) for heading in headings]
    widths = [max(map(cell_len, column)) for column in zip(names, *cells, strict=True)]
    out = console(width=UNBOUNDED)
    narrow = sum(widths) + 2 * (len(widths) - 1) > out.width

    def put(row: Sequence[str], style: str = "") -> None:
        said = "  ".join(set_cell_size(text, width) for text, width in zip(row, widths, strict=False)).rstrip()
        out.print(RichText(said, style), soft_wrap=True)

    if not narrow:
        put(names, "bold underline")
    for row in cells:
        if narrow:
            put(row[:first], "bold")
            out.print(RichText("    " + "  ".join(filter(None, row[first:]))), soft_wrap=True)
        else:
            put(row)


def fields(rows: Iterable[tuple[Text | str, object]], *, indent: int = 2) -> None:
    """Names with their values, the values one below the other; empty ones are left out."""
    language = current().language
    shown = [(name.in_(language) if isinstance(name, Text) else printable(name), cell(value)) for name, value in rows]
    width = max((cell_len(name) for name, value in shown if value), default=0)
    out = console()
    for name, value in shown:
        if value:
            out.print(
                RichText(" " * indent + set_cell_size(name, width) + "  ", "cyan") + RichText(value), soft_wrap=True
            )


def cell(value: object) -> str:
    """A value as people read it, without control characters."""
    if value is None:
        return ""
    if isinstance(value, Text):
        return printable(value.in_(current().language))
    if isinstance(value, datetime):
        return local(value)
    if isinstance(value, bool):
        return YES.in_(current().language) if value else NO.in_(current().language)
    if isinstance(value, list | tuple):
        return ", ".join(cell(v) for v in value)
    return printable(str(value))


YES = Text("はい", "yes")
NO = Text("いいえ", "no")


def local(moment: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time in the shop's zone, to the second."""
    return moment.astimezone(current().zone).strftime(form)


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
