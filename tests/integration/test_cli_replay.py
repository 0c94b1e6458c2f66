"""`sekisho replay` and `log search --watched` as people and programs use them."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path

import pytest

from gateway.cli.replay_workers import in_workers
from gateway.errors import Refused
from gateway.store.past import Span
from tests.integration.cli_shop import Here, Shop, fill, make

DRAFT = """\
version: 1
rules:
  - {name: 発送, when: {subject: {contains: 発送}}, then: quarantine, tag: 試し}
  - {name: 返品の様子見, mode: watch, when: {text: {contains: 返品}}, then: reject}
default: {then: deliver, reply: {template: received}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = fill(make(tmp_path_factory.mktemp("shop")))
    (made.folder / "draft.yaml").write_text(DRAFT, encoding="utf-8")
    return made


@pytest.fixture
def sekisho(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


def test_the_draft_is_compared_with_what_was_done(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("--json", "replay", "--rules", str(shop.folder / "draft.yaml"))
    assert (ran.code, ran.err) == (0, "")
    said = ran.one
    assert (said["mails"], said["gone"], said["failed"]) == (6, 0, 0)
    assert said["before"] == {"deliver": 3, "quarantine": 2, "reject": 1, "discard": 0}
    assert said["after"] == {"deliver": 5, "quarantine": 1, "reject": 0, "discard": 0}
    assert {(c["before"], c["after"]): c["count"] for c in said["changes"]} == {
        ("deliver", "quarantine"): 1,
        ("quarantine", "deliver"): 2,
        ("reject", "deliver"): 1,
    }
    (sample,) = next(c for c in said["changes"] if c["after"] == "quarantine")["samples"]
    assert (sample["id"], sample["sender"]) == (shop.ids["order"], "hanako@customer.example")
    assert sample["before"] == {"then": "deliver", "rule": "default"}
    assert (sample["after"]["rule"], sample["after"]["at"].rpartition(":")[2]) == ("発送", "3")
    assert [(c["fact"], c["holds"], c["hit"]) for c in sample["conditions"]] == [("subject", True, "発送")]
    assert said["replies"] == {"before": {"received": 6}, "after": {"received": 5}}
    assert [(w["rule"], w["recorded"], w["now"], w["otherwise"]) for w in said["watched"]] == [
        ("返品の様子見", {}, {"reject": 1}, 1)
    ]


def test_processes_that_share_the_work_come_to_the_same(shop: Shop) -> None:
    several = shop.run("--json", "replay", "--rules", str(shop.folder / "draft.yaml"), "--workers", "2")
    alone = shop.run("--json", "replay", "--rules", str(shop.folder / "draft.yaml"), "--workers", "1")
    assert (several.returncode, several.stderr) == (alone.returncode, alone.stderr) == (0, "")
    one, other = json.loads(several.stdout), json.loads(alone.stdout)
    del one["since"], other["since"]  # counted from now
    assert one == other


def test_people_read_it_in_their_language(shop: Shop, sekisho: Here) -> None:
    ran = sekisho("--lang", "ja", "replay", "--rules", str(shop.folder / "draft.yaml"))
    assert ran.code == 0
    for said in (
        "受信メール 6 通",
        "■ 判定が変わるメール: 4 通",
        "通す → 保留: 1 通",
        "注文番号1024の発送日について",
        "ルール default → 発送",
        "✓ subject contains 発送",
        "返品の様子見: 記録では 0 通、このルールでは 受信拒否 1",
    ):
        assert said in ran.out, said
    ran = sekisho("--lang", "en", "replay", "--rules", str(shop.folder / "draft.yaml"))
    assert "deliver → quarantine: 1" in ran.out
    assert "\\x1b[31m赤い" in ran.out
    assert "\x1b" not in ran.out


def test_samples_are_limited_and_the_newest_are_kept(shop: Shop, sekisho: Here) -> None:
    said = sekisho("--json", "replay", "--rules", str(shop.folder / "draft.yaml"), "--limit", "1").one
    change = next(c for c in said["changes"] if c["before"] == "quarantine")
    assert change["count"] == 2
    assert [sample["id"] for sample in change["samples"]] == [shop.ids["threat2"]]


def test_without_a_draft_the_rules_of_the_config_are_tried(shop: Shop, sekisho: Here) -> None:
    assert sekisho("--json", "replay").one["rules"] == str(shop.folder / "rules.yaml")


def test_a_time_without_mail(sekisho: Here) -> None:
    ran = sekisho("--lang", "en", "replay", "--until", "2001-01-01", "--since", "2000-01-01")
    assert (ran.code, ran.out) == (0, "No mail came in in this time.\n")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_faulty_draft_is_said_with_its_line(workers: str, tmp_path: Path, sekisho: Here) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(DRAFT.replace("subject:", "subjekt:"), encoding="utf-8")
    ran = sekisho("--lang", "en", "replay", "--rules", str(draft), "--workers", workers)
    assert (ran.code, ran.out) == (1, "")
    assert "draft.yaml:3:" in ran.err
    assert "subjekt" in ran.err
    ran = sekisho("--lang", "en", "replay", "--rules", str(tmp_path / "none.yaml"))
    assert (ran.code, ran.out) == (1, "")
    assert "there is no rules file" in ran.err


async def test_a_process_that_cannot_begin_is_said_without_a_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shop = make(tmp_path)  # without a database
    parts = Span(0, 10, 10).parts(5)
    rules = shop.folder / "rules.yaml"
    with pytest.raises(Refused, match="ended before its time"):
        await anext(in_workers(shop.config, {}, rules, "", parts, 10, 2))
    gc.collect()  # a future that nobody asked is printed with its traceback
    await asyncio.sleep(0)
    assert capfd.readouterr().err == ""


async def test_rules_that_change_meanwhile_are_not_mixed(shop: Shop) -> None:
    rules = shop.folder / "draft.yaml"
    with pytest.raises(Refused, match="changed meanwhile"):
        await anext(in_workers(shop.config, {}, rules, "ab" * 32, Span(0, 10, 10).parts(5), 10, 2))


def test_wrong_usage(sekisho: Here) -> None:
    for arguments in (["--limit", "-1"], ["--since", "soon"]):
        ran = sekisho("--lang", "en", "replay", *arguments)
        assert (ran.code, ran.out) == (2, "")
