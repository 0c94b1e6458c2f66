"""Times and texts of the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.cli.context import Context, enter
from gateway.cli.safe import json_safe, one_line, printable
from gateway.cli.usage import WrongUsage
from gateway.cli.when import ago, ahead
from gateway.config import scaffold


@pytest.fixture(autouse=True)
def tokyo(tmp_path: Path) -> None:
    scaffold.write(tmp_path, "ja")
    enter(Context(tmp_path / "config.yaml", environ={}))


def test_a_day_is_meant_in_the_shop_s_zone() -> None:
    assert ago("2026-11-01") == datetime(2026, 10, 31, 15, tzinfo=UTC)
    assert ago("2026-11-01", whole_day=True) == datetime(2026, 11, 1, 15, tzinfo=UTC)
    assert ago("2026-11-01T10:00") == datetime(2026, 11, 1, 1, tzinfo=UTC)
    assert ago("2026-11-01T10:00", whole_day=True) == datetime(2026, 11, 1, 1, tzinfo=UTC)
    assert ago("2026-11-01T10:00+00:00") == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert ahead("2026-12-31") == datetime(2026, 12, 31, 15, tzinfo=UTC)
    assert ago("") is None


@pytest.mark.parametrize(("text", "days"), [("7d", 7), ("24h", 1), ("2w", 14), ("1y", 365)])
def test_spans_count_from_now(text: str, days: int) -> None:
    now = datetime.now(UTC)
    past, future = ago(text), ahead(text)
    assert past is not None
    assert future is not None
    assert abs(now - timedelta(days=days) - past) < timedelta(seconds=30)
    assert abs(now + timedelta(days=days) - future) < timedelta(seconds=30)


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "99999y", "d7", "7 d", "9999-12-31", "２０２６", "\x1b[2J"])
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(WrongUsage):
        ago(text, whole_day=True)


def test_nothing_from_outside_steers_the_terminal() -> None:
    said = printable("a\x1b[31m\x9b2J\u202e\u200bあ\u3000\n\t\udc80\U000e0041")
    assert said == "a\\x1b[31m\\x9b2J\\u202e\\u200bあ\u3000\n\t\\udc80\\U000e0041"
    assert one_line("a\r\nb\tc") == "a\\x0d b c"
    assert one_line("あいうえお", 3) == "あい…"


def test_json_stays_json_and_steers_nothing() -> None:
    value = {"subject": "\x1b[31m\x9b\u202e\U000e0041\udc80あ\u3000\n"}
    text = json_safe(json.dumps(value, ensure_ascii=False))
    assert text.isprintable()
    assert "あ" in text
    assert json.loads(text) == value
