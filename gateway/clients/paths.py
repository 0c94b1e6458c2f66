"""Addresses as they may stand in SMTP commands (RFC 5321 §4.1.2, RFC 6531)."""

from __future__ import annotations

import re

from gateway.model.address import fold_domain

_DOT_STRING = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+)*"
)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Unspeakable(ValueError):
    """An address that cannot stand in an SMTP command towards this server."""


def smtp_path(address: str, *, utf8: bool) -> str:
    """The address without its brackets, the local part quoted where it must be, the domain in ASCII.

    `utf8`: the server takes internationalised local parts. Raises `Unspeakable`.
    """
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = address, ""
    if not local or _FORBIDDEN.search(address) or any(c in domain for c in " <>"):
        raise Unspeakable("not a mail address")
    if not domain.isascii():
        domain = fold_domain(domain)
    if not (local.isascii() and domain.isascii()) and not utf8:
        raise Unspeakable("the server takes no internationalised addresses")
    if not _DOT_STRING.fullmatch(local) and not _QUOTED.fullmatch(local):
        local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return local + at + domain
