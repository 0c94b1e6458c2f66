"""Names of persons and how two ways to write one are told to be the same."""

from __future__ import annotations

import re
from typing import Final

from gateway.model.lists import fold_text

LONGEST: Final = 100  # characters
_MOST_WORDS: Final = 4

_BRACKETED = re.compile(r"[(\[{<【「『〔《][^)\]}>】」』〕》]*[)\]}>】」』〕》]?")
_SEPARATORS = re.compile(r"[\s,、。.・･/／_\-=|:;\"'“”‘’`]+")
_BEFORE = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof"])
_AFTER = re.compile(r"(?:様|さま|サマ|さん|サン|殿|氏|先生)$")
_HIRAGANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}


def name_keys(name: str) -> tuple[str, ...]:
    """The keys under which a name is compared: as written, and with family and given name in the other order.

    Width, case, blanks, honorifics (様, さん, Mr.), what stands in brackets, and hiragana for katakana do not count.
    () where nothing is left of it.
    """
    words = name_words(name)
    if not words:
        return ()
    keys = ["".join(words)]
    if len(words) > 1:
        keys.append("".join(words[::-1]))
        keys.append("".join((words[-1], *words[:-1])))
    return tuple(dict.fromkeys(keys))


def tells_a_person(key: str) -> bool:
    """Whether a key is long enough to mean one person: a full name, not 佐藤 or Taro alone."""
    return len(key) >= (7 if key.isascii() else 3)


def name_words(name: str) -> list[str]:
    """The words of a name as they are compared."""
    folded = fold_text(name[:LONGEST]).translate(_HIRAGANA)
    plain = _BRACKETED.sub(" ", folded).strip() or folded
    words = [word for word in _SEPARATORS.split(plain) if word]
    if words and words[0] in _BEFORE:
        words = words[1:]
    if words:
        words[-1] = _AFTER.sub("", words[-1])
    return [word for word in words if word][:_MOST_WORDS]
