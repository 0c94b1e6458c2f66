"""`sekisho people import` and `export`: persons out of a CSV file and into one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from gateway.cli.context import STANDARD_INPUT, current, operator
from gateway.cli.output import emit, progress, say
from gateway.cli.people_csv import read_csv, write_csv
from gateway.errors import Refused
from gateway.store import persons
from gateway.text import Text

_IMPORTED = Text("{people} 名、{values} 件の情報を取り込みました。", "{values} values of {people} persons are new.")
_EXPORTED = Text("{people} 名を {path} に書き出しました。", "{people} persons are written to {path}.")
_WRITE = Text("{path} に書けません：{why}", "{path} cannot be written: {why}")
_READ = Text("{path} を読めません：{why}", "{path} cannot be read: {why}")


async def import_people(
    file: Annotated[Path, Text("CSV ファイル。- は標準入力。", "The CSV file; - reads standard input.")], /
) -> int:
    """Take in persons from a CSV as `export` writes it; what is known already is left."""
    context = current()
    raw = await asyncio.to_thread(_read, file)
    people = read_csv(raw)
    new = 0
    async with context.store() as store:
        with progress() as bar:
            for one in bar.track(people):
                new += await store.committer.submit(persons.Add(one.name, one.values, one.note, operator()))
    if context.json:
        emit({"people": len(people), "values": new})
    say(_IMPORTED, people=len(people), values=new)
    return 0


async def export_people(
    file: Annotated[Path | None, Text("書き出すファイル。省略時は画面へ。", "The file; otherwise the screen.")] = None,
    /,
) -> int:
    """Everybody on record as CSV that opens in Excel."""
    context = current()
    async with context.store(create=False) as store:
        found = await persons.list_persons(store, limit=1_000_000)
    written = write_csv(found)
    if file is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
        return 0
    try:
        await asyncio.to_thread(file.write_bytes, written)
    except OSError as error:
        raise Refused(_WRITE.with_(path=file, why=error.strerror)) from error
    if context.json:
        emit({"people": len(found), "file": str(file)})
    say(_EXPORTED, people=len(found), path=file)
    return 0


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise Refused(_READ.with_(path=file, why=error.strerror)) from error
