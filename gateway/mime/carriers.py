"""Japanese mobile carriers: whose phone a mail was written on, which tells what its private characters mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

DOCOMO: Final = "docomo"
AU: Final = "au"
SOFTBANK: Final = "softbank"

# WILLCOM and EMOBILE took over the codes of docomo. Mail domains that a carrier has had, subdomains included.
_DOMAINS: Final = {
    DOCOMO: "docomo.ne.jp docomo-camera.ne.jp pdx.ne.jp willcom.com emnet.ne.jp",
    AU: "ezweb.ne.jp au.com ido.ne.jp uqmobile.jp",
    SOFTBANK: "softbank.ne.jp i.softbank.jp vertuclub.ne.jp vodafone.ne.jp disney.ne.jp jp-d.ne.jp jp-h.ne.jp"
    " jp-t.ne.jp jp-c.ne.jp jp-k.ne.jp jp-r.ne.jp jp-n.ne.jp jp-s.ne.jp jp-q.ne.jp",
}
_OF_DOMAIN: Final = {domain: carrier for carrier, domains in _DOMAINS.items() for domain in domains.split()}
_DOMAIN: Final = re.compile(rb"@[ \t]*([A-Za-z0-9.-]{4,100})")
# `x-sjis-docomo`, `SJIS-Mobile#KDDI`, `x-utf8-softbank`, `ISO-2022-JP-KDDI`, letters and digits alone
_LABEL: Final = re.compile(
    r"x?(sjis|shiftjis|cp932|utf8|iso2022jp)(?:mobile)?(?:docomo|imode|kddi|au|softbank|vodafone)"
)
_OF_LABEL: Final = {
    "docomo": DOCOMO,
    "imode": DOCOMO,
    "kddi": AU,
    "softbank": SOFTBANK,
    "vodafone": SOFTBANK,
    "au": AU,
}
_PHONE: Final = re.compile(rb"iphone|ipad|android", re.IGNORECASE)


def of_domain(domain: str) -> str:
    """The carrier that hands out addresses at `domain`, lower-case, or at one above it; "" for none."""
    while domain:
        found = _OF_DOMAIN.get(domain)
        if found is not None:
            return found
        domain = domain.partition(".")[2]
    return ""


def of_mail(fields: Mapping[str, list[bytes]]) -> str:
    """The carrier on whose phone a mail with these raw fields was written, "" where that is unsure.

    The first From has to be the carrier's address. A mail program of a computer, which names itself in X-Mailer or
    User-Agent, writes no carrier's emoji, and what looks like one is a rare ideograph.
    """
    author = fields.get("from")
    if not author:
        return ""
    domains = _DOMAIN.findall(author[0][:2_000])
    carrier = of_domain(domains[-1].decode("ascii").lower()) if domains else ""
    if carrier:
        programs = [*fields.get("x-mailer", ()), *fields.get("user-agent", ())]
        if programs and not any(_PHONE.search(program[:200]) for program in programs):
            return ""
    return carrier


def of_label(folded: str) -> tuple[str, str]:
    """The charset and the carrier that a label in lower-case letters and digits alone names, "" and "" for none."""
    found = _LABEL.match(folded)
    if found is None:
        return "", ""
    return found[1], next(carrier for name, carrier in _OF_LABEL.items() if name in folded)
