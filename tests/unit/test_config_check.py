"""`check` joins the faults of every file, and of what others check, in the order of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import check
from gateway.errors import ConfigError, Fault
from gateway.model.settings import Settings
from gateway.text import plain
from tests.bad_configs.specs import SPECS

CONFIG = """\
shop: {name: a, contact: a@shop.example, addresses: [a@shop.example], owner: nobody}
mailbox: maildir:mail
"""


def test_faults_of_all_files_come_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "rules.yaml").write_text("version: 1\nlists: {a: a.txt, b: b.txt}\ndefault: {then: bounce}\n")
    (tmp_path / "a.txt").write_text("ok@example.com\nwrong@\n")

    def templates(settings: Settings) -> None:
        assert settings.templates == tmp_path / "templates"
        raise ConfigError([Fault("templates/x.ja.txt", 3, 1, plain("torn"))])

    checked = check(Path("config.yaml"), {}, SPECS, templates)
    assert checked.ruleset is None
    assert [(fault.file, fault.line) for fault in checked.faults] == [
        ("config.yaml", 1),
        ("a.txt", 2),
        ("rules.yaml", 2),
        ("rules.yaml", 3),
        ("templates/x.ja.txt", 3),
    ]


def test_a_missing_config_is_one_fault(tmp_path: Path) -> None:
    checked = check(tmp_path / "none.yaml", {}, SPECS)
    assert len(checked.faults) == 1
    assert "does not exist" in checked.faults[0].in_("en")


def test_the_embedded_config_has_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checked = check(None, {}, SPECS)
    assert checked.faults == ()
    assert checked.ruleset is not None
