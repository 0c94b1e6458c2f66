"""Facts: what filters find out about a message and rules ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from gateway.text import Text

Value = str | bool | int | tuple[str, ...] | None


class Kind(StrEnum):
    """What a fact's value is, and with it which operators a rule may use."""

    ADDRESS = "address"  # str, folded
    TEXT = "text"  # str, or a tuple of str of which any may fit
    YES_NO = "yes/no"  # bool
    IP = "ip"  # str
    NUMBER = "number"  # int
    CHOICE = "choice"  # str out of FactSpec.choices
    SET = "set"  # tuple of str


class Unknown:
    """The value of a fact that could not be found out: no condition on it holds."""

    def __repr__(self) -> str:
        return "unknown"

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = Unknown()


class Fact(NamedTuple):  # a named tuple: every message makes dozens of them
    """A value with the reason it was found, or why it is unknown. `None` as value means: there is none."""

    value: Value | Unknown
    note: Text | None = None

    @property
    def known(self) -> bool:
        """Whether a condition may look at the value."""
        return not isinstance(self.value, Unknown)


def unknown(note: Text) -> Fact:
    """A fact that could not be found out, and why."""
    return Fact(UNKNOWN, note)


@dataclass(frozen=True, slots=True)
class FactSpec:
    """The declaration of a fact: its name in rules, its kind, and a sentence for the reference page.

    `argument` names what may stand beside the operator (`within` a duration) or after the dot (`header.NAME`); a fact
    with an argument is kept under `key(argument)`.
    """

    name: str
    kind: Kind
    about: Text
    choices: tuple[str, ...] = ()
    argument: str = ""  # "" | "name" | "within"
    many: bool = False  # the value is a tuple of which any may fit

    def key(self, argument: str | int | None = None) -> str:
        """The name under which the fact is stored for this argument: `header.x-mailer`, `mails_from_sender[3600]`."""
        if argument is None or not self.argument:
            return self.name
        if self.argument == "name":
            return f"{self.name}.{str(argument).lower()}"
        return f"{self.name}[{argument}]"


Facts = Mapping[str, Fact]
