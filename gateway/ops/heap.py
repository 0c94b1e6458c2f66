"""The collector's share of the event loop's time."""

from __future__ import annotations

import gc

# What a message leaves behind goes by its reference counts and little is left for the collector: it looks after so many
# new objects, some ten messages' worth, and not several times a message.
YOUNG = 50_000


def freeze() -> None:
    """Leave what is loaded by now out of every later collection, which would take about 90 ms; collect more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
