"""Facts as they were recorded when a message came, in place of asking the world again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from filters.api import Case, DnsAnswer, Filter, Lookups
from filters.offline import InLine
from gateway.errors import MimeLimit, SekishoError
from gateway.model.fact import Fact, FactSpec, unknown
from gateway.model.network import canonical_ip
from gateway.model.origin import Trust
from gateway.store.engine import Store
from gateway.store.past_records import NOT_RECORDED, RecordsBefore
from gateway.text import plain

# Of the facts that come from outside the message (their filters wait for others), those that do not depend on when they
# are asked for: they are always found out anew, by the rules and the config of today.
FROM_BYTES = frozenset({"order"})

# Those that can be found out afterwards where they were not recorded: from the bytes, the envelope on record and the
# mail that had come before. What is not named here is unknown then: DNS, scanners and the blacklist have changed since.
AFTERWARDS = FROM_BYTES | {
    "peer_ip",
    "origin_ip",
    "ip_seen_days",
    "mails_from_sender",
    "complaints_on_order",
    "impersonation",
}


def is_recorded(filter_: Filter, spec: FactSpec) -> bool:
    """Whether a replay takes this fact from the record of the mail, where it is there and known."""
    return filter_.waits and spec.name not in FROM_BYTES


@dataclass(frozen=True, slots=True)
class Moment:
    """One message's record (`mail.in`) and what could be looked up when it came."""

    record: Mapping[str, Any]
    lookups: Lookups

    @classmethod
    def of(cls, record: Mapping[str, Any], store: Store, seq: int, at: Any) -> Moment:
        """The moment at which the message with number `seq` came."""
        return cls(record, Lookups(RecordsBefore(store, seq, at), _Greeting(record), InLine()))


class _Greeting:
    """DNS of that time, of which one answer is on record: whether the peer's name really was the provider's."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        origin = record.get("origin") or {}
        fact = record["facts"].get("peer_ip") or {}
        peer = fact.get("value") or (record.get("peer") or {}).get("ip") or ""
        self._ips = (canonical_ip(peer),) if origin.get("trust") == Trust.PROVIDER.value and peer else ()

    async def query(self, name: str, record_type: str) -> DnsAnswer:
        """The peer's IP where it was proven to be the provider's, else nothing."""
        known = self._ips and record_type in ("A", "AAAA")
        return DnsAnswer("ok", self._ips) if known else DnsAnswer("none")


class AsRecorded:
    """A filter whose facts are taken from the record of the message; `moments` are kept by exchange id."""

    def __init__(self, inner: Filter, moments: Mapping[str, Moment]) -> None:
        self.name = inner.name
        self.facts = inner.facts
        self.needs = inner.needs
        self.waits = inner.waits
        self._inner = inner
        self._moments = moments
        self._specs = {spec.name: spec for spec in inner.facts}

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """What was recorded; of the rest what can be found out afterwards, the remainder as unknown with a note."""
        moment = self._moments[case.exchange.id]
        found: dict[str, Fact] = {}
        missing: set[str] = set()
        for key in case.wanted:
            spec = self._specs.get(_name(key))
            if spec is None:
                continue
            fact = self._recorded(moment, key, spec)
            if fact is not None and fact.known:
                found[key] = fact
            elif spec.name in AFTERWARDS:
                missing.add(key)
            else:
                found[key] = fact or unknown(NOT_RECORDED)
        if missing:
            found.update(await self._afterwards(case, moment, missing, frozenset(found)))
        return found

    def _recorded(self, moment: Moment, key: str, spec: FactSpec) -> Fact | None:
        kept = moment.record["facts"].get(key)
        if kept is None or not is_recorded(self._inner, spec):
            return None
        note = plain(kept["note"]) if kept.get("note") else None
        if kept.get("unknown"):
            return unknown(note or NOT_RECORDED)
        value = kept["value"]
        return Fact(tuple(value) if isinstance(value, list) else value, note)

    async def _afterwards(
        self, case: Case, moment: Moment, missing: set[str], kept: frozenset[str]
    ) -> Mapping[str, Fact]:
        then = replace(case, wanted=case.wanted - kept, now=case.exchange.received_at, lookups=moment.lookups)
        try:
            found = await self._inner.find(then)
        except MimeLimit:
            raise
        except SekishoError as error:
            found = dict.fromkeys(missing, unknown(error.text))
        return {key: found.get(key) or unknown(NOT_RECORDED) for key in missing}


def as_recorded(filters: Sequence[Filter], moments: Mapping[str, Moment]) -> tuple[Filter, ...]:
    """The filters, those that ask the world replaced by the record of what it answered."""
    return tuple(AsRecorded(filter_, moments) if filter_.waits else filter_ for filter_ in filters)


def _name(key: str) -> str:
    return key.partition("[")[0].partition(".")[0]
