"""What filters may look up in the records (filters.api.Records): one statement a question, or memory alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select

from gateway.model.entry import Who
from gateway.model.lookup import BlockEntry, KnownPerson, Seen
from gateway.model.origin import Trust
from gateway.store.blocklist import Blocklist
from gateway.store.engine import Store
from gateway.store.person_names import PersonNames
from gateway.store.tables import block_entry, message, message_order, sender_origin

# Where somebody wrote from counts only where it is proven, and is that person's alone.
_PROVEN = (Trust.PEER.value, Trust.PROVIDER.value)
_MOST_SENDERS = 500
_MOST_ENTRIES = 5
_MOST_COMPLAINTS = 1000  # by one person on one order


class StoreRecords:
    """The records of one store. Until `start` has the blacklist in memory, every question goes to the database."""

    def __init__(self, store: Store, blocklist: Blocklist | None = None) -> None:
        self._store = store
        self.blocklist = blocklist or Blocklist(store)
        self._names = PersonNames(store)

    async def start(self) -> None:
        """Begin to load and follow the blacklist in the background."""
        await self.blocklist.start()

    async def ready(self) -> None:
        """Wait until the blacklist is in memory."""
        await self.blocklist.ready()

    async def stop(self) -> None:
        """Stop following the blacklist."""
        await self.blocklist.stop()

    async def blocks(self, address: str = "", ip: str = "") -> Sequence[BlockEntry]:
        """Active entries that cover the folded address or the IP, most exact first; quick where there is none."""
        found: list[BlockEntry] = []
        if address:
            found += await self.blocklist.covering_address(address)
        if ip:
            found += await self.blocklist.covering_ip(ip)
        return found

    async def seen(self, sender: str, ip: str) -> Seen | None:
        """The record of this folded sender at this origin IP."""
        statement = select(sender_origin.c.first_at, sender_origin.c.last_at, sender_origin.c.mails).where(
            sender_origin.c.sender == sender, sender_origin.c.ip == ip
        )
        async with self._store.read() as connection:
            row = (await connection.execute(statement)).first()
        return Seen(row.first_at, row.last_at, row.mails) if row else None

    async def blocked_at(self, ip: str, besides: str) -> Sequence[BlockEntry]:
        """Active entries on senders other than `besides` who wrote from this origin IP before, the latest first."""
        statement = (
            select(sender_origin.c.sender)
            .where(sender_origin.c.ip == ip, sender_origin.c.sender != besides, sender_origin.c.trust.in_(_PROVEN))
            .order_by(sender_origin.c.last_at.desc())
            .limit(_MOST_SENDERS)
        )
        async with self._store.read() as connection:
            senders = (await connection.execute(statement)).scalars().all()
        return await self.blocklist.covering_any(senders, _MOST_ENTRIES) if senders else ()

    async def senders_at(self, ip: str, at_most: int) -> int:
        """How many different senders wrote from this IP, counted up to `at_most`."""
        few = select(sender_origin.c.sender).where(sender_origin.c.ip == ip).limit(at_most).subquery()
        async with self._store.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(few))).scalar_one())

    async def mails_from(self, sender: str, since: datetime) -> int:
        """How many mails of this folded sender were received since then."""
        statement = (
            select(func.count())
            .select_from(message)
            .where(message.c.sender == sender, message.c.received_at >= since, message.c.direction == "in")
        )
        async with self._store.read() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def complaints(self, sender: str, order: str) -> frozenset[bytes]:
        """Digests of the complaints on an order by the person to whom this folded sender belongs."""
        theirs = block_entry.alias()
        persons = select(block_entry.c.person).where(block_entry.c.value == sender, block_entry.c.person.is_not(None))
        others = select(theirs.c.value).where(theirs.c.who == Who.ADDRESS.value, theirs.c.person.in_(persons))
        statement = (
            select(message_order.c.complaint)
            .distinct()
            .where(
                message_order.c.order_key == order,
                message_order.c.complaint.is_not(None),
                or_(message_order.c.sender == sender, message_order.c.sender.in_(others)),
            )
            .limit(_MOST_COMPLAINTS)
        )
        async with self._store.read() as connection:
            return frozenset((await connection.execute(statement)).scalars())

    async def people_named(self, keys: Collection[str]) -> Sequence[KnownPerson]:
        """Persons on record whose name has one of these keys; quick where there is none."""
        return await self._names.named(keys)
