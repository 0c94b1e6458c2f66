"""Where a message was written: the best IP we can name, its source, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Trust(StrEnum):
    """How much an origin is worth: seen by ourselves, vouched for by a provider, or the sender's word."""

    PEER = "peer"  # the socket's peer, or the hop before our own trusted relays
    PROVIDER = "provider"  # a header of the provider that is the peer, with SPF or DKIM passed
    CLAIMED = "claimed"  # a header that anybody could have written
    SHARED = "shared"  # an MTA that speaks for thousands of people


@dataclass(frozen=True, slots=True)
class Origin:
    """An IP (text), the header or socket that it was read from, and its grade."""

    ip: str
    source: str
    trust: Trust
