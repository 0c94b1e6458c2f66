"""What all papers of a bundle have in common, and what a paper is for the template."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.casefile.letter import Letter

_KINDS: Final = {
    ("in", "mail"): "受信した電子メール",
    ("out", "mail"): "送信した電子メール",
    ("out", "reply"): "自動返信として送信した電子メール",
    ("out", "notice"): "通知として送信した電子メール",
    ("out", "report"): "不達通知として送信した電子メール",
    ("out", "forward"): "転送した電子メール",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """What all papers of a bundle have in common."""

    shop: str
    zone: ZoneInfo
    made_at: datetime
    checkpoint: str  # one line about the checkpoint that seals the records
    words: tuple[str, ...] = ()  # to black out


@dataclass(slots=True)
class Paper:
    """Data for the template, with the pictures that they name."""

    data: dict[str, Any]
    pictures: dict[str, bytes] = field(default_factory=dict)


def kind_of(letter: Letter) -> str:
    """What kind of mail it is, as headings and tables say it."""
    return _KINDS.get((letter.direction, letter.kind), "電子メール")
