"""The records of deletions: what was emptied, by which rule, and who said so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from gateway.evidence.log_records import LogRecord
from gateway.store.engine import Store
from gateway.store.tables import log


@dataclass(frozen=True, slots=True)
class Deletion:
    """A record `deletion`: which records (inclusive ranges) were emptied, by which rule, and who said so.

    `rule` is `retention` or `erasure`; `counts` are numbers by kind of record, `messages` and `bodies` among them.
    """

    seq: int
    at: datetime
    rule: str
    reason: str
    operator: str
    records: tuple[tuple[int, int], ...]
    counts: dict[str, int]


async def deletions(store: Store) -> tuple[Deletion, ...]:
    """Every record of a deletion, in order."""
    async with store.read() as connection:
        rows = await connection.execute(select(log).where(log.c.kind == "deletion").order_by(log.c.seq))
        return tuple(_deletion(LogRecord(**row._mapping)) for row in rows)


def _deletion(one: LogRecord) -> Deletion:
    said = one.said or {}
    return Deletion(
        one.seq,
        one.at,
        str(said.get("rule", "")),
        str(said.get("reason", "")),
        str(said.get("operator", "")),
        tuple((int(first), int(last)) for first, last in said.get("records", ())),
        {str(name): int(count) for name, count in said.get("counts", {}).items()},
    )
