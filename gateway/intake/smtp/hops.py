"""Mail that goes in circles: how often it passed a server, and how often such a gateway (RFC 5321 §6.3)."""

from __future__ import annotations

HEADER_SCANNED = 256 * 1024  # each hop writes on top: a loop shows in the first bytes
OWN_PASSES = 5  # a shop may forward to itself once or twice; X-Sekisho-Id is the mark


def loops(raw: bytes, received_hops: int) -> bool:
    """Whether the header has more than `received_hops` Received fields, or `OWN_PASSES` of our own marks."""
    end = raw.find(b"\r\n\r\n", 0, HEADER_SCANNED)
    header = b"\r\n" + raw[: end if end >= 0 else HEADER_SCANNED].lower()
    if header.count(b"\r\nreceived:") > received_hops:
        return True
    return header.count(b"\r\nx-sekisho-id:") >= OWN_PASSES
