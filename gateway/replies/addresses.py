"""Which addresses no machine should write to: programs', our own, and such as cannot be."""

from __future__ import annotations

import re

from gateway.model.address import domain_of, fold_address
from gateway.model.settings import Settings

_ROBOT = re.compile(
    r"mailer[-_.]?daemon|postmaster|hostmaster|root|daemon|nobody|listserv|majordomo|bounces?|auto[-_.]?reply"
    r"|owner-.*|bounces?[-+_.].*|.*-(?:request|bounces?|owner)"
    r"|(?:.*[-_.+])?(?:do[-_.]?not|no)[-_.]?reply(?:[-_.+0-9].*)?"
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def is_robot(address: str) -> bool:
    """Whether the local part is one that programs use (RFC 3834 §2, RFC 2142)."""
    local = fold_address(address).rpartition("@")[0]
    return bool(_ROBOT.fullmatch(local[:256]))


def is_ours(address: str, settings: Settings) -> bool:
    """Whether the address is the shop's: one of its addresses, its contact, its owner, or what it sends as."""
    folded = fold_address(address)
    shop, outgoing = settings.shop, settings.outgoing
    own = [*shop.addresses, shop.contact, shop.owner]
    own += [outgoing.sender, outgoing.return_path] if outgoing else []
    return bool(folded) and (folded in map(fold_address, own) or f"@{domain_of(folded)}" in shop.addresses)


def deliverable(address: str) -> bool:
    """Whether mail can be addressed to it at all: lengths and form of RFC 5321 §4.5.3.1; `a..b@docomo.ne.jp` can."""
    local, at, _ = address.rpartition("@")
    if not at or not local or _CONTROL.search(address) or len(address.encode("utf-8", "replace")) > 254:
        return False
    labels = domain_of(address).split(".")
    return len(labels) > 1 and len(local.encode("utf-8", "replace")) <= 64 and all(map(_LABEL.fullmatch, labels))
