"""The commands and replies of a transaction as they are kept with the message, bounded."""

from __future__ import annotations

from functools import lru_cache

ENTRIES = 300
LENGTH = 512  # characters of one entry
CUT = "(cut off)"


@lru_cache(maxsize=256)
def _said(reply: bytes) -> tuple[str, ...]:
    return tuple("S: " + line for line in reply.decode("ascii", "backslashreplace").splitlines())


class Dialogue:
    """Keeps the opening of the session (greeting to STARTTLS and EHLO) and the transaction that is going on."""

    def __init__(self) -> None:
        self._opening: list[bytes] = []
        self._now: list[bytes] = self._opening

    def client(self, line: bytes) -> None:
        """A command; of AUTH the argument is left out, for it is somebody's password."""
        if len(self._now) < ENTRIES:
            self._now.append(b"C: AUTH ..." if line[:4].upper() == b"AUTH" else b"C: " + line[:LENGTH])

    def server(self, reply: bytes) -> None:
        """A reply, all its lines."""
        if len(self._now) < ENTRIES:
            self._now.append(reply)

    def begin(self) -> None:
        """A transaction begins with the next command: what an earlier one left is dropped."""
        self._now = []

    def lines(self) -> tuple[str, ...]:
        """Everything so far as `C: ` and `S: ` lines."""
        entries = self._opening + self._now if self._now is not self._opening else self._opening
        lines: list[str] = []
        for entry in entries:
            if entry.startswith(b"C: "):
                lines.append(entry.decode("utf-8", "backslashreplace"))
            else:
                lines.extend(_said(entry))
        if len(self._opening) >= ENTRIES or len(self._now) >= ENTRIES:
            lines.append(CUT)
        return tuple(lines)
