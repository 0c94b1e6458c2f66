"""What belongs together for a case or a bundle: mail and calls of persons, addresses, orders, IPs, in a period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound, Refused
from gateway.model.entry import Who, parse_entry
from gateway.model.mail_record import clean
from gateway.model.network import parse_network
from gateway.model.order import order_key
from gateway.store.engine import Store
from gateway.store.people import fold_name
from gateway.store.search import of_address
from gateway.store.tables import block_entry, call, message, message_order, person, person_trait
from gateway.text import Text

KINDS = ("person", "address", "order", "ip", "phone", "message")
_MOST = 20_000  # values that a selection may come to
KIND_OF = {
    Who.ADDRESS: "address",
    Who.DOMAIN: "address",
    Who.SUBDOMAINS: "address",
    Who.NETWORK: "ip",
    Who.PHONE: "phone",
}

TOO_WIDE = Text("案件の対象が多すぎます（{count} 件）。", "The case names too much ({count} values).")
NOBODY = Text("「{name}」という方の記録はありません。", "There is no record of {name!r}.")


@dataclass(frozen=True, slots=True)
class Selection:
    """What belongs together: mail and calls that fit any of the values, within the period where one is given.

    Values are canonical: persons are ids, addresses entries (`a@b`, `@domain`, `*.domain`), orders keys of
    `gateway.model.order.order_key`, ips networks, phones digits, messages exchange ids. With no value at all the period
    alone selects; with neither, nothing is selected. `since` is inclusive, `until` exclusive. What was sent about a
    mail that fits belongs to it, whenever that was.
    """

    persons: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def bounded(self) -> bool:
        """Whether a value is named; otherwise the period alone selects."""
        return bool(self.persons or self.addresses or self.orders or self.ips or self.phones or self.messages)


def canonical(kind: str, value: str) -> str:
    """A value of a case as it is compared; ValueError where it is none of its kind. A person is an id already."""
    said = value.strip()
    if kind == "order":
        found = order_key(said)
    elif kind in ("person", "message"):
        found = said.lower()
    else:
        entry = parse_entry(said)
        fits = {
            "address": (Who.ADDRESS, Who.DOMAIN, Who.SUBDOMAINS),
            "ip": (Who.NETWORK,),
            "phone": (Who.PHONE,),
        }[kind]
        found = entry.value if entry is not None and entry.who in fits else ""
    if not found:
        raise ValueError(value)
    return clean(found)


async def messages_of(store: Store, selection: Selection) -> tuple[str, ...]:
    """The ids of the messages that belong to a selection, in the order of the log. Raises `StoreError`, `Refused`."""
    async with store.read() as connection:
        where = await condition(connection, selection)
        found = await connection.execute(select(message.c.id).where(where).order_by(message.c.seq))
        return tuple(found.scalars())


async def calls_of(store: Store, selection: Selection) -> tuple[str, ...]:
    """The ids of the calls that belong to a selection, in the order of their times. Raises `StoreError`, `Refused`."""
    async with store.read() as connection:
        where = await call_condition(connection, selection)
        found = await connection.execute(select(call.c.id).where(where).order_by(call.c.at, call.c.id))
        return tuple(found.scalars())


async def person_id(store: Store, name: str) -> str:
    """The id of the person of this name, or with this id. Raises `NotFound`."""
    async with store.read() as connection:
        wanted = or_(person.c.name == fold_name(name), person.c.id == name.strip().lower())
        found = await connection.execute(select(person.c.id).where(wanted).order_by(person.c.created_at).limit(1))
        id: str | None = found.scalar()
    if id is None:
        raise NotFound(
            Text("「{name}」という方の記録はありません。", "There is no record of {name!r}.").with_(name=name)
        )
    return id


async def condition(connection: AsyncConnection, selection: Selection) -> ColumnElement[bool]:
    """The condition on table `message` that a message belongs to the selection."""
    wanted = await _expand(connection, selection)
    fits: list[ColumnElement[bool]] = [of_address(address) for address in wanted.addresses]
    if wanted.ips:
        ips = await _ips(connection, wanted.ips)
        fits.append(or_(message.c.origin_ip.in_(ips), message.c.peer_ip.in_(ips)))
    if wanted.orders:
        named = select(message_order.c.message).where(message_order.c.order_key.in_(wanted.orders))
        fits.append(message.c.id.in_(named))
    if wanted.messages:
        fits.append(message.c.id.in_(wanted.messages))
    direct = _within(message.c.received_at, selection, or_(*fits) if fits else None)
    if direct is None:
        return false()
    # correlate(None): the inner query is about other rows of the same table
    return or_(direct, message.c.about.in_(select(message.c.id).where(direct).correlate(None)))


async def call_condition(connection: AsyncConnection, selection: Selection) -> ColumnElement[bool]:
    """The condition on table `call` that a call belongs to the selection."""
    wanted = await _expand(connection, selection)
    fits: list[ColumnElement[bool]] = []
    if wanted.phones:
        fits.append(call.c.number.in_(wanted.phones))
    if wanted.persons:
        fits.append(call.c.person.in_(wanted.persons))
    if wanted.orders:
        fits.append(call.c.order_key.in_(wanted.orders))
    nothing_fits = selection.bounded and not fits
    found = None if nothing_fits else _within(call.c.at, selection, or_(*fits) if fits else None)
    return false() if found is None else found


def _within(
    at: ColumnElement[Any], selection: Selection, fits: ColumnElement[bool] | None
) -> ColumnElement[bool] | None:
    period = []
    if selection.since is not None:
        period.append(at >= selection.since)
    if selection.until is not None:
        period.append(at < selection.until)
    if fits is not None:
        return and_(fits, *period)
    return None if selection.bounded or not period else and_(*period)


async def _expand(connection: AsyncConnection, selection: Selection) -> Selection:
    """The selection with everything that is on record of its persons."""
    if not selection.persons:
        return selection
    found: dict[str, dict[str, None]] = {kind: {} for kind in ("address", "order", "ip", "phone")}
    entries = select(block_entry.c.who, block_entry.c.value).where(block_entry.c.person.in_(selection.persons))
    for row in await connection.execute(entries):
        found[KIND_OF[Who(row.who)]][row.value] = None
    traits = select(person_trait.c.kind, person_trait.c.value).where(person_trait.c.person.in_(selection.persons))
    for row in await connection.execute(traits):
        if row.kind in found:
            found[row.kind][row.value] = None
    count = sum(map(len, found.values()))
    if count > _MOST:
        raise Refused(TOO_WIDE.with_(count=count))
    return Selection(
        selection.persons,
        (*selection.addresses, *found["address"]),
        (*selection.orders, *found["order"]),
        (*selection.ips, *found["ip"]),
        (*selection.phones, *found["phone"]),
        selection.messages,
        selection.since,
        selection.until,
    )


async def _ips(connection: AsyncConnection, networks: Sequence[str]) -> list[str]:
    """The IPs on record that lie in these networks."""
    wide = [network for value in networks if (network := parse_network(value)) and network.first != network.last]
    single = [value for value in networks if (network := parse_network(value)) and network.first == network.last]
    if not wide:
        return single
    known: set[str] = set()
    for column in (message.c.origin_ip, message.c.peer_ip):
        rows = await connection.execute(select(column).distinct())
        known.update(ip for ip in rows.scalars() if ip)
    return [*single, *sorted(ip for ip in known if any(ip in network for network in wide))]
