"""A breaker: after several failures in a row a service is left alone for a while, so that mail does not wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 3  # in a row
PAUSE = 30.0  # seconds


class Breaker:
    """Whether to ask a service. After the pause one question at a time goes through until one is answered."""

    def __init__(
        self, *, failures: int = FAILURES, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._pause = pause
        self._clock = clock
        self._failed = 0
        self._again_at = 0.0

    @property
    def open(self) -> bool:
        """Whether the service is given up for now."""
        return self._failed >= self._most

    def may_ask(self) -> bool:
        """Whether to ask now; counts as the one question after a pause."""
        if not self.open:
            return True
        if self._clock() < self._again_at:
            return False
        self._again_at = self._clock() + self._pause
        return True

    def answered(self) -> bool:
        """The service answered; whether that ends a break."""
        was_open, self._failed = self.open, 0
        return was_open

    def failed(self) -> bool:
        """The service did not answer; whether that begins a break."""
        self._failed += 1
        self._again_at = self._clock() + self._pause
        return self._failed == self._most
