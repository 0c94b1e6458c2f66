"""YAML to immutable settings and rules, with file, line and column in every error."""

from gateway.config.settings import load_settings

__all__ = ["load_settings"]
