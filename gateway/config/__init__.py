"""YAML to immutable settings and rules, with file, line and column in every error."""

from gateway.config.check import Checked, check
from gateway.config.rules import load_ruleset
from gateway.config.settings import load_settings

__all__ = ["Checked", "check", "load_ruleset", "load_settings"]
