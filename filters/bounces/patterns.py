"""Patterns that take linear time on whatever a message holds."""

from __future__ import annotations

from typing import Any, Final

import re2

_OPTIONS: Final = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 64 * 1024 * 1024


def pattern(*alternatives: str) -> Any:
    """An RE2 pattern of alternatives, without regard to case; `^` and `$` stand for the ends of a line."""
    return re2.compile("(?m)(?:" + "|".join(alternatives) + ")", _OPTIONS)
