"""What a session is doing, and a session as the server sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """What a connection is doing."""

    OPENING = "opening"
    COMMAND = "command"
    DATA = "data"
    COMMIT = "commit"


class OpenSession(Protocol):
    """A session that can be asked what it is doing, and be told to end."""

    phase: Phase

    def end(self) -> None:
        """End after the message at work."""

    def abort(self) -> None:
        """End now; a commit that is going on is not broken."""
