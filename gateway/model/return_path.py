"""Who stands behind a rewritten envelope sender: SRS, BATV and VERP taken off, for comparison only."""

from __future__ import annotations

import re

from gateway.model.address import fold_address

# Linear patterns on folded local parts; a local part longer than RFC 5321 §4.5.3.1.1 allows is left alone.
_LONGEST = 256
_SRS0 = re.compile(r"srs0[=+-][^=]{1,16}=[^=]{1,4}=([^=]{1,255})=(.+)", re.DOTALL)
_SRS1 = re.compile(r"srs1[=+-][^=]{1,16}=[^=]{1,255}=[=+-]([^=]{1,16}=[^=]{1,4}=[^=]{1,255}=.+)", re.DOTALL)
_BATV = re.compile(r"(?:prvs|btv1|msprvs1)=[^=]{1,64}=(.+)", re.DOTALL)
_BATV_REVERSED = re.compile(r"prvs=([^=]+)=[0-9]{4}[0-9a-f]{6}", re.DOTALL)
_VERP = re.compile(r"([^=]*(?:bounce|return|request|owner|admin)[^=+]*)[+-][^=]+=[^=]+", re.DOTALL)


def original_sender(mail_from: str) -> str:
    """The folded address behind an envelope sender: SRS0/SRS1, BATV `prvs=` and VERP removed; "" for the null sender.

    What it gives was written by the sender's side and can be forged like any other address.
    """
    address = fold_address(mail_from)
    for _ in range(3):  # an SRS address may hold a BATV one
        local, at, domain = address.rpartition("@")
        if not at or len(local) > _LONGEST or ("=" not in local):
            return address
        stripped = _strip(local, domain)
        if stripped is None:
            return address
        address = fold_address(stripped)
    return address


def _strip(local: str, domain: str) -> str | None:
    if found := _SRS1.fullmatch(local):
        return f"srs0={found[1]}@{domain}"
    if found := _SRS0.fullmatch(local):
        return f"{found[2]}@{found[1]}"
    if found := _BATV_REVERSED.fullmatch(local) or _BATV.fullmatch(local):
        return f"{found[1]}@{domain}"
    if found := _VERP.fullmatch(local):
        return f"{found[1]}@{domain}"
    return None
