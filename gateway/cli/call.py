"""`sekisho call`: telephone calls as evidence beside the mail."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gateway.cli.context import current, operator
from gateway.cli.output import emit, say
from gateway.cli.usage import WrongUsage
from gateway.cli.verbs import Verb
from gateway.cli.when import ago
from gateway.errors import Refused
from gateway.store.calls import AddCall
from gateway.store.selection import canonical
from gateway.text import Text

LARGEST = 500 * 1024 * 1024  # bytes of a recording

_DONE = Text("電話を記録しました（{id}）。", "The call is on record ({id}).")
_NUMBER = Text("「{number}」は電話番号として読み取れません。", "{number!r} is no telephone number.")
_NO_SUMMARY = Text("内容を --summary で書いてください。", "Say with --summary what was said.")
_FILE = Text("録音ファイルを読めません：{path}（{why}）", "The recording {path} cannot be read: {why}")
_LARGE = Text("録音ファイルが大きすぎます（最大 {most} MB）。", "The recording is larger than {most} MB.")
_FUTURE = Text("--at が未来の日時です。", "--at lies in the future.")


async def add(
    *,
    summary: Annotated[
        str, Text("話の内容。言われた言葉をできるだけそのまま。", "What was said, as literally as possible.")
    ],
    at: Annotated[
        str,
        Parameter(metavar="WHEN"),
        Text("日時。2026-11-01T10:00。省略時は今。", "When: 2026-11-01T10:00; otherwise now."),
    ] = "",
    number: Annotated[
        str,
        Parameter(metavar="NUMBER"),
        Text("相手の電話番号。非通知なら省略。", "Their number; leave out if withheld."),
    ] = "",
    person: Annotated[str, Parameter(metavar="NAME"), Text("お客様のお名前。", "The person.")] = "",
    order: Annotated[str, Parameter(metavar="NUMBER"), Text("注文番号。", "The order number.")] = "",
    recording: Annotated[
        Path | None, Text("録音ファイル。そのまま保存されます。", "A recording, kept as it is.")
    ] = None,
) -> int:
    """Keep a telephone call as evidence."""
    context = current()
    if not summary.strip():
        raise WrongUsage(_NO_SUMMARY)
    try:
        digits = canonical("phone", number) if number.strip() else ""
    except ValueError as error:
        raise WrongUsage(_NUMBER.with_(number=number[:100])) from error
    moment = (ago(at) or datetime.now(UTC)).astimezone(UTC)
    if moment > datetime.now(UTC):
        raise WrongUsage(_FUTURE)
    file = (recording.name, await asyncio.to_thread(_read, recording)) if recording is not None else None
    async with context.store() as store:
        unit = AddCall(moment, digits, summary.strip(), person=person, order=order, operator=operator(), file=file)
        id = await store.committer.submit(unit)
    if context.json:
        emit({"id": id})
    say(_DONE, id=id)
    return 0


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise Refused(_LARGE.with_(most=LARGEST // 1024**2))
        return path.read_bytes()
    except OSError as error:
        raise Refused(_FILE.with_(path=path, why=error.strerror or str(error))) from error


VERBS = (Verb("add", add, Text("電話を記録します。", "Put a telephone call on record.")),)
