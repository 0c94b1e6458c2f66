"""What a bundle is to be, what became of it, and the steps of its making."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.store.selection import Selection

READING, SETTING, SEALING, PACKING = "reading", "setting", "sealing", "packing"
# Told the step, how much of it is done, and of how much (0: not known).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a bundle is to be: what belongs to it, how exhibits are counted, and what is blacked out."""

    selections: tuple[Selection, ...]  # what fits any of them belongs to it
    query: Mapping[str, Any]  # as it was asked for, told in 07_settings.json
    operator: str
    shop: str
    zone: ZoneInfo
    party: str = "甲"
    start: int = 1
    redact: tuple[str, ...] = ()
    reason: str = ""  # why it is blacked out
    policy: Mapping[str, bytes] = field(default_factory=dict)  # files of 11_policy
    state: Mapping[str, Any] = field(default_factory=dict)  # of clock and gateway, told in 07_settings.json
    encrypted: bool = False
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was made: its numbers, the SHA-256 (hex) of the file, and the password where it has one."""

    exhibits: int
    attachments: int
    calls: int
    redacted: int
    size: int
    sha256: str
    checkpoint: int  # records that its checkpoint seals
    password: str | None
