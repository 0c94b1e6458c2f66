"""Everything that a shop has written, checked together: config, rules, lists, phrases and templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.config.rules import read_ruleset
from gateway.config.settings import embedded, read_settings
from gateway.config.templates import check_templates
from gateway.errors import Fault
from gateway.model.fact import FactSpec
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings


@dataclass(frozen=True)
class Checked:
    """What could be read, and every fault; `ruleset` is None where the rules have any."""

    settings: Settings
    ruleset: RuleSet | None
    faults: tuple[Fault, ...]


def check(path: Path | None, environ: Mapping[str, str], specs: Mapping[str, FactSpec]) -> Checked:
    """Reads a config and all it refers to; a fault in one file does not keep the others from being checked."""
    settings, faults = (embedded(Path.cwd()), []) if path is None else read_settings(path, environ)
    config_read = path is None or path.is_file()
    ruleset: RuleSet | None = None
    if config_read:
        ruleset, more = read_ruleset(settings.rules, specs, settings=settings)
        faults = [*faults, *more, *check_templates(settings.templates, settings.shop.language)]
    files = list(dict.fromkeys(fault.file for fault in faults))
    ordered = sorted(faults, key=lambda fault: (files.index(fault.file), fault.line, fault.column))
    return Checked(settings, ruleset, tuple(ordered))
