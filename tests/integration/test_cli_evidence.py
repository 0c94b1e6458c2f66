"""The commands around the evidence: cases, persons, calls, keys, checkpoints and erasure."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from gateway.evidence.note import parse
from tests.integration import cli_shop
from tests.integration.cli_shop import Here, Shop
from tests.servers.tsa import Tsa

IKARI = "ikari@isp.example"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return cli_shop.fill(cli_shop.make(tmp_path / "shop"))


@pytest.fixture
def here(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


def settle(shop: Shop) -> None:
    """As if every delivery under way were over."""
    import sqlite3

    raw = sqlite3.connect(shop.folder / "data" / "sekisho.db")
    raw.execute("UPDATE queue SET state = 'done', owner = NULL")
    raw.commit()
    raw.close()


def test_a_case_from_beginning_to_end(shop: Shop, here: Here) -> None:
    assert here("block", IKARI, "--reason", "脅迫", "--person", "怒り").code == 0
    added = here("--json", "case", "add", "怒り様の件", "--person", "怒り", "--order", "#1024", "--note", "弁護士相談")
    assert added.code == 0
    shown = here("--json", "case", "show", "怒り様の件").one
    assert set(shown["messages"]) >= {shop.ids["threat"], shop.ids["threat2"]}
    assert shown["persons"] == ["怒り"]
    assert not shown["hold"]
    assert here("case", "hold", "怒り様の件", "--reason", "訴訟").code == 0
    assert here("case", "hold", "怒り様の件", "--reason", "訴訟").code == 1  # it is already
    (listed,) = here("--json", "case", "list").lines
    assert (listed["name"], listed["hold"]) == ("怒り様の件", True)
    assert "保全中" in here("case", "list").out
    assert here("case", "change", "怒り様の件", "--address", "evil@example.net").code == 0
    assert shop.ids["evil"] in here("--json", "case", "show", "怒り様の件").one["messages"]
    assert here("case", "change", "怒り様の件", "--address", "evil@example.net", "--remove").code == 0
    assert shop.ids["evil"] not in here("--json", "case", "show", "怒り様の件").one["messages"]
    assert here("case", "release", "怒り様の件", "--reason", "和解").code == 0
    assert here("verify").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("case", "add", "空"), 2),
        (("case", "add", "x", "--address", "nonsense"), 2),
        (("case", "add", "x", "--ip", "999.1.1.1"), 2),
        (("case", "add", "x", "--person", "誰か"), 1),
        (("case", "show", "無い"), 1),
        (("case", "hold", "無い", "--reason", "x"), 1),
        (("case", "list"), 1),
        (("call", "add", "--summary", " "), 2),
        (("call", "add", "--summary", "x", "--number", "abc"), 2),
        (("call", "add", "--summary", "x", "--at", "2999-01-01"), 2),
        (("call", "add", "--summary", "x", "--recording", "/nowhere.wav"), 1),
        (("people", "show", "誰か"), 1),
        (("people", "merge", "誰か", "彼か"), 1),
        (("people", "erase", "nobody@example.org", "--reason", "x", "--yes"), 1),
        (("people", "erase", IKARI, "--reason", " ", "--yes"), 2),
        (("people", "erase", IKARI, "--reason", f"{IKARI} の請求", "--yes"), 1),
        (("people", "erase", IKARI, "--reason", "請求"), 1),
        (("checkpoint", "--attest"), 1),
        (("keys", "rotate"), 1),
        (("verify", "--checkpoint", "/nowhere"), 2),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_changes(here: Here, arguments: tuple[str, ...], code: int) -> None:
    before = here("--json", "verify").one["size"]
    for language in ("ja", "en"):
        said = here("--lang", language, *arguments)
        assert said.code == code, said
        assert said.err.strip() or said.out.strip()
    assert here("--json", "verify").one["size"] == before


def test_one_person_is_put_together_and_taken_apart(shop: Shop, here: Here) -> None:
    assert here("block", IKARI, "--reason", "脅迫", "--person", "怒り").code == 0
    assert here("block", "evil@example.net", "--reason", "同じ人", "--person", "エビル").code == 0
    call = ("--summary", "店に行くぞ", "--number", "090-1234-5678", "--person", "エビル", "--at", "2026-01-02T03:04")
    assert here("call", "add", *call).code == 0
    assert here("people", "merge", "怒り", "エビル").code == 0
    assert here("people", "note", "怒り", "同一人物と判明").code == 0
    one = here("--json", "people", "show", "怒り").one
    assert set(one["values"]["address"]) == {IKARI, "evil@example.net"}
    assert one["values"]["phone"] == ["09012345678"]
    assert one["values"]["name"] == ["エビル"]
    assert one["note"] == "同一人物と判明"
    assert (one["blocked"], one["calls"]) == (2, 1)
    ids = [event["id"] for event in one["timeline"]]
    assert {shop.ids["threat"], shop.ids["threat2"], shop.ids["evil"]} <= set(ids)
    assert one["timeline"][0]["about"] == "店に行くぞ"  # the earliest
    assert "店に行くぞ" in here("people", "show", "怒り").out
    assert here("people", "split", "怒り", "EVIL@example.net", "--to", "別人").code == 0
    assert here("--json", "people", "show", "別人").one["values"]["address"] == ["evil@example.net"]
    assert {one["name"] for one in here("--json", "people", "list").lines} == {"怒り", "別人"}
    assert here("--json", "people", "list", "evil@").one["name"] == "別人"
    assert here("verify").code == 0


def test_persons_go_out_as_csv_and_come_in_again(shop: Shop, here: Here, tmp_path: Path) -> None:
    assert here("block", IKARI, "--reason", "脅迫", "--person", "怒り").code == 0
    assert here("people", "export", str(tmp_path / "people.csv")).code == 0
    text = (tmp_path / "people.csv").read_text("utf-8-sig")
    (tmp_path / "people.csv").write_text(text + "新しい人,address,atarashii@example.com,常連\n", "utf-8-sig")
    assert here("--json", "people", "import", str(tmp_path / "people.csv")).one == {"people": 2, "values": 2}
    assert here("--json", "people", "import", str(tmp_path / "people.csv")).one["values"] == 0
    assert here("--json", "people", "show", "新しい人").one["values"] == {"address": ["atarashii@example.com"]}


def test_a_person_is_erased_and_the_files_hold_nothing_of_it(shop: Shop, here: Here) -> None:
    assert here("block", IKARI, "--reason", "脅迫", "--person", "怒り").code == 0
    assert here("case", "add", "件", "--address", IKARI, "--hold").code == 0
    settle(shop)
    refused = here("people", "erase", IKARI, "--reason", "本人の請求", "--yes")
    assert refused.code == 1
    assert "件" in refused.err
    assert here("case", "release", "件", "--reason", "終了").code == 0
    done = here("--json", "people", "erase", IKARI, "--reason", "本人の請求", "--yes")
    assert done.code == 0
    assert done.one["counts"]["messages"] == 2
    raw = b"".join(file.read_bytes() for file in (shop.folder / "data").glob("sekisho.db*"))
    for trace in (IKARI, "怒り", "責任者を出せ"):
        assert not re.search(re.escape(trace.encode()), raw, re.IGNORECASE), trace
    assert b"hanako@customer.example" in raw
    assert here("verify").code == 0
    assert here("--json", "people", "erase", IKARI, "--reason", "本人の請求", "--yes").code == 1  # nothing is left


def test_init_makes_keys_for_the_owner_alone(tmp_path: Path, here: Here) -> None:
    made = here("--json", "init", str(tmp_path / "new"))
    keys = [Path(file) for file in made.one["files"] if file.endswith(".key")]
    assert len(keys) == 2
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    before = [key.read_bytes() for key in keys]
    assert here("init", str(tmp_path / "new")).code == 1
    assert [key.read_bytes() for key in keys] == before


def test_keys_are_shown_written_and_exchanged(shop: Shop, here: Here, tmp_path: Path) -> None:
    assert here("checkpoint").code == 0
    (first,) = here("--json", "keys", "show", str(tmp_path / "pub")).lines
    assert (tmp_path / "pub" / "ecdsa.pem").read_bytes().startswith(b"-----BEGIN PUBLIC KEY")
    assert here("keys", "rotate", "--yes").code == 0
    old, new = here("--json", "keys", "show").lines
    assert old["fingerprints"] == first["fingerprints"] != new["fingerprints"]
    assert old["last"] == new["first"]
    assert new["fingerprints"]["ecdsa"] in here("keys", "show").out
    assert here("verify").code == 0


def test_a_checkpoint_is_compared_with_what_the_lawyer_kept(shop: Shop, here: Here, tmp_path: Path) -> None:
    note = here("--json", "checkpoint").one["note"]
    kept = tmp_path / "checkpoint.txt"
    kept.write_bytes(note.replace("\n", "\r\n").encode())  # as Windows saves it
    assert here("verify", "--checkpoint", str(kept)).code == 0
    other = parse(note).body.replace(str(parse(note).size), "1")
    kept.write_text(note.replace(parse(note).body, other))
    found = here("--json", "verify", "--checkpoint", str(kept))
    assert (found.code, found.one["ok"]) == (1, False)


def test_a_checkpoint_is_attested_on_demand(shop: Shop, here: Here, tsa: Tsa) -> None:
    config = shop.config.read_text("utf-8")
    anchors = (
        f'\nevidence:\n  anchors:\n    tsa: [{{url: "{tsa.url}", ca: "{tsa.ca}"}}]\n    mail: lawyer@law.example\n'
    )
    shop.config.write_text(config + anchors, "utf-8")
    assert here("checkpoint").code == 0
    assert [one["name"] for one in here("--json", "status").one["problems"]].count("anchor") == 2  # none did yet
    said = here("--json", "checkpoint", "--attest")
    assert said.code == 0, said
    assert "anchor" not in [one["name"] for one in here("--json", "status").one["problems"]]
    assert (said.one["attested"], said.one["failed"]) == (2, [])
    assert here("--json", "verify").one["anchors"] == 2
    tsa.answer = lambda request: (503, b"")
    said = here("checkpoint", "--attest")
    assert said.code == 1
    assert "503" in said.err


def test_a_call_with_its_recording_is_on_record(shop: Shop, here: Here, tmp_path: Path) -> None:
    (tmp_path / "call.wav").write_bytes(b"RIFF....")
    file = ("--recording", str(tmp_path / "call.wav"))
    said = here("--json", "call", "add", "--summary", "怒鳴る", "--order", "#1024", *file)
    assert said.code == 0
    import sqlite3

    raw = sqlite3.connect(shop.folder / "data" / "sekisho.db")
    ((record,),) = raw.execute("SELECT record FROM log WHERE message = ?", (said.one["id"],)).fetchall()
    raw.close()
    kept = json.loads(record)
    assert (kept["order"], kept["recording"]["name"], kept["recording"]["size"]) == ("1024", "call.wav", 8)
    assert here("verify").code == 0
