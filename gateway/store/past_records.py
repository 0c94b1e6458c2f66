"""What the records said when a message came (filters.api.Records): for rules that are tried on mail of the past."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NoReturn

from sqlalchemy import func, or_, select

from gateway.errors import StoreError
from gateway.model.entry import Who
from gateway.model.lookup import BlockEntry, KnownPerson, Seen
from gateway.store.engine import Store
from gateway.store.tables import block_entry, message, message_order
from gateway.text import Text

_MOST_COMPLAINTS = 1000  # by one person on one order

NOT_RECORDED = Text(
    "受信したときに調べていないため、分かりません。",
    "it was not looked at when the mail came, and cannot be found out afterwards",
)


class RecordsBefore:
    """The records as they stood before the message with number `seq`, received at `at`.

    Mail and orders are never rewritten, so that they can be counted as of then. The blacklist and the persons can
    change in any way: what was not recorded of them at that time raises `StoreError`.
    """

    def __init__(self, store: Store, seq: int, at: datetime) -> None:
        self._store = store
        self._seq = seq
        self._at = at

    async def blocks(self, address: str = "", ip: str = "") -> Sequence[BlockEntry]:
        """Raises `StoreError`."""
        _lost()

    async def seen(self, sender: str, ip: str) -> Seen | None:
        """Mail of this folded sender from this origin IP before the message."""
        statement = select(
            func.min(message.c.received_at).label("first"),
            func.max(message.c.received_at).label("last"),
            func.count().label("mails"),
        ).where(
            message.c.sender == sender,
            message.c.origin_ip == ip,
            message.c.direction == "in",
            message.c.seq < self._seq,
        )
        async with self._store.read() as connection:
            row = (await connection.execute(statement)).one()
        return Seen(row.first, row.last, row.mails) if row.mails else None

    async def blocked_at(self, ip: str, besides: str) -> Sequence[BlockEntry]:
        """Raises `StoreError`."""
        _lost()

    async def senders_at(self, ip: str, at_most: int) -> int:
        """Raises `StoreError`."""
        _lost()

    async def mails_from(self, sender: str, since: datetime) -> int:
        """How many mails of this folded sender were received from `since` up to the message, itself left out."""
        statement = (
            select(func.count())
            .select_from(message)
            .where(
                message.c.sender == sender,
                message.c.received_at >= since,
                message.c.direction == "in",
                message.c.seq < self._seq,
            )
        )
        async with self._store.read() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def complaints(self, sender: str, order: str) -> frozenset[bytes]:
        """Digests of the earlier complaints on an order by the person to whom the sender belongs, as known today."""
        theirs = block_entry.alias()
        persons = select(block_entry.c.person).where(block_entry.c.value == sender, block_entry.c.person.is_not(None))
        others = select(theirs.c.value).where(theirs.c.who == Who.ADDRESS.value, theirs.c.person.in_(persons))
        statement = (
            select(message_order.c.complaint)
            .distinct()
            .where(
                message_order.c.order_key == order,
                message_order.c.complaint.is_not(None),
                message_order.c.at < self._at,
                or_(message_order.c.sender == sender, message_order.c.sender.in_(others)),
            )
            .limit(_MOST_COMPLAINTS)
        )
        async with self._store.read() as connection:
            return frozenset((await connection.execute(statement)).scalars())

    async def people_named(self, keys: Collection[str]) -> Sequence[KnownPerson]:
        """Raises `StoreError`."""
        _lost()


def _lost() -> NoReturn:
    raise StoreError(NOT_RECORDED)
