"""RE2 as it is used on folded text: its options, and many patterns searched in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import re2

_PROBE = b"probe"


def re2_options() -> re2.Options:
    """Upper and lower case are one, nothing is captured, and nothing is written to standard error."""
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    options.never_capture = True
    return options


def pattern_set(patterns: Sequence[bytes]) -> re2.Set | None:
    """The patterns to be searched in one pass; None where there are none, or where they are too large for that.

    A set that lacks the memory finds nothing and says nothing, so one more pattern is put to the proof first.
    """
    if not patterns:
        return None
    probe = re2.Set.SearchSet(re2_options())
    together = re2.Set.SearchSet(re2_options())
    try:
        for pattern in patterns:
            probe.Add(pattern)
            together.Add(pattern)
        probe.Add(_PROBE)
        probe.Compile()
        together.Compile()
    except re2.error:
        return None
    return together if probe.Match(_PROBE) else None
