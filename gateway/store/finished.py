"""Entries whose mail arrived: their rows are brought up to date at the commit, with no round trip of their own.

Most attempts end so. What they need is known beforehand; whether the entry was still this node's is told afterwards.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_ENTRY = """
UPDATE queue SET state = 'done', recipients = '[]', attempts = attempts + 1, crashes = 0, owner = NULL,
  lease_until = NULL
WHERE id {among} AND owner = {owner} AND state IN ('leased', 'sending') RETURNING id
"""
_OTHERS = "SELECT 1 FROM queue q WHERE q.message = message.id AND q.kind <> 'forward' AND q.state"
_MESSAGE = f"""
UPDATE message SET state = CASE WHEN EXISTS ({_OTHERS} = 'failed') THEN 'failed'
  WHEN EXISTS ({_OTHERS} = 'uncertain') THEN 'uncertain' WHEN direction = 'in' THEN 'delivered' ELSE 'sent' END
WHERE id {{among}} AND NOT EXISTS ({_OTHERS} IN ('waiting', 'leased', 'sending', 'aside'))
"""  # noqa: S608 - made of constants
_SQLITE = {"among": "IN (SELECT value FROM json_each(?))", "owner": "?"}
_POSTGRESQL = {"among": "= ANY($1::text[])", "owner": "$2"}


@dataclass(frozen=True, slots=True)
class Finished:
    """An entry that is done, the node that did it, and its message ("" for a forward, which settles no message)."""

    entry: str
    node: str
    message: str


def finish_sqlite(raw: sqlite3.Connection, finished: Sequence[Finished]) -> set[str]:
    """Bring the rows up to date; the entries that were the node's own."""
    ours: set[str] = set()
    for node, entries in _by_node(finished).items():
        found = raw.execute(_ENTRY.format(**_SQLITE), (json.dumps(entries), node)).fetchall()
        ours.update(row[0] for row in found)
    messages = _messages(finished)
    if messages:
        raw.execute(_MESSAGE.format(**_SQLITE), (json.dumps(messages),))
    return ours


async def finish_postgresql(driver: Any, finished: Sequence[Finished]) -> set[str]:
    """The same by asyncpg."""
    ours: set[str] = set()
    for node, entries in _by_node(finished).items():
        ours.update(row[0] for row in await driver.fetch(_ENTRY.format(**_POSTGRESQL), entries, node))
    messages = _messages(finished)
    if messages:
        await driver.execute(_MESSAGE.format(**_POSTGRESQL), messages)
    return ours


def _by_node(finished: Sequence[Finished]) -> dict[str, list[str]]:
    nodes: dict[str, list[str]] = {}
    for one in finished:
        nodes.setdefault(one.node, []).append(one.entry)
    return nodes


def _messages(finished: Sequence[Finished]) -> list[str]:
    return sorted({one.message for one in finished if one.message})
