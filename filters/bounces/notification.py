"""Bounces that Amazon SES reports as JSON through its notification service instead of a report of RFC 3464."""

from __future__ import annotations

import json
from typing import Any, Final

from filters.bounces.bounce import Bounce
from filters.bounces.status import STATUS

_TEXT: Final = 128 * 1024


def read_notification(text: str) -> Bounce | None:
    """The bounce in a notification's text; None where it tells of a delivery or a complaint, or cannot be read."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        record, _ = json.JSONDecoder().raw_decode(text[start : start + _TEXT].replace("\n", ""))
    except (ValueError, RecursionError):
        return None
    bounce = _dict(_dict(record).get("bounce"))
    recipients = bounce.get("bouncedRecipients")
    if not isinstance(recipients, list):
        return None
    entries = [_dict(entry) for entry in recipients[:100]]
    addresses = tuple(str(entry.get("emailAddress", "")) for entry in entries if entry.get("emailAddress"))
    first = entries[0] if entries else {}
    reason = str(first.get("diagnosticCode", "") or bounce.get("bounceSubType", ""))[:500]
    status = STATUS.search(str(first.get("status", ""))) or STATUS.search(reason)
    return Bounce(addresses[0] if addresses else "", addresses, status[1] if status else "", reason)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
