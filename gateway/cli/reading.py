"""Reading the text of mail on record: for a person, and to find the mail that names an order."""

from __future__ import annotations

import asyncio
import re

from gateway.cli.context import current
from gateway.cli.output import progress, warn
from gateway.errors import MimeLimit, NotFound, StoreError
from gateway.mime.message import Message
from gateway.model.lists import fold_text
from gateway.store import search as records
from gateway.store.engine import Store
from gateway.text import Text

PAGE = 200  # messages looked at together

_SEARCHING = Text("本文を調べています", "reading mail")
NOT_READ = Text("{id} の本文を読めませんでした: {why}", "the text of {id} could not be read: {why}")


async def body(store: Store, id: str) -> str:
    """What a message says, decoded; raises `NotFound`, `StoreError` as `raw` does, `MimeLimit` on hostile mail."""
    original = await records.raw(store, id)
    return await asyncio.to_thread(lambda: Message(original).body())


async def mentions(store: Store, query: records.Query, order: str, limit: int) -> tuple[records.Hit, ...]:
    """Messages that fit the query and name this order in subject or text, newest first, at most `limit`.

    For numbers that no format of the config knew when the mail came: every message that fits is read.
    """
    named = _names(order)
    found: list[records.Hit] = []
    before: int | None = None
    with progress() as bar:
        task = bar.add_task(_SEARCHING.in_(current().language), total=None)
        while True:
            page = await records.search(store, query, limit=PAGE, before=before)
            for hit in page:
                if named.search(fold_text(hit.subject)) or named.search(fold_text(await _text(store, hit.id))):
                    found.append(hit)
                    if len(found) == limit:
                        return tuple(found)
                bar.advance(task)
            if len(page) < PAGE:
                return tuple(found)
            before = page[-1].seq


async def _text(store: Store, id: str) -> str:
    try:
        return await body(store, id)
    except NotFound:
        return ""  # deleted after its time
    except (MimeLimit, StoreError) as error:
        warn(NOT_READ.with_(id=id, why=error.text))
        return ""


def _names(order: str) -> re.Pattern[str]:
    """The number, not as a part of a longer one."""
    return re.compile(rf"(?<![0-9a-z]){re.escape(fold_text(order.strip()))}(?![0-9a-z])")
