"""The schemas and the page of facts under docs/ are those of the code, and the schemas agree with the reader."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from filters.registry import FILTERS, SPECS
from gateway.cli.main import main
from gateway.config import check
from gateway.config.operators import OPERATORS
from gateway.config.reference import OPERATORS as EXPLAINED
from gateway.config.schema import config_schema, rules_schema
from tests.published import DOCS, published

ROOT = DOCS.parent
CONFIG = jsonschema.Draft202012Validator(config_schema())
RULES = jsonschema.Draft202012Validator(rules_schema(SPECS))
BAD = ROOT / "tests" / "bad_configs"
# faults of the form, which an editor can show; what a value means (a list that is not there, a pattern) it cannot
SEEN_IN_CONFIG = ["c-unknown-key", "c-missing-required", "c-section-is-text"]
SEEN_IN_RULES = ["c-unknown-fact", "c-unknown-operator", "c-no-default", "c-then", "c-rules-not-a-list", "c-version"]


def faults(validator: jsonschema.Draft202012Validator, path: Path) -> list[str]:
    return [error.json_path for error in validator.iter_errors(yaml.safe_load(path.read_text("utf-8")))]


@pytest.mark.parametrize("path", published(), ids=lambda path: path.name)
def test_what_is_published_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == published()[path], "run `make docs`"


def test_the_schemas_are_schemas() -> None:
    for validator in (CONFIG, RULES):
        jsonschema.Draft202012Validator.check_schema(validator.schema)


@pytest.mark.parametrize("path", ["filters/defaults/ja", "filters/defaults/en", "tests/bad_configs/good"])
def test_files_without_a_fault_fit_the_schemas(path: str) -> None:
    assert faults(CONFIG, ROOT / path / "config.yaml") == []
    assert faults(RULES, ROOT / path / "rules.yaml") == []


def test_the_example_fits_the_schema() -> None:
    assert faults(CONFIG, ROOT / "config.example.yaml") == []


@pytest.mark.parametrize("case", SEEN_IN_CONFIG + SEEN_IN_RULES)
def test_faults_of_form_are_seen_by_the_schema_as_by_the_reader(case: str, tmp_path: Path) -> None:
    shutil.copytree(BAD / "good", tmp_path, dirs_exist_ok=True)
    shutil.copytree(BAD / case, tmp_path, dirs_exist_ok=True)
    assert check(tmp_path / "config.yaml", {}, SPECS).faults
    file, validator = ("config.yaml", CONFIG) if case in SEEN_IN_CONFIG else ("rules.yaml", RULES)
    assert faults(validator, tmp_path / file)


def test_every_fact_and_operator_is_on_the_page() -> None:
    page = (DOCS / "reference.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([a-z_]+)(?:\.NAME)?` \|", page, re.MULTILINE))
    assert named >= set(SPECS)
    assert set(EXPLAINED) == {name for operators in OPERATORS.values() for name in operators} | {"between", "within"}
    assert all(f"### {filter_.name}\n" in page for filter_ in FILTERS)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("language", ["ja", "en"])
def test_init_writes_the_schemas_beside_files_that_name_them(
    language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "--lang", language, "init", str(tmp_path / "shop"))
    for name, validator in (("config", CONFIG), ("rules", RULES)):
        first = (tmp_path / "shop" / f"{name}.yaml").read_text("utf-8").splitlines()[0]
        assert first == f"# yaml-language-server: $schema=.schema/{name}.json"
        assert json.loads((tmp_path / "shop" / ".schema" / f"{name}.json").read_text("utf-8")) == validator.schema


@pytest.mark.parametrize(("which", "validator"), [("config", CONFIG), ("rules", RULES)])
def test_check_gives_a_schema_without_any_config(
    which: str, validator: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEKISHO_CONFIG", raising=False)
    assert json.loads(run(capsys, "check", "--schema", which)) == validator.schema
