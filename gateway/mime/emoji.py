"""Emoji of Japanese mobile carriers to Unicode: Shift_JIS, ISO-2022-JP, UTF-8 private use and SoftBank's web codes.

One code means different things at docomo, au and SoftBank, and to everybody else a private character or a rare
ideograph, so nothing is touched but in mail of a carrier (`gateway.mime.carriers`). What Unicode does not have, such as
the carriers' logos, becomes 〓, as Japanese mail gateways have it. The table `data/emoji.tsv` has its facts from
EmojiSources.txt of the Unicode Character Database (UAX #44); the private codes follow from the Shift_JIS codes by the
carriers' own rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

from gateway.mime.carriers import AU, DOCOMO, SOFTBANK

GETA: Final = "\u3013"

_COLUMNS: Final = {DOCOMO: 0, AU: 1, SOFTBANK: 2}
_CELLS: Final = 188  # trail bytes of a lead byte, and cells of two rows of JIS
# Leads that hold ideographs for cp932, or nothing, and those of the same emoji in the user's area: au's for mail,
# SoftBank's last two pages (F0 is free there).
_LEADS: Final = {AU: {0xEB: 0xF6, 0xEC: 0xF7, 0xED: 0xF3, 0xEE: 0xF4}, SOFTBANK: {0xFB: 0xF0}}
_AU_ROWS: Final = {0x75: 0xF6, 0x77: 0xF7, 0x79: 0xF3, 0x7B: 0xF4}  # JIS row of au's mail, and lead in Shift_JIS
_AU_BLOCKS: Final = (  # first and last in Shift_JIS, first in private use
    (0xF640, 0xF7D1, 0xE468),
    (0xF7D2, 0xF7E4, 0xEAFB),
    (0xF7E5, 0xF7FC, 0xE5B5),
    (0xF340, 0xF352, 0xE5CD),
    (0xF353, 0xF3CE, 0xEA80),
    (0xF3CF, 0xF493, 0xEB0E),
)
_AU_WEB_LEADS: Final = {0xEF: 0xF6, 0xF0: 0xF7, 0xEC: 0xF3, 0xED: 0xF4}  # another private area, of au's web gateways
_SOFTBANK_PAGES: Final = {  # page of private use: its web code, and the place before its first in Shift_JIS
    0xE0: (b"G", 0xF940),
    0xE1: (b"E", 0xF740),
    0xE2: (b"F", 0xF7A0),
    0xE3: (b"O", 0xF9A0),
    0xE4: (b"P", 0xFB40),
    0xE5: (b"Q", 0xFBA0),
}
_WEB_CODE: Final = re.compile("\x1b\\$([EFGOPQ])([!-z]{1,200})(?:\x0f|(?=[\r\n])|$)")
_PRIVATE: Final = range(0xE000, 0xF900)
_ANY_PRIVATE: Final = re.compile("[\ue000-\uf8ff]")
_USERS: Final = range(0xE000, 0xE758)  # where cp932 puts its user's area


@dataclass(frozen=True, slots=True)
class Emoji:
    """What the codes of one carrier mean: tables for `str.translate`, and JIS cells by their two bytes."""

    shift_jis: dict[int, str]  # by the private character that cp932 makes of the code
    private: dict[int, str]  # by the carrier's own private character
    jis: dict[tuple[int, int], str]


def of(carrier: str) -> Emoji:
    """The tables of a carrier; read once."""
    return _tables()[carrier]


def to_cp932(data: bytes, carrier: str) -> bytes:
    """Shift_JIS of a carrier with every emoji in the user's area of cp932, where `Emoji.shift_jis` looks for it."""
    leads = _LEADS.get(carrier)
    if leads is None or not any(lead in data for lead in leads):
        return data
    moved = bytearray(data)
    at = 0
    while at < len(data) - 1:
        lead = data[at]
        if 0x81 <= lead <= 0x9F or 0xE0 <= lead <= 0xFC:
            moved[at] = leads.get(lead, lead)
            at += 1
        at += 1
    return bytes(moved)


def translated(text: str, carrier: str) -> str:
    """`text` with the private characters of `carrier` as emoji; as it is where "" stands for none."""
    return text.translate(of(carrier).private) if carrier and _ANY_PRIVATE.search(text) else text


def web_codes(text: str) -> str:
    """`text` with SoftBank's web codes, ESC $ page characters SI, as emoji; the sequence means nothing else."""
    return _WEB_CODE.sub(_web_code, text) if "\x1b$" in text else text


def _web_code(found: re.Match[str]) -> str:
    page = next(page for page, (code, _) in _SOFTBANK_PAGES.items() if code.decode() == found[1])
    return "".join(chr((page << 8) + ord(c) - 0x20) for c in found[2]).translate(of(SOFTBANK).private)


@lru_cache(maxsize=1)
def _tables() -> dict[str, Emoji]:
    text = files("gateway.mime").joinpath("data", "emoji.tsv").read_text(encoding="ascii")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {carrier: _table(carrier, rows) for carrier in _COLUMNS}


def _table(carrier: str, rows: list[list[str]]) -> Emoji:
    column = _COLUMNS[carrier]
    shift_jis, private = dict.fromkeys(_USERS, GETA), dict.fromkeys(_PRIVATE, GETA)
    jis = {(row, cell): GETA for row in range(0x75, 0x7F) for cell in range(0x21, 0x7F)} if carrier == AU else {}
    for row in rows:
        if row[column] == "-":
            continue
        code = int(row[column], 16)
        meant = "".join(chr(int(point, 16)) for point in row[3].split())
        lead = _LEADS.get(carrier, {}).get(code >> 8, code >> 8)
        shift_jis[0xE000 + _place(lead << 8 | code & 0xFF)] = meant
        for character in _privately(carrier, code):
            private[character] = meant
        if carrier == AU:
            jis[_au_cell(code)] = meant
    if carrier == AU:  # the last rows of IBM's ideographs, which no emoji took, stay theirs
        jis = {cell: meant for cell, meant in jis.items() if cell[0] != 0x7C}
    return Emoji(shift_jis, private, jis)


def _place(code: int) -> int:
    """How many places a Shift_JIS code stands behind F040, the first of the user's area."""
    lead, trail = code >> 8, code & 0xFF
    return (lead - 0xF0) * _CELLS + trail - 0x40 - (trail > 0x7F)


def _privately(carrier: str, code: int) -> list[int]:
    """The private characters that stand for a Shift_JIS code in the carrier's UTF-8."""
    if carrier == DOCOMO:
        return [0xE000 + _place(code)]
    if carrier == AU:
        block = next(start + _place(code) - _place(first) for first, last, start in _AU_BLOCKS if first <= code <= last)
        return [block, *(page << 8 | code & 0xFF for page, lead in _AU_WEB_LEADS.items() if lead == code >> 8)]
    pages = [(_place(code) - _place(before + 1), page) for page, (_, before) in _SOFTBANK_PAGES.items()]
    behind, page = min(one for one in pages if one[0] >= 0)
    return [(page << 8) + 1 + behind]


def _au_cell(code: int) -> tuple[int, int]:
    row = next(row for row, lead in _AU_ROWS.items() if lead == code >> 8)
    down, cell = divmod(_place(code) % _CELLS, _CELLS // 2)
    return row + down, 0x21 + cell
