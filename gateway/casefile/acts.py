"""What somebody did in words, named as an act: 放火を予告, never a label for a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_NOTED: Final = re.compile(r"([^\s「」]{1,60})((?:「[^」]{1,300}」\d*)+)")
_WORDS: Final = re.compile("「([^」]{1,300})」")

# The first that fits names the act.
_BY_WORDS: Final = (
    (re.compile("火をつけ|火を付け|火を放|放火|燃や|焼き払|burn|arson"), "放火を予告"),
    (re.compile("爆破|爆弾|bomb"), "爆破を予告"),
    (re.compile("殺|ころす|ころし|死んでもら|命はない|命がない|kill"), "生命に害を加える旨を告知"),
    (re.compile("刺す|刺し|殴|ぶん殴|蹴り|痛い目|半殺し|hurt you|beat you|stab"), "身体に害を加える旨を告知"),
    (re.compile("押しかけ|乗り込|待ち伏せ|家に行|店に行く|find where you"), "押しかける旨を告知"),
    (re.compile("晒|さらして|ばらま|拡散|口コミに|ネットに書|expose you"), "情報や評価を公開する旨を告知"),
    (re.compile("土下座"), "土下座を要求"),
)
_BY_CATEGORY: Final = (
    (re.compile("脅迫|加害|threat", re.IGNORECASE), "害を加える旨を告知"),
    (re.compile("侮辱|暴言|罵|中傷|insult|abuse|slur", re.IGNORECASE), "侮辱にあたりうる表現を使用"),
    (re.compile("要求|強要|demand", re.IGNORECASE), "対応を強く要求"),
    (re.compile("性的|わいせつ|sexual", re.IGNORECASE), "性的な表現を使用"),
    (re.compile("差別|discriminat", re.IGNORECASE), "差別にあたりうる表現を使用"),
)


@dataclass(frozen=True, slots=True)
class Act:
    """An act and the words that it was done with."""

    name: str
    quote: str


def acts_of(record: Mapping[str, Any] | None) -> tuple[Act, ...]:
    """The acts that the rules' phrases found in a message, in order, each once."""
    fact = ((record or {}).get("facts") or {}).get("phrases") or {}
    note = fact.get("note") if isinstance(fact, dict) else None
    found: dict[Act, None] = {}
    for category, quotes in _NOTED.findall(note or ""):
        for quote in _WORDS.findall(quotes):
            found[Act(name_of(category, quote), quote)] = None
    return tuple(found)


def name_of(category: str, words: str) -> str:
    """The name of the act that these words of a category are."""
    for pattern, name in _BY_WORDS:
        if pattern.search(words):
            return name
    for pattern, name in _BY_CATEGORY:
        if pattern.search(category):
            return name
    return f"「{category}」に分類される表現を使用"
