"""Times as the papers write them, in the shop's zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_DAYS = "月火水木金土日"


def japanese(at: datetime, zone: ZoneInfo) -> str:
    """2026年11月22日（日）06時59分14秒（+09:00）."""
    local = at.astimezone(zone)
    offset = local.strftime("%z")
    return (
        f"{local.year}年{local.month}月{local.day}日（{_DAYS[local.weekday()]}）"
        f"{local.hour:02d}時{local.minute:02d}分{local.second:02d}秒（{offset[:3]}:{offset[3:5]}）"
    )


def japanese_date(at: datetime, zone: ZoneInfo) -> str:
    """2026年11月22日."""
    local = at.astimezone(zone)
    return f"{local.year}年{local.month}月{local.day}日"


def japanese_minute(at: datetime, zone: ZoneInfo) -> str:
    """2026年11月22日（日）6:59."""
    local = at.astimezone(zone)
    return f"{local.year}年{local.month}月{local.day}日（{_DAYS[local.weekday()]}）{local.hour}:{local.minute:02d}"


def local_text(at: datetime, zone: ZoneInfo) -> str:
    """2026-11-22 06:59:14+09:00, which tables and programs read alike."""
    return at.astimezone(zone).isoformat(" ", "seconds")


def utc_text(at: datetime) -> str:
    """2026-11-21T21:59:14Z."""
    return at.astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"
