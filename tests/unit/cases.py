"""Cases for filters: a message, its envelope, and records that a test writes down."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from filters.api import BlockEntry, Case, DnsAnswer, Filter, KnownPerson, Lookups, Seen
from filters.offline import InLine
from gateway.mime.message import Message
from gateway.model.entry import address_keys, ip_keys
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.names import name_keys
from gateway.model.network import parse_network
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings, Smtp
from gateway.model.verdict import Action, Outcome

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class FakeRecords:
    """Records as a test writes them; counts what was asked."""

    entries: Mapping[str, BlockEntry] = field(default_factory=dict)  # by canonical entry
    origins: Mapping[tuple[str, str], Seen] = field(default_factory=dict)  # by sender and IP
    others: int = 0
    mails: Sequence[tuple[str, datetime]] = ()
    complained: Mapping[tuple[str, str], frozenset[bytes]] = field(default_factory=dict)  # by sender and order
    people: Sequence[KnownPerson] = ()
    asked: list[str] = field(default_factory=list)

    async def blocks(self, address: str = "", ip: str = "") -> Sequence[BlockEntry]:
        self.asked.append(address or ip)
        keys = [*(address_keys(address) if address else ()), *(ip_keys(ip) if ip else ())]
        return [self.entries[key] for key in keys if key in self.entries]

    async def seen(self, sender: str, ip: str) -> Seen | None:
        return self.origins.get((sender, ip))

    async def blocked_at(self, ip: str, besides: str) -> Sequence[BlockEntry]:
        self.asked.append(f"blocked_at {ip}")
        here = [sender for sender, at in self.origins if at == ip and sender != besides]
        return [self.entries[key] for sender in here for key in address_keys(sender) if key in self.entries]

    async def senders_at(self, ip: str, at_most: int) -> int:
        return min(at_most, self.others + sum(at == ip for _, at in self.origins))

    async def mails_from(self, sender: str, since: datetime) -> int:
        return sum(one == sender and at >= since for one, at in self.mails)

    async def complaints(self, sender: str, order: str) -> frozenset[bytes]:
        self.asked.append(f"complaints {sender} {order}")
        return self.complained.get((sender, order), frozenset())

    async def people_named(self, keys: Collection[str]) -> Sequence[KnownPerson]:
        return [person for person in self.people if set(keys) & set(name_keys(person.name))]


class FakeDns:
    """Names and their addresses; counts what was asked."""

    def __init__(self, addresses: Mapping[str, Sequence[str]]) -> None:
        self._addresses = addresses
        self.asked: list[str] = []

    async def query(self, name: str, record_type: str) -> DnsAnswer:
        self.asked.append(f"{name} {record_type}")
        found = self._addresses.get(name)
        return DnsAnswer("ok", tuple(found)) if found else DnsAnswer("none")


def block(entry: str, reason: str = "迷惑行為", person: str = "", watched: bool = False) -> dict[str, BlockEntry]:
    """One entry by its canonical text."""
    return {entry: BlockEntry("id", entry, reason, person, watched)}


def case(
    head: str = "",
    *,
    mail_from: str = "taro@example.com",
    ip: str = "203.0.113.9",
    helo: str = "mail.example.com",
    recipients: tuple[str, ...] = ("shop@shop.example",),
    relays: Sequence[str] = (),
    records: FakeRecords | None = None,
    dns: FakeDns | None = None,
    wanted: Sequence[str] = (),
    facts: Mapping[str, Fact] | None = None,
) -> Case:
    """A case of a message with these header lines (LF, as a test writes them)."""
    raw = "\r\n".join([*head.strip("\n").splitlines(), "", "本文です。", ""]).encode()
    networks = tuple(network for text in relays if (network := parse_network(text)))
    settings = Settings(smtp=Smtp(trusted_relays=networks))
    exchange = Exchange(raw, Envelope(mail_from, recipients, Peer(ip, helo=helo)))
    lookups = Lookups(records or FakeRecords(), dns or FakeDns({}), InLine())
    ruleset = RuleSet("hash", (), Action(Outcome.DELIVER), "rules.yaml:1")
    return Case(exchange, Message(raw), settings, ruleset, lookups, frozenset(wanted), NOW, dict(facts or {}))


async def found(case: Case, *filters: Filter) -> dict[str, Fact]:
    """Facts of the filters, asked one after the other as the screener does."""
    for one in filters:
        case.facts.update(await one.find(case))
    return case.facts
