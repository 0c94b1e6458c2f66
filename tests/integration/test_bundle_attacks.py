"""The attack table: each forgery is found and named by `verify.py` and by `verify.sh` alone, without Sekisho."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.casefile.shipped.verify import check
from tests.integration import bundles
from tests.integration.bundles import Authority, by_python, by_shell, manifests_anew
from tests.integration.cli_shop import Shop, fill, make

Verifier = Callable[[Path], bundles.Said]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "authority")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Shop:
    made = fill(make(tmp_path_factory.mktemp("shop")))
    bundles.anchor_now(made, authority)
    return made


@pytest.fixture(scope="module")
def whole(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.unpack(bundles.export(shop, "case.zip")[0], tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    other = fill(make(tmp_path_factory.mktemp("other")))
    return bundles.unpack(bundles.export(other, "case.zip")[0], tmp_path_factory.mktemp("foreign"))


@pytest.fixture
def bag(whole: Path, tmp_path: Path) -> Path:
    return bundles.copy(whole, tmp_path)


@pytest.fixture(params=[by_python, by_shell])
def verify(request: pytest.FixtureRequest) -> Verifier:
    verifier: Verifier = request.param
    return verifier


def test_a_whole_bundle_holds(verify: Verifier, whole: Path) -> None:
    said = verify(whole)
    assert (said.code, said.codes) == (0, set())
    assert "Everything is as it was recorded." in said.out
    assert "anchor 001" in said.out


def test_one_byte_of_a_mail_changed(verify: Verifier, bag: Path) -> None:
    mail = bag / "data/eml/ko-003.eml"
    mail.write_bytes(mail.read_bytes()[:-3] + b"!\r\n")
    assert "FILE_CHANGED" in verify(bag).codes
    manifests_anew(bag)
    said = verify(bag)
    assert said.codes == {"MAIL_CHANGED", "MANIFEST_SIGNATURE"}
    assert "The original of exhibit ko-003 (record 4) was changed: data/eml/ko-003.eml." in said.out


def test_a_row_of_a_table_changed(verify: Verifier, bag: Path) -> None:
    table = bag / "data/04_messages.csv"
    table.write_bytes(table.read_bytes().replace(b"198.51.100.24", b"203.0.113.9"))
    manifests_anew(bag)
    said = verify(bag)
    assert said.codes == {"TABLE_CHANGED", "MANIFEST_SIGNATURE"}
    assert "04_messages.csv is not what was logged when the bundle was made: rows were changed." in said.out


def test_a_message_removed_from_the_bundle(verify: Verifier, bag: Path) -> None:
    for name in ("eml/ko-004.eml", "03_exhibits/ko-004.pdf"):
        (bag / "data" / name).unlink()
    manifests_anew(bag)
    assert verify(bag).codes == {"MAIL_MISSING", "EXHIBIT_MISSING", "MANIFEST_SIGNATURE"}
    # and from its list of exhibits, too
    listed = bag / "data/verify/exhibits.txt"
    lines = listed.read_text().splitlines(keepends=True)
    listed.write_text("".join(line for line in lines if " ko-004 " not in line))
    manifests_anew(bag)
    said = verify(bag)
    assert said.codes == {"TABLE_CHANGED", "MANIFEST_SIGNATURE"}
    assert "exhibits were added or removed" in said.out


def test_a_record_removed_from_the_log(verify: Verifier, bag: Path) -> None:
    leaves = bag / "data/verify/leaves.txt"
    lines = leaves.read_text().splitlines(keepends=True)
    leaves.write_text("".join(lines[:4] + lines[5:]))
    manifests_anew(bag)
    said = verify(bag)
    assert {"RECORD_MISSING", "LOG_CUT"} <= said.codes
    assert "Record 4 was taken out of the log." in said.out


def test_two_mails_swapped(verify: Verifier, bag: Path) -> None:
    one, two = (bag / f"data/eml/ko-{number}.eml" for number in ("003", "004"))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    manifests_anew(bag)
    said = verify(bag)
    assert said.codes == {"MAIL_SWAPPED", "MANIFEST_SIGNATURE"}
    assert "The original of exhibit ko-003 was swapped with that of ko-004." in said.out


def test_two_records_swapped(verify: Verifier, bag: Path) -> None:
    leaves = bag / "data/verify/leaves.txt"
    lines = leaves.read_text().splitlines(keepends=True)
    lines[4], lines[5] = lines[5], lines[4]
    leaves.write_text("".join(lines))
    manifests_anew(bag)
    said = verify(bag)
    assert {"RECORDS_SWAPPED", "ROOT", "LOG_REWRITTEN"} <= said.codes
    assert "Records were swapped: the order is broken after record 5." in said.out


def test_a_mail_inserted(verify: Verifier, bag: Path) -> None:
    (bag / "data/eml/ko-099.eml").write_bytes(b"From: x@example.com\r\n\r\nhello\r\n")
    shutil.copy(bag / "data/03_exhibits/ko-001.pdf", bag / "data/03_exhibits/ko-099.pdf")
    assert "FILE_ADDED" in verify(bag).codes
    manifests_anew(bag)
    said = verify(bag)
    assert said.codes == {"MAIL_INSERTED", "MANIFEST_SIGNATURE"}
    assert "data/eml/ko-099.eml was not part of the bundle when it was made: it was inserted." in said.out


def test_a_record_inserted(verify: Verifier, bag: Path) -> None:
    leaves = bag / "data/verify/leaves.txt"
    lines = leaves.read_text().splitlines(keepends=True)
    forged = lines[4].rsplit(" ", 1)[0] + " " + "ab" * 32 + "\n"
    leaves.write_text("".join([*lines[:5], forged, *lines[5:]]))
    manifests_anew(bag)
    said = verify(bag)
    assert "RECORD_INSERTED" in said.codes
    assert "There are two records 4: one was inserted." in said.out


def test_the_log_cut_at_the_end(verify: Verifier, bag: Path) -> None:
    leaves = bag / "data/verify/leaves.txt"
    lines = leaves.read_text().splitlines(keepends=True)
    leaves.write_text("".join(lines[:-2]))
    manifests_anew(bag)
    said = verify(bag)
    assert "LOG_CUT" in said.codes
    assert (
        f"The log ends after {len(lines) - 2} records, but the checkpoint seals {len(lines)}: it was cut." in said.out
    )


def test_the_log_cut_back_to_an_older_checkpoint(verify: Verifier, bag: Path) -> None:
    anchored = bag / "data/verify/anchors/001.txt"
    size = int(anchored.read_text().splitlines()[1])
    leaves = bag / "data/verify/leaves.txt"
    leaves.write_text("".join(leaves.read_text().splitlines(keepends=True)[:size]))
    shutil.copy(anchored, bag / "data/verify/checkpoint.txt")
    manifests_anew(bag)
    said = verify(bag)
    assert "LOG_CUT" in said.codes
    assert "which tells of this bundle's making, is not in the log: its end was cut off." in said.out


def test_the_log_rebuilt_with_the_stolen_key_after_an_anchor(
    verify: Verifier, authority: Authority, tmp_path: Path
) -> None:
    shop = fill(make(tmp_path / "shop"))
    bundles.anchor_now(shop, authority)
    bundles.rewrite(shop, shop.ids["threat"], ("火をつけてやる".encode(), "よろしく頼みます".encode()))
    bag = bundles.unpack(bundles.export(shop, "forged.zip")[0], tmp_path / "forged")
    assert b"\xe3\x82\x88\xe3\x82\x8d" in (bag / "data/eml/ko-003.eml").read_bytes()
    said = verify(bag)
    assert (said.code, said.codes) == (1, {"LOG_REWRITTEN"})
    assert "the log was rewritten after that." in said.out


def test_an_anchor_that_was_left_out_is_known_to_whoever_was_sent_it(authority: Authority, tmp_path: Path) -> None:
    shop = fill(make(tmp_path / "shop"))
    note = tmp_path / "mailed.txt"
    note.write_text(bundles.anchor_now(shop, authority))
    bundles.rewrite(shop, shop.ids["threat"], ("火をつけてやる".encode(), "よろしく頼みます".encode()))
    bag = bundles.unpack(bundles.export(shop, "forged.zip")[0], tmp_path / "forged")
    (bag / "data/verify/anchors.txt").write_text("")
    manifests_anew(bag)
    assert by_python(bag).codes == {"ANCHOR_MISSING", "MANIFEST_SIGNATURE"}
    assert "LOG_REWRITTEN" in by_python(bag, str(note)).codes


def test_a_time_stamp_over_something_else(verify: Verifier, authority: Authority, bag: Path) -> None:
    (bag / "data/verify/anchors/001.tsr").write_bytes(authority.stamp("another note\n")[1])
    manifests_anew(bag)
    assert verify(bag).codes == {"ANCHOR", "ANCHOR_MISSING", "MANIFEST_SIGNATURE"}


def test_a_time_stamp_by_nobody(verify: Verifier, bag: Path) -> None:
    stamp = bag / "data/verify/anchors/001.tsr"
    stamp.write_bytes(stamp.read_bytes()[:-20] + bytes(20))
    manifests_anew(bag)
    assert verify(bag).codes == {"ANCHOR", "ANCHOR_MISSING", "MANIFEST_SIGNATURE"}


@pytest.mark.parametrize("on_record", [True, False])
def test_a_record_deleted_by_retention_is_shown_as_such(verify: Verifier, on_record: bool, tmp_path: Path) -> None:
    shop = fill(make(tmp_path / "shop"))
    bundles.delete_message(shop, shop.ids["evil"], on_record=on_record)
    bag = bundles.unpack(bundles.export(shop, "case.zip")[0], tmp_path / "bag")
    said = verify(bag)
    if on_record:
        assert (said.code, said.codes) == (0, set())
        assert "1 records deleted (end of retention); proofs stay" in said.out
    else:
        assert said.codes == {"DELETED_WITHOUT_RECORD"}
        assert "The content of record 6 is left out, and no record of a deletion covers it." in said.out


def test_a_checkpoint_of_another_gateway(verify: Verifier, foreign: Path, bag: Path) -> None:
    for name in ("checkpoint.txt", "checkpoint.ecdsa"):
        shutil.copy(foreign / "data/verify" / name, bag / "data/verify" / name)
    manifests_anew(bag)
    said = verify(bag)
    assert "OTHER_LOG" in said.codes
    assert "The checkpoint belongs to another gateway, sekisho/" in said.out


def test_a_checkpoint_signed_by_another_key(verify: Verifier, foreign: Path, bag: Path) -> None:
    theirs = (foreign / "data/verify/checkpoint.txt").read_text()
    name = (bag / "data/verify/checkpoint.txt").read_text().splitlines()[0]
    (bag / "data/verify/checkpoint.txt").write_text(theirs.replace(theirs.splitlines()[0], name))
    manifests_anew(bag)
    assert "SIGNATURE" in verify(bag).codes


def test_a_disclosed_record_changed(verify: Verifier, bag: Path) -> None:
    record = bag / "data/verify/records/00000004.bin"
    record.write_bytes(record.read_bytes().replace(b'"ip":"198.51.100.23"', b'"ip":"198.51.100.99"'))
    manifests_anew(bag)
    said = verify(bag)
    assert "RECORD_CHANGED" in said.codes
    assert "The content of record 4 was changed." in said.out


def test_a_zip_is_checked_as_it_is(shop: Shop) -> None:
    bundle, _ = bundles.export(shop, "again.zip")
    assert by_python(bundle).code == 0
    assert check(bundle).faults == []


def test_something_else_is_no_bundle(verify: Verifier, tmp_path: Path) -> None:
    said = verify(tmp_path)
    assert said.code == 2
    assert "not a bundle" in said.out
