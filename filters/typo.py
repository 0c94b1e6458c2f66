"""The address a customer probably meant to write: full-width, doubled or trailing dots, a slip in a known domain."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from filters.data import listed, pairs, well_known
from gateway.model.address import ZERO_WIDTH, fold_address, fold_domain
from gateway.text import Text

# Domains that customers mistype. Their first letter must be right: mail.com and cloud.com are domains of their own.
TARGETS = (
    "gmail.com",
    "googlemail.com",
    "yahoo.co.jp",
    "yahoo.com",
    "hotmail.com",
    "hotmail.co.jp",
    "outlook.com",
    "outlook.jp",
    "icloud.com",
    "docomo.ne.jp",
    "ezweb.ne.jp",
    "softbank.ne.jp",
    "i.softbank.jp",
    "ymobile.ne.jp",
    "biglobe.ne.jp",
    "protonmail.com",
)
_LONGEST = 320

_WIDTH = Text("全角文字や見えない文字が含まれています。", "it holds full-width or invisible characters")
_DOTS = Text("ドットの位置が正しくありません。", "its dots are misplaced")
_DOMAIN = Text("ドメイン {given} は {meant} の誤記と思われます。", "the domain {given} looks like a slip for {meant}")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The address probably meant (folded), and what was wrong with the one given."""

    address: str
    why: Text


def meant(given: str) -> Suggestion | None:
    """The address probably meant by `given` as it was written; None where it looks right or nothing better is valid.

    Dots are left alone at carriers, whose real addresses hold `..` and a final dot before the `@`.
    """
    text = given.strip().strip("<>").strip()
    if not text or len(text) > _LONGEST:
        return None
    why: Text | None = None
    plain = text
    if not text.isascii():
        plain = unicodedata.normalize("NFKC", text.translate(ZERO_WIDTH)).strip()
        # A mailbox that is named in letters beyond ASCII is an address of its own (RFC 6531).
        if plain != text and plain.isascii():
            why = _WIDTH
    local, at, domain = plain.rpartition("@")
    if not at or not local:
        return None
    right, said = _right_domain(domain)
    why = said or why
    if not local.startswith('"') and listed(fold_domain(right), "carriers") is None:
        tidy = re.sub(r"\.{2,}", ".", local).strip(".")
        if tidy != local:
            local, why = tidy, why or _DOTS
    if why is None or not _valid(local, right):
        return None
    return Suggestion(fold_address(f"{local}@{right}"), why)


def _right_domain(domain: str) -> tuple[str, Text | None]:
    tidy = re.sub(r"\.{2,}", ".", domain.replace("。", ".").strip()).strip(".")
    slip = _slip(fold_domain(tidy))
    if slip is not None:
        return slip, _DOMAIN.with_(given=domain, meant=slip)
    return tidy, _DOTS if tidy != domain else None


@lru_cache(maxsize=4096)
def _slip(domain: str) -> str | None:
    """The well-known domain that `domain` misses by one letter, or by a slip on the list."""
    known = pairs("typo_domains").get(domain)
    if known is not None:
        return known
    if well_known(domain):  # the packaged lists hold slips that somebody has registered
        return None
    for target in TARGETS:
        if target[0] == domain[:1] and one_slip(domain, target):
            return target
    return None


def one_slip(given: str, target: str) -> bool:
    """Whether one letter was left out, added, changed, or swapped with its neighbour."""
    if given == target or abs(len(given) - len(target)) > 1:
        return False
    start = 0
    while start < min(len(given), len(target)) and given[start] == target[start]:
        start += 1
    rest, right = given[start:], target[start:]
    return (
        rest[1:] == right  # added
        or rest == right[1:]  # left out
        or rest[1:] == right[1:]  # changed
        or (rest[:2] == right[1::-1] and rest[2:] == right[2:])  # swapped
    )


def _valid(local: str, domain: str) -> bool:
    """Whether the address could exist; carriers' dots are judged in the quoted form."""
    dotted = ".." in local or local.startswith(".") or local.endswith(".")
    try:
        validate_email(
            f'"{local}"@{domain}' if dotted else f"{local}@{domain}",
            check_deliverability=False,
            allow_quoted_local=True,
            test_environment=True,
        )
    except (EmailNotValidError, ValueError, UnicodeError):
        return False
    return True
