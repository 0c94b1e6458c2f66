"""`sekisho log` on a real database: what is found, what is shown, and the original bytes."""

from __future__ import annotations

import base64
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli_shop import EVIL, ROOT, Here, Shop, environment, fill, make


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return fill(make(tmp_path_factory.mktemp("shop")))


@pytest.fixture
def sekisho(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["ikari@isp.example"], ["threat2", "threat"]),
        (["IKARI＠isp.example"], ["threat2", "threat"]),
        (["@isp.example"], ["threat2", "threat"]),
        (["198.51.100.24"], ["threat2"]),
        (["198.51.100.*", "--verdict", "quarantine"], ["threat2", "threat"]),
        (["返品"], ["waiting"]),
        (["ヘンピン"], ["failed"]),
        (["--subject", "ﾍﾝﾋﾟﾝ"], ["failed"]),
        (["--address", "hanako@customer.example", "--direction", "in"], ["order"]),
        (["--ip", "198.51.100.24"], ["threat2"]),
        (["--rule", "脅迫", "--limit", "9"], ["evil", "threat2", "threat"]),
        (["--verdict", "reject"], ["evil"]),
        (["--state", "held"], ["threat2", "threat"]),
        (["--since", "1h", "--state", "failed"], ["failed"]),
        (["--order", "1024"], ["order"]),
        (["--order", "370-1234567-7654321"], ["waiting"]),
        (["--order", "３７０－１２３４５６７－７６５４３２１"], ["waiting"]),
    ],
    ids=" ".join,
)
def test_search_finds(arguments: list[str], found: list[str], shop: Shop, sekisho: Here) -> None:
    ran = sekisho("log", "search", *arguments, "--json")
    assert [line["id"] for line in ran.lines if line["direction"] == "in"] == [shop.ids[name] for name in found]
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ありません"],
        ["--until", "2001-01-01"],
        ["--since", "2099-01-01"],
        ["--order", "102"],
        ["--order", "024"],
        ["--order", "999"],
        ["nobody@example.org"],
    ],
    ids=" ".join,
)
def test_search_without_a_hit_says_so_and_exits_1(arguments: list[str], sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "log", "search", *arguments)
    assert (ran.code, ran.out) == (1, "Nothing on record fits.\n")
    ran = sekisho("log", "search", *arguments, "--json")
    assert (ran.code, ran.out) == (1, "")


def test_search_by_id_and_message_id(shop: Shop, sekisho: Here) -> None:
    for said in (shop.ids["order"], f"<{shop.ids['order']}@example.com>"):
        assert sekisho("log", "search", said, "--json").one["id"] == shop.ids["order"]


def test_search_for_a_person_nobody_knows(sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "log", "search", "--person", "誰か")
    assert ran.code == 1
    assert ran.err == "There is no record of 誰か.\n"


def test_search_says_that_there_are_more(sekisho: Here) -> None:
    ran = sekisho("log", "search", "--limit", "2")
    assert len(ran.out.splitlines()) == 4  # heading, two, and the hint
    assert ran.out.endswith("ほかにもあります。--limit を増やすか、条件を絞ってください。\n")
    ran = sekisho("log", "search", "--limit", "2", "--json")
    assert len(ran.lines) == 2


def test_lists_are_aligned_in_japanese_and_one_line_a_message(sekisho: Here) -> None:
    from rich.cells import cell_len

    ran = sekisho("log", "search", "--direction", "in")
    heading, *rows = ran.out.splitlines()
    assert heading.split() == ["日時", "ID", "状態", "相手", "件名", "ルール"]
    assert len(rows) == 6
    starts = {cell_len(row[: row.index(row.split()[3])]) for row in rows}  # where the column of states begins
    assert starts == {cell_len(heading[: heading.index("状態")])}


def test_a_hostile_subject_steers_no_terminal(shop: Shop, sekisho: Here) -> None:
    for arguments in (["log", "search"], ["log", "show", shop.ids["evil"]]):
        ran = sekisho(*arguments)
        assert "\\x1b[31m赤い\\x9b2J\\u202e件名\\x07" in ran.out
        assert not set(ran.out) & set("\x1b\x9b\u202e\x07")
        ran = sekisho(*arguments, "--json")
        assert not set(ran.out) & set("\x1b\x9b\u202e\x07")
    assert sekisho("log", "show", shop.ids["evil"], "--json").one["message"]["subject"] == EVIL


def test_show_tells_everything(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "log", "show", shop.ids["order"])
    for said in (
        "注文番号1024の発送日について",
        "お客様 <hanako@customer.example>",
        "hanako@customer.example → shop@shop.example",
        "198.51.100.23  HELO mail.example.com  TLSv1.3",
        "verdict: deliver  [default]",
        "reply: received: goes out (送信します。)",
        "blocked = false  — 登録なし",
        "spf = unknown  — DNS 無応答",
        "○ 脅迫  rules.yaml:42",
        "✗ text contains 火をつけ  ← 火をつけてやる。",
        "→ hanako@customer.example",
        "250 2.0.0 Ok",
        "mail.example:24",
        "#0 ",
        "shop@shop.example: delivered",
    ):
        assert said in ran.out, said
    assert (ran.code, ran.err) == (0, "")


def test_show_as_json_is_one_object(shop: Shop, sekisho: Here) -> None:
    said = sekisho("log", "show", shop.ids["waiting"], "--json").one
    assert said["message"]["id"] == shop.ids["waiting"]
    assert said["verdict"]["then"] == "deliver"
    assert said["reply"] == {
        "template": "received",
        "to": "taro@example.com",
        "would_send": False,
        "why": "差出人を確認できません。",
        "id": None,
    }
    (delivery,) = said["deliveries"]
    assert (delivery["recipient"], delivery["status"], delivery["code"]) == ("shop@shop.example", "deferred", 451)
    assert [entry["state"] for entry in said["queue"]] == ["waiting"]
    assert [record["kind"] for record in said["records"]] == ["mail.in", "delivery"]
    assert said["records"][1]["seq"] == delivery["seq"]
    order = sekisho("log", "show", shop.ids["order"], "--json").one
    assert [(hit["direction"], hit["kind"]) for hit in order["related"]] == [("out", "reply")]
    assert {result["recipient"] for result in order["deliveries"]} == {"shop@shop.example", "hanako@customer.example"}


@pytest.mark.parametrize("what", ["number", "message_id", "sha256"])
def test_show_takes_every_name_of_a_message(what: str, shop: Shop, sekisho: Here) -> None:
    said = sekisho("log", "show", shop.ids["threat"], "--json").one["message"]
    name = {"number": str(said["seq"]), "message_id": said["message_id"], "sha256": said["sha256"]}[what]
    assert sekisho("log", "show", name, "--json").one["message"]["id"] == shop.ids["threat"]


def test_show_of_what_is_not_there(sekisho: Here) -> None:
    ran = sekisho("log", "show", "2222222222222222")
    assert (ran.code, ran.out, ran.err) == (1, "", "2222222222222222 の記録はありません。\n")


def test_raw_gives_the_original_bytes(shop: Shop) -> None:
    for name in ("order", "threat"):
        ran = subprocess.run(
            [sys.executable, "-m", "gateway", "-c", str(shop.config), "log", "raw", shop.ids[name]],
            capture_output=True, cwd=ROOT, env=environment(), timeout=60, check=True,
        )  # fmt: skip
        assert ran.stdout == shop.raw[name]


def test_raw_as_json_carries_the_bytes_in_base64(shop: Shop, sekisho: Here) -> None:
    said = sekisho("log", "raw", shop.ids["order"], "--json").one
    assert base64.b64decode(said["raw"]) == shop.raw["order"]


def test_raw_is_refused_to_a_terminal(shop: Shop) -> None:
    command = [sys.executable, "-m", "gateway", "-c", str(shop.config), "--lang", "en", "log", "raw", shop.ids["order"]]
    for more, code, said in (([], 1, b"add --force"), (["--force"], 0, b"Subject:")):
        master, slave = pty.openpty()
        ran = subprocess.Popen([*command, *more], stdout=slave, stderr=slave, cwd=ROOT, env=environment())
        os.close(slave)
        out = b""
        try:
            while chunk := os.read(master, 4096):
                out += chunk
        except OSError:
            pass  # the other end is closed: all was read
        os.close(master)
        assert ran.wait(60) == code
        assert said in out


def test_raw_that_was_altered_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3

    import zstandard

    shop = fill(make(tmp_path))
    other = zstandard.ZstdCompressor().compress(shop.raw["order"].replace(b"Subject", b"subject"))
    with sqlite3.connect(tmp_path / "data" / "sekisho.db") as database:
        database.execute("UPDATE body SET zstd = ? WHERE message = ?", (other, shop.ids["order"]))
    database.close()
    ran = Here(shop, capsys)("--lang", "en", "log", "raw", shop.ids["order"])
    assert (ran.code, ran.out) == (1, "")
    assert "does not match its SHA-256 at receipt" in ran.err
    assert "sekisho verify" in ran.err


def test_a_reader_that_leaves_early_is_no_fault(shop: Shop) -> None:
    for more in ([], ["--json"]):
        command = [sys.executable, "-m", "gateway", "-c", str(shop.config), "log", "search", *more]
        ran = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment(PYTHONUNBUFFERED="1")
        )
        assert ran.stdout is not None
        assert ran.stderr is not None
        ran.stdout.close()  # as `| head` does
        assert (ran.stderr.read(), ran.wait(60)) == (b"", 0)
        ran.stderr.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ["log", "search"],
        ["log", "show", "1"],
        ["log", "raw", "1"],
        ["quarantine", "list"],
        ["quarantine", "release", "1"],
        ["queue", "list"],
        ["queue", "retry", "--all"],
        ["status"],
        ["verify"],
        ["db", "check"],
    ],
    ids=" ".join,
)
def test_without_a_database_every_verb_says_so(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Here(make(tmp_path), capsys)(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("データベースがまだありません：")
    assert not (tmp_path / "data" / "sekisho.db").exists()


def test_the_shop_s_language_is_taken_unless_another_is_asked_for(tmp_path: Path) -> None:
    shop = fill(make(tmp_path, "en"))
    assert shop.run("log", "search").stdout.split()[:3] == ["time", "id", "state"]
    assert shop.run("log", "search", "--lang", "ja").stdout.split()[:3] == ["日時", "ID", "状態"]


def test_faults_of_the_config_are_told_in_the_shop_s_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    shop = make(tmp_path)
    text = shop.config.read_text(encoding="utf-8")
    shop.config.write_text(text.replace("storage:", "storge:"), encoding="utf-8")
    ran = Here(shop, capsys)("log", "search")
    assert (ran.code, ran.out) == (1, "")
    assert "「storge」というキーはありません。" in ran.err
