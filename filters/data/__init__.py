"""Small lists of mail providers that ship with the filters: one domain a line, `#` starts a comment."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def domains(name: str) -> frozenset[str]:
    """The domains of the list `name` (`free_mail`, `carriers`, `disposable`, `providers`)."""
    return frozenset(line for (line,) in _rows(name))


@cache
def pairs(name: str) -> dict[str, str]:
    """The two-column list `name` (`typo_domains`): what is written, what is meant."""
    return {row[0]: row[1] for row in _rows(name)}


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of the list `name` (`grievances`), blanks within them kept."""
    return tuple(" ".join(row) for row in _rows(name))


def listed(domain: str, name: str) -> str | None:
    """The entry of the list that is `domain` or a parent of it, None where there is none; `domain` is folded."""
    entries = domains(name)
    while domain:
        if domain in entries:
            return domain
        _, _, domain = domain.partition(".")
    return None


def _rows(name: str) -> list[list[str]]:
    text = files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [line for line in lines if line]
