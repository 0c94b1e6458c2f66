"""Where a mail lies in a mailbox, and what is to be done to it there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """The identity of a mail in a mailbox (RFC 3501 §2.3.1.1): never given to another one."""

    account: str
    folder: str
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Act:
    """What is done to a mail where it lies: none, `move` to `target`, or `delete`; and a keyword, "" for none."""

    what: str = "none"
    target: str = ""
    keyword: str = ""

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done."""
        return self.what == "none" and not self.keyword
