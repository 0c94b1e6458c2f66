"""How one person is recognised in what is on record: the addresses and numbers that stand for him alone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.address import fold_address, fold_domain

_BEFORE = r"(?<![0-9A-Za-z_.+%!#$&'*/?^`{|}~-])"
_AFTER = r"(?![0-9A-Za-z_-]|\.[0-9A-Za-z])"


@dataclass(frozen=True, slots=True)
class Traces:
    """What names a person: addresses (folded), phone numbers (digits), ids of the person's own rows.

    A name is no trace: many bear it.
    """

    addresses: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds any of them in text or JSON, whatever its case, quoted or not, and never within a longer one."""
        return re.compile("|".join(self._parts()), re.IGNORECASE)

    @property
    def raw_pattern(self) -> re.Pattern[bytes]:
        """The same for raw bytes."""
        return re.compile("|".join(self._parts()).encode(), re.IGNORECASE)

    @property
    def words(self) -> tuple[str, ...]:
        """Texts in lower case one of which stands wherever the pattern fits: what a database may look for first."""
        ends = {f"@{domain}" for address in self.addresses for domain in _domains(address)}
        return tuple(sorted(ends | {phone[-4:] for phone in self.phones} | set(self.ids)))

    def _parts(self) -> Iterable[str]:
        for address in self.addresses:
            local = address.rpartition("@")[0].strip('"')
            quoted = rf'(?:{re.escape(local)}|\\?"{re.escape(local)}\\?")'
            for domain in _domains(address):
                yield rf"{_BEFORE}{quoted}@{re.escape(domain)}{_AFTER}"
        for phone in self.phones:
            yield r"(?<!\d)" + r"[ ()\-]{0,2}".join(phone) + r"(?!\d)"
        for id in self.ids:
            yield rf"\b{re.escape(id)}\b"


def _domains(address: str) -> set[str]:
    """The domain as it is folded, and as people read it."""
    domain = fold_address(address).rpartition("@")[2]
    known = {domain, fold_domain(domain)}
    with contextlib.suppress(UnicodeError):  # where it is no internationalised name
        known.add(domain.encode("ascii").decode("idna"))
    return known
