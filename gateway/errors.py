"""The errors of the whole project: each says where, what is wrong, and the mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.text import Text


class SekishoError(Exception):
    """Base of every error that is meant to be read by a person; `text` says what is wrong, `mend` what to do."""

    def __init__(self, text: Text, mend: Text | None = None) -> None:
        super().__init__(str(text))
        self.text = text
        self.mend = mend

    def in_(self, language: str) -> str:
        """The whole message in one language."""
        said = self.text.in_(language)
        return f"{said}\n  → {self.mend.in_(language)}" if self.mend else said


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a file that a person wrote: `file:line:column: text` and the mend. Counted from 1."""

    file: str
    line: int
    column: int
    text: Text
    mend: Text | None = None

    def in_(self, language: str) -> str:
        """The fault as one or two lines in `language`."""
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        said = f"{where}: {self.text.in_(language)}"
        return f"{said}\n  → {self.mend.in_(language)}" if self.mend else said


class ConfigError(SekishoError):
    """One or more faults in config, rules, lists, phrases or templates; `faults` is never empty."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults[0].text, faults[0].mend)
        self.faults = tuple(faults)

    def in_(self, language: str) -> str:
        """Every fault, a line or two each."""
        return "\n".join(fault.in_(language) for fault in self.faults)

    def __str__(self) -> str:
        return self.in_("en")


class MimeLimit(SekishoError):
    """A message goes beyond a parse limit; the facts that need the parse are unknown."""


class StoreError(SekishoError):
    """The database is not usable: missing, locked, of another version, or full."""


class NotFound(SekishoError):
    """What a command was asked about is not on record."""


class Refused(SekishoError):
    """A command did not do what it was asked, with the reason."""
