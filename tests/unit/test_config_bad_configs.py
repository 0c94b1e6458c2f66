"""Every broken config under tests/bad_configs gives exactly the message that stands beside it, in both languages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.config import check
from tests.bad_configs.specs import SPECS

FOLDER = Path(__file__).parent.parent / "bad_configs"
CASES = sorted(path.name for path in FOLDER.glob("c-*"))


def lay_out(case: str, target: Path) -> None:
    """The sound files of `good`, those of the case laid over them."""
    shutil.copytree(FOLDER / "good", target, dirs_exist_ok=True)
    shutil.copytree(FOLDER / case, target, dirs_exist_ok=True)


def said(language: str) -> str:
    checked = check(Path("config.yaml"), {}, SPECS)
    return "".join(fault.in_(language) + "\n" for fault in checked.faults)


def test_the_good_files_have_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out("good", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert said("en") == ""


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES)
def test_bad_config(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    for language in ("en", "ja"):
        expected = (FOLDER / case / f"expected.{language}").read_text("utf-8")
        assert said(language) == expected
        assert expected.strip()
