"""Times as people write them on a command line: `2026-11-01`, `2026-11-01T10:00`, `7d`, `24h`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from gateway.cli.context import current
from gateway.cli.usage import WrongUsage
from gateway.text import Text

_SPAN = re.compile(r"(\d{1,5})([hdwmy])")
_DAYS = {"h": 1 / 24, "d": 1, "w": 7, "m": 30, "y": 365}
_BAD = Text("日時「{text}」が読み取れません。", "The time {text!r} cannot be read.")
_MEND = Text(
    "2026-11-01、2026-11-01T10:00、7d（7日）、24h（24時間）のように書いてください。",
    "Write 2026-11-01, 2026-11-01T10:00, 7d (days) or 24h (hours).",
)


def ago(text: str, *, whole_day: bool = False) -> datetime | None:
    """A moment in the past; a day means its begin, or with `whole_day` its end. None for "". Raises `WrongUsage`."""
    return _moment(text, -1, whole_day)


def ahead(text: str) -> datetime | None:
    """A moment to come; a day means its end. None for "". Raises `WrongUsage`."""
    return _moment(text, 1, True)


def _moment(text: str, sign: int, whole_day: bool) -> datetime | None:
    said = text.strip()
    if not said:
        return None
    zone = current().zone
    try:
        if span := _SPAN.fullmatch(said):
            return datetime.now(zone) + sign * timedelta(days=int(span[1]) * _DAYS[span[2]])
        moment = datetime.fromisoformat(said)
        if whole_day and len(said) <= 10:
            moment += timedelta(days=1)  # a naive day: midnight of the next one, also where the clocks change
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
        moment.timestamp()
    except (ValueError, OverflowError):
        raise WrongUsage(_BAD.with_(text=said[:100]), _MEND) from None
    return moment
