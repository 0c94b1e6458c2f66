"""What is read out of a non-delivery report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounce:
    """A non-delivery or delay report: the first address it is about, all of them, the status (RFC 3463), the words."""

    address: str
    addresses: tuple[str, ...]
    status: str
    reason: str
