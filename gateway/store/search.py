"""Finding messages on record, showing all that is known about one, and its original bytes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound, StoreError
from gateway.model.address import fold_address
from gateway.model.entry import Entry, Who, parse_entry
from gateway.model.lists import fold_text
from gateway.model.network import canonical_ip
from gateway.model.order import order_key
from gateway.store.body import unpack
from gateway.store.engine import Store
from gateway.store.people import fold_name
from gateway.store.queue import QueueRow, list_queue
from gateway.store.tables import block_entry, body, log, message, message_order, person, person_trait
from gateway.text import Text

PAGE = 4000  # rows looked at between two turns of the event loop
_CHUNK = 500
_TRACEABLE = ("address", "ip")
_LARGE = ("facts", "verdict", "reply", "trace")
_SHOWN = [column for column in message.columns if column.name not in _LARGE]
_JUDGED = (message.c.seq, message.c.subject, message.c.origin_ip, message.c.peer_ip)
_WATCHED_PAGE = 200  # rows with their whole verdicts

_NOTHING = Text("{what} の記録はありません。", "There is no record of {what}.")
_GONE = Text("{what} の原文は保存期間を過ぎて削除されました。", "The original of {what} was deleted after its time.")
_ALTERED = Text(
    "{what} の原文が、受信時の SHA-256 と一致しません。",
    "The original of {what} does not match its SHA-256 at receipt.",
)
_VERIFY = Text("`sekisho verify` で確認してください。", "Run `sekisho verify`.")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; everything given must hold. Times are inclusive at the start, exclusive at the end.

    `address` may be an address, `@domain` or `*.domain`, as sender, recipient or in From; `ip` an IP or a network;
    `subject` a part of the subject, whatever the case and width of its letters; `order` an order number that the mail,
    or the one that it answers, names; `id` an exchange id or a number; `watched` the name of a rule in mode watch that
    would have decided.
    """

    address: str = ""
    ip: str = ""
    subject: str = ""
    order: str = ""
    since: datetime | None = None
    until: datetime | None = None
    then: str = ""
    rule: str = ""
    person: str = ""
    state: str = ""
    direction: str = ""
    id: str = ""
    sha256: str = ""
    message_id: str = ""
    watched: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One message as a list shows it."""

    id: str
    seq: int
    direction: str
    kind: str
    about: str | None
    received_at: datetime
    sha256: str
    size: int
    mail_from: str
    sender: str
    recipients: tuple[str, ...]
    peer_ip: str | None
    origin_ip: str | None
    subject: str
    from_header: str
    message_id: str
    then: str
    rule: str
    state: str


@dataclass(frozen=True, slots=True)
class LogRow:
    """One record of the evidence log; `record` is None where it was deleted."""

    seq: int
    at: datetime
    kind: str
    record: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is on record about a message: facts, verdict, log records, queue, and what was sent about it."""

    hit: Hit
    facts: dict[str, Any]
    verdict: dict[str, Any]
    reply: dict[str, Any] | None
    records: tuple[LogRow, ...]
    queue: tuple[QueueRow, ...]
    related: tuple[Hit, ...]  # replies, notices and reports


async def search(store: Store, query: Query, *, limit: int = 50, before: int | None = None) -> tuple[Hit, ...]:
    """Messages that fit, newest first, at most `limit`; the next page is `before` the `seq` of the last one.

    Raises `StoreError`, `NotFound` for a person whom nobody knows.
    """
    found: list[Hit] = []
    judged, size = ((*_JUDGED, message.c.verdict), _WATCHED_PAGE) if query.watched else (_JUDGED, PAGE)
    async with store.read() as connection:
        where, fits = await _conditions(connection, query)
        if not fits:
            return tuple(await _hits(connection, where if before is None else [*where, message.c.seq < before], limit))
        while len(found) < limit:
            page = select(*judged).where(*where).order_by(message.c.seq.desc()).limit(size)
            rows = (await connection.execute(page if before is None else page.where(message.c.seq < before))).all()
            fitting = [row.seq for row in rows if all(fit(row) for fit in fits)][: limit - len(found)]
            if fitting:
                found += await _hits(connection, [message.c.seq.in_(fitting)], limit)
            if len(rows) < size:
                break
            before = rows[-1].seq
            await asyncio.sleep(0)
    return tuple(found)


async def find(store: Store, what: str) -> Hit:
    """The one message that `what` means: exchange id, number in the log, Message-ID or SHA-256; the newest of several.

    Raises `NotFound`.
    """
    async with store.read() as connection:
        return _hit(await _find(connection, what))


async def show(store: Store, what: str) -> Shown:
    """All that is on record about the message that `what` means, as in `find`. Raises `NotFound`."""
    async with store.read() as connection:
        row = await _find(connection, what)
        related = (
            await connection.execute(select(message).where(message.c.about == row.id).order_by(message.c.seq))
        ).all()
        ids = [row.id, *(other.id for other in related)]
        records: list[LogRow] = []
        for start in range(0, len(ids), _CHUNK):
            statement = select(log).where(log.c.message.in_(ids[start : start + _CHUNK])).order_by(log.c.seq)
            for kept in await connection.execute(statement):
                said = json.loads(kept.record) if kept.record is not None else None
                records.append(LogRow(kept.seq, kept.at, kept.kind, said))
    work = await list_queue(store, message_id=row.id, limit=_CHUNK)
    return Shown(
        _hit(row),
        row.facts,
        row.verdict,
        row.reply,
        tuple(sorted(records, key=lambda record: record.seq)),
        work,
        tuple(_hit(other) for other in related),
    )


async def raw(store: Store, what: str) -> bytes:
    """The original bytes of the message that `what` means, checked against the SHA-256 on record.

    Raises `NotFound`, also where they were deleted, and `StoreError` where they were altered.
    """
    async with store.read() as connection:
        row = await _find(connection, what)
        packed = (await connection.execute(select(body.c.zstd).where(body.c.message == row.id))).scalar()
    if packed is None:
        raise NotFound(_GONE.with_(what=what))
    original, digest = await asyncio.to_thread(_original, packed, row.size)
    if digest != row.sha256:
        raise StoreError(_ALTERED.with_(what=what), _VERIFY)
    return original


def _original(packed: bytes, size: int) -> tuple[bytes, bytes]:
    original = unpack(packed, size)
    return original, hashlib.sha256(original).digest()


async def _find(connection: AsyncConnection, what: str) -> Any:
    wanted = what.strip()
    ways = [message.c.id == wanted.lower()]
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
        ways.append(message.c.seq == int(wanted))
    if len(wanted) == 64 and (digest := _digest(wanted)) is not None:
        ways.append(message.c.sha256 == digest)
    if "@" in wanted:
        ways.append(message.c.message_id == f"<{wanted.strip('<>')}>")
    for way in ways:
        row = (await connection.execute(select(message).where(way).order_by(message.c.seq.desc()).limit(1))).first()
        if row is not None:
            return row
    raise NotFound(_NOTHING.with_(what=what))


async def _hits(connection: AsyncConnection, where: Sequence[Any], limit: int) -> list[Hit]:
    statement = select(*_SHOWN).where(*where).order_by(message.c.seq.desc()).limit(limit)
    return [_hit(row) for row in await connection.execute(statement)]


async def _conditions(connection: AsyncConnection, query: Query) -> tuple[list[Any], list[Callable[[Any], bool]]]:
    """The conditions that the database judges, and those that it cannot."""
    where: list[Any] = []
    fits: list[Callable[[Any], bool]] = []
    equal = {"then": query.then, "rule": query.rule, "state": query.state, "direction": query.direction}
    where += [message.c[name] == value for name, value in equal.items() if value]
    if query.since is not None:
        where.append(message.c.received_at >= query.since)
    if query.until is not None:
        where.append(message.c.received_at < query.until)
    if query.id:
        number = int(query.id) if query.id.isascii() and query.id.isdigit() and len(query.id) < 19 else -1
        where.append(or_(message.c.id == query.id.lower(), message.c.seq == number))
    if query.sha256:
        where.append(message.c.sha256 == (_digest(query.sha256) or b""))
    if query.message_id:
        where.append(message.c.message_id == f"<{query.message_id.strip().strip('<>')}>")
    if query.address:
        where.append(of_address(query.address))
    if query.ip:
        _at_ip(where, fits, query.ip)
    if query.person:
        where.append(await _of_person(connection, query.person))
    if query.order:
        named = select(message_order.c.message).where(message_order.c.order_key == order_key(query.order))
        where.append(or_(message.c.id.in_(named), message.c.about.in_(named)))
    if query.watched:
        # The list of such rules is empty for almost all mail: the text tells which are worth a look.
        verdict, said = type_coerce(message.c.verdict, String), json.dumps(query.watched, ensure_ascii=False)
        where += [message.c.direction == "in", verdict.contains(f"[{said},", autoescape=True)]
        fits.append(lambda row: any(rule == query.watched for rule, _ in row.verdict.get("watched") or ()))
    if query.subject:
        part = fold_text(query.subject)
        fits.append(lambda row: part in fold_text(row.subject or ""))
    return where, fits


def of_address(address: str) -> Any:
    """The condition on table `message` that an address, `@domain` or `*.domain` sent it, got it or stands in From."""
    entry = parse_entry(address)
    value = entry.value if entry is not None else fold_address(address)
    recipients = type_coerce(message.c.recipients, String)  # the JSON as it is kept
    if entry is not None and entry.who in (Who.DOMAIN, Who.SUBDOMAINS):
        end = value if entry.who is Who.DOMAIN else value[1:]
        return or_(
            message.c.sender.endswith(end, autoescape=True),
            message.c.mail_from.iendswith(end, autoescape=True),
            recipients.icontains(end + '"', autoescape=True),
        )
    return or_(
        message.c.sender == value,
        message.c.mail_from.icontains(value, autoescape=True),
        recipients.icontains(f'"{value}"', autoescape=True),
        message.c.from_header.icontains(value, autoescape=True),
    )


def _at_ip(where: list[Any], fits: list[Callable[[Any], bool]], ip: str) -> None:
    entry = parse_entry(ip)
    network = entry.network if entry is not None else None
    if network is None or network.first == network.last:
        wanted = canonical_ip(ip)
        where.append(or_(message.c.origin_ip == wanted, message.c.peer_ip == wanted))
    else:
        fits.append(lambda row: any(one and one in network for one in (row.origin_ip, row.peer_ip)))


async def _of_person(connection: AsyncConnection, name: str) -> Any:
    """Mail of the addresses that were ever entered, or are otherwise known, for a person."""
    named = select(person.c.id).where(person.c.name == fold_name(name))
    blocked = select(block_entry.c.who, block_entry.c.value).where(block_entry.c.person.in_(named))
    known = select(person_trait.c.kind, person_trait.c.value).where(person_trait.c.person.in_(named))
    entries = [Entry(Who(row.who), row.value) for row in await connection.execute(blocked.limit(_CHUNK))]
    traits = (parse_entry(row.value) for row in await connection.execute(known.limit(_CHUNK)) if row.kind in _TRACEABLE)
    entries += [entry for entry in traits if entry is not None]
    if not entries:
        raise NotFound(_NOTHING.with_(what=name))
    addresses = [entry.value for entry in entries if entry.who is Who.ADDRESS]
    ips = [entry.value for entry in entries if entry.who is Who.NETWORK and "/" not in entry.value]
    return or_(message.c.sender.in_(addresses), message.c.origin_ip.in_(ips))


def _digest(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text.strip())
    except ValueError:
        return None


def _hit(row: Any) -> Hit:
    recipients: Sequence[str] = row.recipients
    return Hit(
        row.id,
        row.seq,
        row.direction,
        row.kind,
        row.about,
        row.received_at,
        row.sha256.hex(),
        row.size,
        row.mail_from,
        row.sender,
        tuple(recipients),
        row.peer_ip,
        row.origin_ip,
        row.subject or "",
        row.from_header or "",
        row.message_id or "",
        row.then,
        row.rule,
        row.state,
    )
