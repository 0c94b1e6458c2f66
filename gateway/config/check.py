"""Everything that a shop has written, checked together: config, rules, lists, phrases, and what others check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.rules import read_ruleset
from gateway.config.settings import embedded, read_settings
from gateway.errors import ConfigError, Fault
from gateway.model.fact import FactSpec
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings


@dataclass(frozen=True)
class Checked:
    """What could be read, and every fault; `ruleset` is None where the rules have any."""

    settings: Settings
    ruleset: RuleSet | None
    faults: tuple[Fault, ...]


def check(
    path: Path | None,
    environ: Mapping[str, str],
    specs: Mapping[str, FactSpec],
    *others: Callable[[Settings], object],
) -> Checked:
    """Reads a config and all it refers to; a fault in one file does not keep the others from being checked.

    Each of `others`, such as the one that reads the templates, raises `ConfigError` with the faults it finds.
    """
    settings, faults = (embedded(Path.cwd()), []) if path is None else read_settings(path, environ)
    ruleset: RuleSet | None = None
    if path is None or path.is_file():
        ruleset, more = read_ruleset(settings.rules, specs, settings=settings)
        faults.extend(more)
        for other in others:
            try:
                other(settings)
            except ConfigError as error:
                faults.extend(error.faults)
    files = list(dict.fromkeys(fault.file for fault in faults))
    ordered = sorted(faults, key=lambda fault: (files.index(fault.file), fault.line, fault.column))
    return Checked(settings, ruleset, tuple(ordered))
