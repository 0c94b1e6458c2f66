"""When to try again: exponential backoff with jitter, and the end of trying."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from gateway.model.settings import Delivery

JITTER = 0.2  # of the delay, up and down, so that what failed together is not tried together
LONGEST_PROBE = 300  # seconds between two looks at a destination that is down: it is one connection each


def delay(attempts: int, settings: Delivery, *, longest: float | None = None) -> float:
    """Seconds to wait after `attempts` failed ones (from 1)."""
    limit = settings.longest_retry if longest is None else min(longest, settings.longest_retry)
    steady = min(limit, settings.first_retry * 2.0 ** min(attempts - 1, 32))
    return steady * random.uniform(1 - JITTER, 1 + JITTER)


def next_try(
    created_at: datetime, attempts: int, now: datetime, settings: Delivery, probe_at: datetime | None = None
) -> datetime | None:
    """When an entry that was just deferred is tried again; None where it has been tried for long enough.

    `probe_at`: the destination as a whole is down and will be looked at then. That is not the message's fault, so it
    may wait twice as long: a mailbox that comes back after `give_up_after` still gets all its mail.
    """
    patience = settings.give_up_after * (1 if probe_at is None else 2)
    if now - created_at >= timedelta(seconds=patience):
        return None
    return probe_at or now + timedelta(seconds=delay(attempts + 1, settings))
