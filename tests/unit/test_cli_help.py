"""Help and wrong usage: every command and option in both languages, and nothing loaded that is not called."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

from gateway.cli import main as entry
from gateway.cli.verbs import Verb
from gateway.text import Text

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")


def leaves(
    verbs: tuple[Verb, ...] = entry.VERBS, chain: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Verb]]:
    for verb in verbs:
        code = verb.load()
        if isinstance(code, tuple):
            yield from leaves(code, (*chain, verb.name))
        else:
            yield (*chain, verb.name), verb


LEAVES = list(leaves())


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        entry.main(list(arguments))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_contract_s_verbs_are_there() -> None:
    names = {" ".join(chain) for chain, _ in LEAVES}
    assert names >= {
        "init", "run", "check", "explain", "block", "unblock", "log search", "log show", "log raw", "quarantine list",
        "quarantine show", "quarantine release", "quarantine refuse", "queue list", "queue retry", "queue cancel",
        "status", "verify", "db upgrade", "db check", "db backup", "demo",
    }  # fmt: skip


@pytest.mark.parametrize(("chain", "verb"), LEAVES, ids=[" ".join(chain) for chain, _ in LEAVES])
def test_every_option_has_a_help_in_both_languages(chain: tuple[str, ...], verb: Verb) -> None:
    code = verb.load()
    assert callable(code)
    hints = get_type_hints(code, include_extras=True)
    hints.pop("return", None)
    for name, hint in hints.items():
        said = [extra for extra in get_args(hint) if isinstance(extra, Text)] if get_origin(hint) is Annotated else []
        assert said, f"{' '.join(chain)}: {name} has no help"
        assert JAPANESE.search(said[0].ja), name
        assert said[0].en.isascii(), name


@pytest.mark.parametrize("chain", [chain for chain, _ in LEAVES], ids=" ".join)
def test_help_is_japanese_or_english_throughout(chain: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, japanese, _ = run(capsys, "--lang", "ja", *chain, "--help")
    assert code == 0
    assert japanese.startswith("使い方: sekisho " + " ".join(chain))
    for english in ("Usage", "Options", "Parameters", "default", "required", "Display"):
        assert english not in japanese
    code, english, _ = run(capsys, *chain, "--help", "--lang=en")
    assert code == 0
    assert english.startswith("Usage: sekisho " + " ".join(chain))
    assert not JAPANESE.search(english)


def test_help_of_a_group_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "--lang", "ja", "log", "--help")
    assert code == 0
    assert [line for line in ("search", "show", "raw") if f"│ {line} " in said] == ["search", "show", "raw"]
    assert "記録されたメールを探します" in said


def test_help_loads_no_verb() -> None:
    probe = (
        "import sys\nfrom gateway.cli.main import build\nbuild('en', ['--help'])\n"
        "print([m for m in sys.modules if m.startswith(('sqlalchemy', 'filters', 'gateway.store'))])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [[], ["log"], ["queue"]])
def test_naming_no_command_shows_help_and_is_wrong_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, *arguments)
    assert code == 2
    assert "--json" in out


@pytest.mark.parametrize(
    ("arguments", "english", "japanese"),
    [
        (["lgo"], "There is no command 'lgo'.", "「lgo」というコマンドはありません。"),
        (["log", "serch"], "There is no command 'serch'.", "「serch」というコマンドはありません。"),
        (["log", "search", "--bad"], "There is no option --bad.", "--bad というオプションはありません。"),
        (["log", "show"], "ID is required.", "ID の指定が必要です。"),
        (["log", "show", "a", "b"], "This is too much: b", "余分な指定があります: b"),
        (["log", "search", "--limit", "x"], "'x' is no value for --limit.", "--limit の値「x」は使えません。"),
        (
            ["log", "search", "--direction", "up"],
            "'up' is no value for --direction. It is one of: in, out",
            "--direction の値「up」は使えません。 次のいずれかです: in, out",
        ),
        (["log", "search", "--rule"], "--rule is required.", "--rule の指定が必要です。"),
        (["log", "search", "--since", "soon"], "The time 'soon' cannot be read.", "日時「soon」が読み取れません。"),
        (["queue", "retry"], "Name ids, --target or --all.", "対象の ID、--target、または --all を指定してください。"),
        (["quarantine", "release"], "Name the ids.", "対象の ID を指定してください。"),
        (["unblock", "a@example.com"], "--reason is required.", "--reason の指定が必要です。"),
        (["export", "-o", "case.zip"], "Say what to export.", "何を書き出すか指定してください。"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_said_in_a_sentence_and_exits_2(
    arguments: list[str],
    english: str,
    japanese: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pathlib import Path

    from gateway.config import scaffold

    folder = Path(str(tmp_path))
    scaffold.write(folder, "ja")
    monkeypatch.setenv("SEKISHO_CONFIG", str(folder / "config.yaml"))
    (folder / "data").mkdir()
    run(capsys, "db", "upgrade")
    for language, said in (("en", english), ("ja", japanese)):
        code, out, err = run(capsys, "--lang", language, *arguments)
        assert (code, out) == (2, "")
        assert said in err
        assert "Traceback" not in err


def test_a_wrong_command_line_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "log", "show", "x", "\x1b[2J")
    assert code == 2
    assert "\x1b" not in err
