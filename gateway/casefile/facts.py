"""What all tables and lists of a bundle are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.casefile.gather import Gathered
from gateway.casefile.letter import Letter
from gateway.casefile.redaction import Redaction
from gateway.casefile.workshop import Taken


@dataclass(frozen=True, slots=True)
class Facts:
    """What all tables are made of."""

    gathered: Gathered
    taken: Mapping[str, Taken]  # by the name of the mark
    missing: frozenset[str]  # names of marks whose original was deleted
    leaves: Mapping[int, bytes]
    counted: int  # records of the log when its messages were counted
    times: Sequence[tuple[datetime, bool]]  # of every message record: when, and whether deleted
    zone: ZoneInfo
    redaction: Redaction
    reason: str  # why things were blacked out
    shop: str
    operator: str
    cases: frozenset[str] | None  # whose reasons may be told; None: all
    made_at: datetime

    @property
    def exhibits(self) -> list[Letter]:
        """The letters that became exhibits."""
        return [letter for letter in self.gathered.letters if letter.mark.name in self.taken]
