"""What systemd is told: ready, reloading, stopping, alive (sd_notify(3)); silent where nobody listens."""

from __future__ import annotations

import os
import time

from sdnotify import SystemdNotifier


class Systemd:
    """The notification socket of the unit, if there is one."""

    def __init__(self) -> None:
        self._notifier = SystemdNotifier()

    @property
    def watchdog_interval(self) -> float:
        """Seconds between two signs of life, half of what the unit asks for; 0 where it asks for none."""
        try:
            return int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
        except ValueError:
            return 0.0

    def ready(self, status: str) -> None:
        """All listeners are open."""
        self._notifier.notify(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._notifier.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon drains."""
        self._notifier.notify("STOPPING=1")

    def alive(self) -> None:
        """The event loop turns."""
        self._notifier.notify("WATCHDOG=1")
