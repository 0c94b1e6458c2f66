"""Where a message was written: the peer outside our own relays, and the IP that its provider names for the writer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from filters.api import Dns
from filters.data import listed
from filters.received import LONGEST, MOST, Hop, parse_received
from gateway.mime.message import Message
from gateway.model.address import domain_of, same_domain_or_below
from gateway.model.envelope import Envelope
from gateway.model.network import Network, canonical_ip, parse_ip
from gateway.model.origin import Origin, Trust

PEER_SOURCE = "peer"
MAILBOX_SOURCE = "mailbox"
# Networks set aside for examples never occur on the real Internet; as origins they do no harm.
_DOCUMENTATION = tuple(
    ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
_CLAIM_HEADERS = ("x-originating-ip", "x-nifty-srcip", "x-sender-ip", "x-client-ip")


@dataclass(frozen=True, slots=True)
class Outside:
    """The first hop outside our own relays: its IP ("" where unknown), its greeting, where that was read."""

    ip: str
    helo: str
    source: str  # peer | received[N], N counted from the top
    below: int  # how many Received fields our own relays wrote


@dataclass(frozen=True, slots=True)
class Claim:
    """An IP that a header names for the writer, and which header."""

    ip: str
    source: str


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that names its customers' IPs: its MTAs, its customers' domains, and where it names the IP."""

    mtas: tuple[str, ...]
    customers: tuple[str, ...]
    header: str = ""
    via_http: bool = False


PROVIDERS = (
    Provider(("yahoo.co.jp",), ("yahoo.co.jp", "ybb.ne.jp"), via_http=True),
    Provider(("yahoo.com",), ("yahoo.com", "ymail.com", "rocketmail.com"), via_http=True),
    Provider(("nifty.com", "nifty.ne.jp"), ("nifty.com", "nifty.ne.jp"), "x-nifty-srcip"),
    Provider(
        ("outlook.com", "hotmail.com"),
        ("outlook.com", "outlook.jp", "hotmail.com", "hotmail.co.jp", "live.com", "live.jp", "msn.com"),
        "x-originating-ip",
    ),
)


def outside(envelope: Envelope, message: Message, trusted_relays: Sequence[Network]) -> Outside:
    """The peer, or where that is a trusted relay the first hop before our relays, read from `Received` top down.

    Stops at the first hop outside; older hops are the sender's word. An IP of "" means that the mail was made inside.
    """
    ip, helo = canonical_ip(envelope.peer.ip), envelope.peer.helo
    if not _within(ip, trusted_relays):
        return Outside(ip, helo, PEER_SOURCE, 0)
    for number, hop in enumerate(hops(message), 1):
        if not hop.ip:
            break  # a relay of ours that notes no IP: nothing below it can be told from a forgery
        if not _within(hop.ip, trusted_relays):
            return Outside(hop.ip, hop.helo, f"received[{number}]", number)
    return Outside("", "", PEER_SOURCE, 0)


def before_provider(message: Message, relays: Sequence[Network]) -> Outside:
    """For a mail in a mailbox: the hop before the provider's own, read from `Received` top down.

    The provider's are those without a client, those by LMTP or from loopback, and those from `relays`. Whatever else
    has no IP ends the search: nothing below it can be told from a forgery.
    """
    for number, hop in enumerate(hops(message), 1):
        within = not (hop.ip or hop.helo) or hop.protocol.startswith("lmtp") or _is_loopback(hop.ip)
        if within or _within(hop.ip, relays):
            continue
        if not hop.ip:
            break
        return Outside(hop.ip, hop.helo, f"received[{number}]", number)
    return Outside("", "", MAILBOX_SOURCE, 0)


def hops(message: Message) -> list[Hop]:
    """The hops of `Received`, newest first, at most `MOST`."""
    return [parse_received(value) for value in message.headers.raw("received")[:MOST]]


def claims(message: Message, below: int = 0) -> list[Claim]:
    """Public IPs that headers name for the writer: webmail's `via HTTP`, X-Originating-IP and its like."""
    found: list[Claim] = []
    for number, value in enumerate(message.headers.raw("received")[below:MOST], below + 1):
        if b"http" in value[:LONGEST].lower():  # most fields are not worth a parse
            hop = parse_received(value)
            if hop.via == "http" and is_public(hop.ip):
                found.append(Claim(hop.ip, f"received[{number}] via HTTP"))
    for name in _CLAIM_HEADERS:
        for value in message.headers.raw(name)[:3]:
            ip = value[:64].decode("latin-1").strip().strip("[]")
            if parse_ip(ip) is not None and is_public(ip):
                found.append(Claim(canonical_ip(ip), name))
    return found


def provider_claim(mail_from: str, peer: Outside, message: Message) -> tuple[Provider, Claim] | None:
    """What the provider that the peer greets as says about its customer; None where it says nothing.

    The envelope sender must be that provider's customer, and every hop from the peer down to the web server must be the
    provider's own: a mail that it merely forwards carries headers that anybody could have written.
    """
    for provider in PROVIDERS:
        if not _below(peer.helo, provider.mtas) or not _below(domain_of(mail_from), provider.customers):
            continue
        for claim in claims(message, peer.below):
            if claim.source == provider.header:
                return provider, claim
            if provider.via_http and claim.source.startswith("received[") and _own(message, peer.below, provider):
                return provider, claim
    return None


def _own(message: Message, below: int, provider: Provider) -> bool:
    """Whether all hops down to the one `via HTTP` were received by the provider, from itself."""
    for hop in hops(message)[below:]:
        if not hop.by and not hop.ip:
            continue  # qmail's "invoked by uid": written by the host that the hop above names
        if not _below(hop.by, provider.mtas):
            return False
        if hop.via == "http":
            return True
        inside = hop.protocol == "nnfmp" or (hop.ip and not is_public(hop.ip))
        if not inside and not _below(hop.helo, provider.mtas):
            return False
    return False


async def is_really(helo: str, ip: str, dns: Dns) -> bool:
    """Whether the greeting's name resolves to the IP: only the owner of the name can make it so."""
    answer = await dns.query(helo.rstrip("."), "AAAA" if ":" in ip else "A")
    return answer.status == "ok" and ip in {canonical_ip(record) for record in answer.records}


def peer_origin(peer: Outside) -> Origin | None:
    """The outside peer as origin; SHARED where it greets as a provider's MTA, None where it is no public IP."""
    if not peer.ip or not is_public(peer.ip):
        return None
    shared = listed(peer.helo.rstrip(".").lower(), "providers") is not None
    return Origin(peer.ip, peer.source, Trust.SHARED if shared else Trust.PEER)


def origin_of(
    envelope: Envelope,
    message: Message,
    trusted_relays: Sequence[Network],
    evidence: Mapping[str, object] | None = None,
) -> Origin | None:
    """The origin to record: the one that the filter put into `evidence`, else what can be said without any look-up."""
    kept = (evidence or {}).get("origin")
    if isinstance(kept, dict):
        return Origin(str(kept["ip"]), str(kept["source"]), Trust(str(kept["trust"])))
    if evidence is not None and "origin" in evidence:
        return None
    if not envelope.peer.ip:
        return claimed_origin(message)
    return peer_origin(outside(envelope, message, trusted_relays))


def claimed_origin(message: Message) -> Origin | None:
    """Where no peer is known (a file, a mailbox): a named IP or the oldest public hop, the sender's word."""
    named = claims(message)
    if named:
        return Origin(named[0].ip, named[0].source, Trust.CLAIMED)
    for number, hop in reversed(list(enumerate(hops(message), 1))):
        if is_public(hop.ip):
            return Origin(hop.ip, f"received[{number}]", Trust.CLAIMED)
    return None


@lru_cache(maxsize=1024)  # several filters ask of one message
def is_public(ip: str) -> bool:
    """Whether an IP can be somebody's on the Internet: not private, reserved, shared or link-local."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return (address.is_global and not address.is_multicast) or any(address in network for network in _DOCUMENTATION)


def _is_loopback(ip: str) -> bool:
    return ip == "::1" or ip.startswith("127.")


def _within(ip: str, networks: Iterable[Network]) -> bool:
    return any(ip in network for network in networks)


def _below(domain: str, parents: Iterable[str]) -> bool:
    name = domain.rstrip(".").lower()
    return any(same_domain_or_below(name, parent) for parent in parents)
