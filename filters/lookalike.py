"""Domains that are made to be taken for another: a letter more or less, letters of other scripts, the name in front."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

import idna

from filters.data import pairs, well_known
from filters.dmarc import organizational_domain
from filters.typo import one_slip
from gateway.model.address import same_domain_or_below
from gateway.model.lists import fold_text
from gateway.text import Text

LEAST = 5  # letters of a name, of which one may differ: shorter ones are too near to others by chance
_LONGEST = 253  # characters of a domain (RFC 1035)

_DRAWN_ALIKE = Text("{given} は {own} と見分けにくい文字で書かれています。", "{given} is drawn like {own}")
_ONE_LETTER = Text("{given} は {own} と 1 文字違いです。", "{given} is one letter off {own}")
_IN_FRONT = Text("{given} は {own} を頭に付けた別のドメインです。", "{given} only begins with {own}")


@lru_cache(maxsize=4096)
def lookalike(domain: str, own: tuple[str, ...]) -> Text | None:
    """Why a folded domain can be taken for one of our own folded ones; None where it cannot, or is one of them.

    A provider whose customers we are ourselves, such as gmail.com, is none of our own.
    """
    mine = [one for one in own if not well_known(one)]
    if (
        not domain
        or len(domain) > _LONGEST
        or well_known(domain)
        or any(same_domain_or_below(domain, _main(one)) for one in mine)
    ):
        return None
    for one in mine:
        why = _compare(domain, one)
        if why is not None:
            shown = _unicode(domain)
            given = domain if shown == domain else f"{domain}（{shown}）"
            return why.with_(given=given, own=_unicode(one))
    return None


def _compare(domain: str, own: str) -> Text | None:
    for mine in dict.fromkeys((own, _main(own))):
        if f".{domain}.".find(f".{mine}.") >= 0:
            return _IN_FRONT
        given = _main(domain) if mine == _main(own) else domain
        if skeleton(given) == skeleton(mine):
            return _DRAWN_ALIKE
        written, meant = _unicode(given), _unicode(mine)
        if len(meant.partition(".")[0]) >= LEAST and one_slip(written, meant):
            return _ONE_LETTER
    return None


def skeleton(domain: str) -> str:
    """What a domain looks like: A-labels decoded, accents taken off, every letter that of its look-alikes."""
    plain = unicodedata.normalize("NFKD", fold_text(_unicode(domain)))
    plain = unicodedata.normalize("NFC", "".join(c for c in plain if c in _VOICED or not unicodedata.combining(c)))
    for several, one in _several():
        plain = plain.replace(several, one)
    return plain.translate(_single())


_VOICED = "\u3099\u309a"  # the marks that make ハ into バ and パ are no accents


@cache
def _single() -> dict[int, str]:
    return {ord(given): meant for given, meant in pairs("homoglyphs").items() if len(given) == 1}


@cache
def _several() -> tuple[tuple[str, str], ...]:
    return tuple((given, meant) for given, meant in pairs("homoglyphs").items() if len(given) > 1)


def _main(domain: str) -> str:
    """The domain that was registered: `shop.example` of `order.shop.example`."""
    return organizational_domain(domain) or domain


def _unicode(domain: str) -> str:
    """The domain with its A-labels decoded (RFC 5891); a label that is none stays."""
    if "xn--" not in domain:
        return domain
    return ".".join(_label(label) for label in domain.split("."))


def _label(label: str) -> str:
    try:
        return idna.decode(label) if label.startswith("xn--") else label
    except idna.IDNAError:
        try:
            return label[4:].encode("ascii").decode("punycode")  # letters that may not be registered are drawn too
        except (UnicodeError, ValueError):
            return label
