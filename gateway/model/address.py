"""Mail addresses and how two of them are told to be the same (RFC 5321 §4.1.2, RFC 6531)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache

import idna

# Characters that are drawn with no width and so can hide inside an address or a word.
ZERO_WIDTH = dict.fromkeys(
    [
        *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0),
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE10),
    ]
)

_FOLDS = 10  # no address that is one needs three


@lru_cache(maxsize=16384)
def fold_address(address: str) -> str:
    """The key under which `address` is compared: NFKC, no zero-width characters, unquoted, case folded, IDNA domain.

    `"a..b"@Docomo.NE.jp`, `a..b@docomo.ne.jp` and the full-width form are one key. The null sender is "".
    Never raises: what cannot be an address is folded as text. A key is its own key.
    """
    return _settled(_fold_address, address)


def _fold_address(address: str) -> str:
    text = address if address.isascii() else unicodedata.normalize("NFKC", address.translate(ZERO_WIDTH))
    text = text.strip().strip("<>").strip()
    local, at, domain = text.rpartition("@")
    if not at:
        return text.casefold()
    return f"{unquote_local(local).casefold()}@{fold_domain(domain)}"


def unquote_local(local: str) -> str:
    """The local part without quoting (RFC 5321 §4.1.2: quoting is not part of the mailbox's name)."""
    if len(local) >= 2 and local[0] == '"' and local[-1] == '"':
        inner = local[1:-1]
        return inner.replace('\\"', '"').replace("\\\\", "\\") if "\\" in inner else inner
    return local


@lru_cache(maxsize=16384)
def fold_domain(domain: str) -> str:
    """The domain in lower-case A-labels (RFC 5891) without a trailing dot; as lower-case text where it is none."""
    return _settled(_fold_domain, domain)


def _fold_domain(domain: str) -> str:
    text = domain.strip().rstrip(".")
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text.translate(ZERO_WIDTH)).strip().rstrip(".")
    try:
        return idna.encode(text, uts46=True, transitional=False).decode("ascii").lower()
    except idna.IDNAError:
        return text.casefold()


def _settled(fold: Callable[[str], str], text: str) -> str:
    """`text` folded until nothing changes: what is hidden in brackets, quotes or blanks twice comes out as well."""
    for _ in range(_FOLDS):
        folded = fold(text)
        if folded == text:
            break
        text = folded
    return text


def domain_of(address: str) -> str:
    """The folded domain of an address, "" where there is none."""
    _, at, domain = fold_address(address).rpartition("@")
    return domain if at else ""


def same_domain_or_below(domain: str, parent: str) -> bool:
    """Whether `domain` is `parent` or a subdomain of it; both folded."""
    return domain == parent or domain.endswith("." + parent)
