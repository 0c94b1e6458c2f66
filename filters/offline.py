"""Look-ups that know nothing: for rule tests and for `explain` without a database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import TypeVar

from filters.api import BlockEntry, DnsAnswer, KnownPerson, Lookups, Seen

T = TypeVar("T")


class NoRecords:
    """Records of a gateway that has not seen a mail yet."""

    async def blocks(self, address: str = "", ip: str = "") -> Sequence[BlockEntry]:
        """No entry covers anybody."""
        return ()

    async def seen(self, sender: str, ip: str) -> Seen | None:
        """Nobody was seen."""
        return None

    async def blocked_at(self, ip: str, besides: str) -> Sequence[BlockEntry]:
        """Nobody blocked wrote from anywhere."""
        return ()

    async def senders_at(self, ip: str, at_most: int) -> int:
        """Nobody wrote from anywhere."""
        return 0

    async def mails_from(self, sender: str, since: datetime) -> int:
        """No mail was received."""
        return 0

    async def complaints(self, sender: str, order: str) -> frozenset[bytes]:
        """Nobody complained."""
        return frozenset()

    async def people_named(self, keys: Collection[str]) -> Sequence[KnownPerson]:
        """Nobody is known."""
        return ()


class NoDns:
    """DNS that is away: every question fails at once."""

    async def query(self, name: str, record_type: str) -> DnsAnswer:
        """No answer."""
        return DnsAnswer("failed")


class InLine:
    """Work is done where it is asked for: for commands that have no event loop to keep free."""

    def __call__(self, function: Callable[..., T], /, *arguments: object) -> Awaitable[T]:
        """`function(*arguments)`, at once."""

        async def call() -> T:
            return function(*arguments)

        return call()


def offline() -> Lookups:
    """Look-ups without records, DNS and threads."""
    return Lookups(NoRecords(), NoDns(), InLine())
