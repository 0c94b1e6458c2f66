"""JSON Schemas of the config and of the rules file, for editors; made from what reads the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.actions import KEYS as ACTION_KEYS
from gateway.config.actions import action_kinds
from gateway.config.description import CONFIG
from gateway.config.operators import HOURS, operators_of
from gateway.config.rule_tests import EXPECT, FIELDS
from gateway.config.rules import VERSION
from gateway.model.fact import FactSpec, Kind
from gateway.model.verdict import Outcome

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": ["string", "number"]}
_WORD: Schema = {"type": ["string", "number", "boolean"]}


NAMES = ("config", "rules")


def schema_of(name: str, specs: Mapping[str, FactSpec]) -> Schema:
    """The schema of one of `NAMES`, with these facts."""
    return config_schema() if name == "config" else rules_schema(specs)


def config_schema() -> Schema:
    """The schema of config.yaml. YAML editors type scalars themselves, so numbers and booleans are let through."""
    return {"$schema": _DIALECT, "title": "Sekisho config", **CONFIG.schema()}


def rules_schema(specs: Mapping[str, FactSpec]) -> Schema:
    """The schema of the rules file with these facts."""
    conditions = {
        "type": "object",
        "properties": {name: _fact(spec) for name, spec in specs.items() if spec.argument != "name"},
        "patternProperties": {rf"^{name}\..+$": _fact(spec) for name, spec in specs.items() if spec.argument == "name"},
        "additionalProperties": False,
    }
    one = conditions | {"minProperties": 1, "maxProperties": 1}
    kinds = action_kinds(frozenset())
    action = {name: kinds[name].schema() for name in ACTION_KEYS}
    rule = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "mode": {"enum": ["enforce", "watch", "off", False]},  # a YAML 1.1 editor reads off as false
            "when": _one_or_many(conditions),
            "any": _one_or_many(one),
            "unless": _one_or_many(one),
            **action,
        },
        "required": ["name", "then"],
        "additionalProperties": False,
    }
    default = {"type": "object", "properties": action, "required": ["then"], "additionalProperties": False}
    expect = dict.fromkeys(EXPECT, _WORD) | {"then": {"enum": list(Outcome)}}
    test = {
        "type": "object",
        "properties": {
            **dict.fromkeys(FIELDS, _TEXT),
            "file": _TEXT,
            "facts": {"type": "object"},
            "expect": {"type": "object", "properties": expect, "additionalProperties": False, "minProperties": 1},
        },
        "required": ["expect"],
        "additionalProperties": False,
    }
    return {
        "$schema": _DIALECT,
        "title": "Sekisho rules",
        "type": "object",
        "properties": {
            "version": {"enum": [int(VERSION), VERSION]},
            "lists": {"type": "object", "additionalProperties": _one_or_many(_TEXT)},
            "phrases": _one_or_many(_TEXT),
            "rules": {"type": "array", "items": rule},
            "default": default,
            "tests": {"type": "array", "items": test},
        },
        "required": ["version", "default"],
        "additionalProperties": False,
        "$defs": {_shape(spec): _definition(spec) for spec in specs.values()},
    }


def _one_or_many(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "items": one}]}


def _fact(spec: FactSpec) -> Schema:
    """What may stand beside a fact's name; facts of one shape share its definition."""
    return {"description": spec.about.en, "$ref": f"#/$defs/{_shape(spec)}"}


def _shape(spec: FactSpec) -> str:
    """The name of the definition: the kind, or the fact where its choices or operators are its own."""
    own = spec.choices or spec.argument == "within" or spec.name in HOURS
    return spec.name if own else spec.kind.name.lower()


def _definition(spec: FactSpec) -> Schema:
    operand = _one_or_many(_operand(spec))
    operators = {name: _one_or_many(_TEXT) if name != "is" else operand for name in operators_of(spec)}
    if spec.argument == "within":
        operators["within"] = _TEXT
    full = {"type": "object", "properties": operators, "additionalProperties": False, "minProperties": 1}
    return {"anyOf": [*operand["anyOf"], full]}


def _operand(spec: FactSpec) -> Schema:
    if spec.kind is Kind.CHOICE:
        return {"enum": [*spec.choices, *([False] if "no" in spec.choices else [])]}
    if spec.kind is Kind.YES_NO:
        return {"enum": [True, False, "none"]}
    return _TEXT
