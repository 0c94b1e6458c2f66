"""Order numbers: the formats of Japanese shops, how two ways to write one number are told to be the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.model.lists import without_invisible

LONGEST: Final = 64  # characters of an order number

_LABEL = r"(?:注文|受注|予約|オーダー|order|purchase)[ \t]*(?:の[ \t]*)?(?:番号|コード|id|no\.?|nr\.?|number|code|#)"
_BETWEEN = r"""(?:\s*(?:は|が|is|[:=*|"'「」『』【】\[\]()<>])){0,6}\s*"""

# RE2 patterns on `order_text`, upper and lower case alike. Where there is a group, that is the number.
FORMATS: Final[Mapping[str, str]] = {
    "rakuten": r"\d{6}-\d{8}-\d{10}",
    "amazon": r"\d{3}-\d{7}-\d{7}",
    "makeshop": r"PB\d{17}|P\d{18}",
    "eccube": _LABEL + _BETWEEN + r"(#?[0-9A-Z][0-9A-Z_-]{0,39})",
    "shopify": r"#\d{4,10}",
}


@dataclass(frozen=True)
class Orders:
    """How the shop numbers its orders: names out of `FORMATS`, and RE2 patterns of its own."""

    formats: tuple[str, ...] = tuple(FORMATS)
    custom: tuple[str, ...] = ()


_DASH = re.compile("[\u2010-\u2015\u2212\u30fc\uff70\u2500]")
_DASH_WITHIN = re.compile(rf"(?<=[0-9A-Za-z]){_DASH.pattern}(?=[0-9A-Za-z])")


def order_text(text: str) -> str:
    """Text as order numbers are looked for: NFKC, without invisible characters, every dash within a number a hyphen."""
    if text.isascii():
        return text
    plain = without_invisible(text)
    if not unicodedata.is_normalized("NFKC", plain):
        plain = unicodedata.normalize("NFKC", plain)
    return _DASH_WITHIN.sub("-", plain) if _DASH.search(plain) else plain


def order_key(number: str) -> str:
    """The key under which an order is recorded: `＃1001`, `#1001` and `1001` are one order, `pb1` and `PB1` too."""
    return order_text(number).strip().lstrip("#").strip().casefold()[:LONGEST]
