"""What a filter is, what it is given, and what it may look up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from gateway.mime.message import Message
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact, FactSpec
from gateway.model.lookup import NOT_ASKED, BlockEntry, DnsAnswer, KnownPerson, Scan, Seen
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.text import Text

__all__ = [
    "BlockEntry",
    "Case",
    "Dns",
    "DnsAnswer",
    "Filter",
    "KnownPerson",
    "Lookups",
    "Records",
    "Scan",
    "Scanners",
    "Seen",
    "Threads",
    "fact",
]

T = TypeVar("T")


class Records(Protocol):
    """What has been recorded before, read only. Every call may raise `StoreError`: then the fact is unknown."""

    async def blocks(self, address: str = "", ip: str = "") -> Sequence[BlockEntry]:
        """Active entries that cover the folded address or the IP, most exact first; quick where there is none."""

    async def seen(self, sender: str, ip: str) -> Seen | None:
        """The record of this folded sender at this origin IP."""

    async def blocked_at(self, ip: str, besides: str) -> Sequence[BlockEntry]:
        """Active entries on senders other than `besides` who wrote from this origin IP before."""

    async def senders_at(self, ip: str, at_most: int) -> int:
        """How many different senders wrote from this IP, counted up to `at_most`."""

    async def mails_from(self, sender: str, since: datetime) -> int:
        """How many mails of this folded sender were received since then."""

    async def complaints(self, sender: str, order: str) -> frozenset[bytes]:
        """Digests of the complaints on an order (`order_key`) by the person to whom this folded sender belongs."""

    async def people_named(self, keys: Collection[str]) -> Sequence[KnownPerson]:
        """Persons on record whose name has one of these keys (`gateway.model.names`); quick where there is none."""


class Dns(Protocol):
    """Asynchronous DNS with a cache; never raises, never takes longer than the configured time."""

    async def query(self, name: str, record_type: str) -> DnsAnswer:
        """The answer for a name and a type such as TXT, MX, A, AAAA, PTR."""


class Threads(Protocol):
    """The bounded pool for work that would hold the event loop."""

    def __call__(self, function: Callable[..., T], /, *arguments: object) -> Awaitable[T]:
        """Run `function(*arguments)` in a worker thread."""


class Scanners(Protocol):
    """Programs beside the gateway that judge a message; never raise, never take longer than the configured time."""

    async def spam(self, exchange: Exchange, ip: str, helo: str) -> Scan:
        """What rspamd says of a message that came from this IP under this name."""

    async def virus(self, exchange: Exchange) -> Scan:
        """What ClamAV says."""


class NoScanners:
    """No program is asked, as in rule tests."""

    async def spam(self, exchange: Exchange, ip: str, helo: str) -> Scan:
        """Not asked."""
        return NOT_ASKED

    async def virus(self, exchange: Exchange) -> Scan:
        """Not asked."""
        return NOT_ASKED


@dataclass(frozen=True)
class Lookups:
    """Everything outside the message that a filter may ask."""

    records: Records
    dns: Dns
    in_thread: Threads
    scanners: Scanners = field(default_factory=NoScanners)


@dataclass
class Case:
    """One message as filters see it; `facts` holds what earlier filters found, `wanted` the keys that are asked for."""

    exchange: Exchange
    message: Message
    settings: Settings
    ruleset: RuleSet
    lookups: Lookups
    wanted: frozenset[str]
    now: datetime
    facts: dict[str, Fact] = field(default_factory=dict)
    evidence: dict[str, object] = field(default_factory=dict)  # JSON for the record, such as DKIM keys seen


class Filter(Protocol):
    """A filter: its name, the facts it declares, the facts it needs, and whether it waits for others (DNS, disk)."""

    @property
    def name(self) -> str:
        """What logs call it."""

    @property
    def facts(self) -> tuple[FactSpec, ...]:
        """What it can find out."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Facts of other filters that must be there before."""

    @property
    def waits(self) -> bool:
        """Whether it is asked late and under the time budget."""

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """Facts by key. What it cannot find out it gives as `unknown(note)`; what it raises is caught and so noted."""


def fact(name: str, kind: str, ja: str, en: str, **more: object) -> FactSpec:
    """A declaration of a fact with its sentence in both languages."""
    from gateway.model.fact import Kind

    return FactSpec(name, Kind(kind), Text(ja, en), **more)  # type: ignore[arg-type]
