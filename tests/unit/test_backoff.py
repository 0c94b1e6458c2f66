"""When to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.backoff import JITTER, LONGEST_PROBE, delay, next_try
from gateway.model.settings import Delivery

SETTINGS = Delivery()
START = datetime(2026, 7, 1, tzinfo=UTC)


@given(st.integers(1, 10_000))
def test_delays_double_up_to_the_longest_with_jitter(attempts: int) -> None:
    steady = min(SETTINGS.longest_retry, SETTINGS.first_retry * 2 ** min(attempts - 1, 40))
    assert steady * (1 - JITTER) <= delay(attempts, SETTINGS) <= steady * (1 + JITTER)
    assert delay(attempts, SETTINGS, longest=LONGEST_PROBE) <= LONGEST_PROBE * (1 + JITTER)


def test_delays_of_what_failed_together_differ() -> None:
    assert len({delay(5, SETTINGS) for _ in range(100)}) > 90


def test_it_ends_after_the_configured_time() -> None:
    assert next_try(START, 3, START + timedelta(days=4, hours=23), SETTINGS) is not None
    assert next_try(START, 3, START + timedelta(days=5), SETTINGS) is None


def test_a_destination_that_is_down_makes_nothing_expire_after_five_days() -> None:
    probe = START + timedelta(days=5, minutes=5)
    assert next_try(START, 3, START + timedelta(days=5), SETTINGS, probe) == probe
    assert next_try(START, 3, START + timedelta(days=10), SETTINGS, probe) is None
