"""Bytes to text under whatever charset label a mailer gave, right or wrong (RFC 2045 to 2047, RFC 1468)."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache, partial
from typing import Final

from gateway.mime import carriers, emoji, jis

_ALIASES: Final = {
    "jis": "jis x-jis iso2022jp csiso2022jp",
    "cp932": "cp932 ms932 windows932 windows31j sjis xsjis shiftjis xshiftjis mskanji csshiftjis cswindows31j sjiswin "
    "shiftjiswin shiftjisx0213 shiftjis2004 sjisdocomo",
    "euc": "eucjp xeuc xeucjp ujis cp51932 eucjpms eucjpwin cseucpkdfmtjapanese",
    "utf-8": "utf8 xutf8 unicode11utf8 cp65001 utf8mb4 unicode20utf8",
    "ascii": "ascii usascii ansix341968 iso646us 7bit us",
    "cp1252": "iso88591 latin1 windows1252 cp1252 xansi l1 iso88591windows",
    "gb18030": "gb2312 gbk xgbk cp936 gb18030 euccn",
    "cp949": "ksc56011987 euckr cp949 ksc5601 uhc",
    "big5hkscs": "big5 xbig5 cp950 big5hkscs",
    "iso8859-8": "iso88598i iso88598e",
    "cp874": "windows874 iso885911",
}
_FOLDED: Final = {label: codec for codec, labels in _ALIASES.items() for label in labels.split()}
# Text codecs of Python that are no charsets, or that a sender could abuse.
_NOT_A_CHARSET: Final = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "unicode-escape"}
_STATEFUL: Final = {"utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "hz"}
_KANA: Final = re.compile("[\u3041-\u30fe]")
_HALF_WIDTH: Final = re.compile("[\uff61-\uff9f]")
_STRANGE: Final = re.compile("[\ufffd\ue000-\uf8ff\x80-\x9f]")
_IDEOGRAPH: Final = re.compile("[\u4e00-\u9fff\u3000-\u3002\uff01-\uff5e]")
_DOUBLE_BYTE: Final = {"cp932", "euc", "gb18030", "cp949", "big5hkscs", "gb2312", "gbk", "big5", "euc_kr", "johab"}
# Two high bytes in a row, or one that Western text hardly has; single ones between letters are accents.
_NOT_WESTERN: Final = re.compile(rb"[\x80-\xff]{2}|[\x81-\x84\x86-\x90\x98\x9a-\x9f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_THREE_BYTES: Final = re.compile(rb"[\xe2-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@lru_cache(maxsize=1024)
def codec_for(label: str) -> str:
    """The codec for a charset label: a Python codec, `jis`, `euc`, or "" where the label means nothing."""
    folded = re.sub(r"[^a-z0-9]", "", label[:64].lower())
    if folded in _FOLDED:
        return _FOLDED[folded]
    of_carrier = carriers.of_label(folded)[0]
    if of_carrier:
        return codec_for(of_carrier)
    if folded.startswith(("iso2022jp", "cp5022", "xiso2022jp")):
        return "jis"
    try:
        found = codecs.lookup(label[:64].strip())
    except (LookupError, ValueError):
        return ""
    text = getattr(found, "_is_text_encoding", True)
    return found.name if text and found.name not in _NOT_A_CHARSET else ""


@lru_cache(maxsize=1024)
def _carrier_for(label: str) -> str:
    return carriers.of_label(re.sub(r"[^a-z0-9]", "", label[:64].lower()))[1]


def decode(data: bytes, label: str = "", carrier: str = "") -> str:
    """The text of `data`: by its label where that fits, by what the bytes say where it does not. Never raises.

    `carrier`: the mobile carrier on whose phone it was written, which tells what its emoji are (`carriers.of_mail`).
    """
    text = _decode(data, label, _carrier_for(label) or carrier)
    return emoji.web_codes(text) if b"\x1b$" in data else text


def _decode(data: bytes, label: str, carrier: str) -> str:
    codec = codec_for(label) if label else ""
    if b"\x1b" in data and codec not in _STATEFUL and jis.ESCAPE.search(data):
        # Also under another label: no other charset of mail has these sequences.
        return _jis(data, carrier)
    if codec in _STATEFUL or codec.startswith("iso2022"):
        return _loose(data, codec)
    if data.isascii():
        if codec == "jis" and (b"\x0e" in data):
            return jis.decode(data)
        return data.decode("ascii")
    return _eight_bit(data, codec, carrier)


def guess(data: bytes, carrier: str = "") -> str:
    """The text of bytes without a label, such as a raw 8-bit header."""
    return decode(data, "", carrier)


def _loose(data: bytes, codec: str) -> str:
    try:
        return _SURROGATE.sub("\ufffd", data.decode(codec, "replace"))
    except (UnicodeError, LookupError, ValueError):
        return data.decode("latin-1")


def _jis(data: bytes, carrier: str) -> str:
    return jis.decode(data, partial(_within_jis, carrier), emoji.of(carrier).jis if carrier else None)


def _within_jis(carrier: str, data: bytes) -> str:
    """Eight-bit bytes between the escapes: UTF-8 of a careless program, else half-width kana."""
    utf8 = _strict(data, "utf-8", carrier)
    return utf8 if utf8 is not None else _replaced(data, "cp932", carrier)


def _eight_bit(data: bytes, codec: str, carrier: str) -> str:
    utf8 = _strict(data, "utf-8", carrier)
    if codec == "utf-8":
        return utf8 if utf8 is not None else _broken_utf8(data, carrier)
    if utf8 is not None and (codec not in _DOUBLE_BYTE or _THREE_BYTES.search(data)):
        return utf8  # by chance only two-byte sequences in East Asian text look like it
    if codec in ("", "ascii", "jis"):
        return _eight_bit_guess(data, carrier)
    if codec in ("cp932", "euc"):
        other = "euc" if codec == "cp932" else "cp932"
        first = _strict(data, codec, carrier)
        if first is not None and not _strange(first):
            return first
        second = _strict(data, other, carrier)
        if second is not None and not _strange(second) and _KANA.search(second):
            return second
        return first if first is not None else _replaced(data, codec, carrier)
    if codec == "cp1252":
        # The label that mailers write when they do not know.
        japanese = _japanese(data, carrier)
        if japanese is not None and len(_KANA.findall(japanese)) >= 2:
            return japanese
        return _latin(data)
    return _loose(data, codec)


def _eight_bit_guess(data: bytes, carrier: str) -> str:
    """Eight-bit bytes that nobody labelled: UTF-8, Shift_JIS or EUC-JP, else Western."""
    utf8 = _strict(data, "utf-8", carrier)
    if utf8 is not None:
        return utf8
    japanese = _japanese(data, carrier)
    if japanese is not None:
        return japanese
    return _broken_utf8(data, carrier) if _THREE_BYTES.search(data) else _latin(data)


def _broken_utf8(data: bytes, carrier: str) -> str:
    text = emoji.translated(data.decode("utf-8", "replace"), carrier)
    broken = text.count("\ufffd")
    if broken <= 2 and len(_THREE_BYTES.findall(data)) >= broken:
        return text  # cut inside a character
    japanese = _japanese(data, carrier)
    if japanese is not None:
        return japanese
    return text if _THREE_BYTES.search(data) else _latin(data)


def _japanese(data: bytes, carrier: str) -> str | None:
    """The better of Shift_JIS and EUC-JP, or None where the bytes are neither."""
    if not _NOT_WESTERN.search(data):
        return None
    best: tuple[float, str] | None = None
    for codec in ("cp932", "euc"):
        text = _strict(data, codec, carrier)
        if text is None or _strange(text):
            continue
        kana, ideographs = len(_KANA.findall(text)), len(_IDEOGRAPH.findall(text))
        half = len(_HALF_WIDTH.findall(text))
        wide = sum(1 for c in text if c > "\x7f")
        # Western text read as Shift_JIS gives stray half-width kana or rare ideographs between Latin letters.
        if kana + half < 1 and ideographs < 2 and not carrier:
            continue
        if half and not kana and not ideographs and half < 3:
            continue
        score = (2 * kana + ideographs - half) / max(1, wide)
        if best is None or score > best[0]:
            best = (score, text)
    return best[1] if best is not None else None


def _strange(text: str) -> bool:
    # Carriers' pictograms live in the private area: a few of them are no sign of a wrong charset.
    odd = len(_STRANGE.findall(text))
    return odd > 0 and odd * 4 > sum(1 for c in text if c > "\x7f")


def _strict(data: bytes, codec: str, carrier: str) -> str | None:
    if codec == "euc":
        return jis.decode_euc(data, strict=True)
    try:
        return _by_codec(data, codec, carrier, "strict")
    except UnicodeDecodeError:
        return None


def _replaced(data: bytes, codec: str, carrier: str) -> str:
    if codec == "euc":
        return jis.decode_euc(data, strict=False) or ""
    return _by_codec(data, codec, carrier, "replace")


def _by_codec(data: bytes, codec: str, carrier: str, errors: str) -> str:
    if carrier and codec == "cp932":
        return emoji.to_cp932(data, carrier).decode(codec, errors).translate(emoji.of(carrier).shift_jis)
    return emoji.translated(data.decode(codec, errors), carrier)


def _latin(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")
