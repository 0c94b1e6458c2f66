"""What an opposing expert would try beyond the attack table: forged lists, keys, anchors, counts, hostile bundles."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.casefile import making_record, tables
from gateway.casefile.bag import SIGNED, digest_of
from gateway.casefile.completeness import completeness
from gateway.casefile.facts import Facts
from gateway.casefile.shipped.verify import NoBundle, check
from gateway.evidence.key_files import new_keys as fresh_keys
from gateway.evidence.key_files import sign_ecdsa
from gateway.store.selection import Selection
from tests.integration import bundles
from tests.integration.bundles import Authority, by_python, by_shell, manifests_anew, order
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
def bundle(shop: Shop) -> Path:
    return bundles.export(shop, "case.zip")[0]


@pytest.fixture(scope="module")
def whole(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.unpack(bundle, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def bag(whole: Path, tmp_path: Path) -> Path:
    return bundles.copy(whole, tmp_path)


@pytest.fixture(params=[by_python, by_shell])
def verify(request: pytest.FixtureRequest) -> Verifier:
    verifier: Verifier = request.param
    return verifier


def tag_manifest(bag: Path, *more: str) -> None:
    """The unsigned list of files as a forger writes it, with further files in it."""
    names = [line.split("  ")[1] for line in (bag / "tagmanifest-sha256.txt").read_text().splitlines()]
    lines = [f"{digest_of(bag / name)}  {name}\n" for name in (*names, *more)]
    (bag / "tagmanifest-sha256.txt").write_text("".join(lines))


def test_a_paper_changed_behind_the_unsigned_list(verify: Verifier, bag: Path) -> None:
    paper = "data/03_exhibits/ko-003.pdf"
    shutil.copy(bag / "data/03_exhibits/ko-004.pdf", bag / paper)
    tag_manifest(bag, paper)
    assert verify(bag).codes == {"FILE_CHANGED", "MANIFEST"}


@pytest.mark.parametrize("name", ["data/13_more.pdf", "more.txt"])
def test_a_file_added_by_the_unsigned_list(verify: Verifier, bag: Path, name: str) -> None:
    (bag / name).write_bytes(b"x")
    tag_manifest(bag, name)
    assert {"FILE_ADDED", "MANIFEST"} <= verify(bag).codes


def test_the_description_of_the_bag_changed(verify: Verifier, bag: Path) -> None:
    info = bag / "bag-info.txt"
    info.write_bytes(info.read_bytes().replace("和み工房".encode(), "別の店".encode()))
    tag_manifest(bag)
    assert verify(bag).codes == {"BAG_INFO"}


def test_names_that_deceive_a_shell(verify: Verifier, bag: Path) -> None:
    (bag / "data/eml/ko-001.eml\nbagit.txt").write_bytes(b"x")
    assert "FILE_ADDED" in verify(bag).codes


def test_a_link_is_no_file(verify: Verifier, bag: Path) -> None:
    (bag / "data/more").symlink_to("/etc")
    assert "FILE_ADDED" in verify(bag).codes


def test_keys_replaced_and_everything_signed_anew(verify: Verifier, bag: Path) -> None:
    """Whoever has not the shop's keys makes some of the same name: the log knows better."""
    keys = fresh_keys()
    (bag / "data/verify/keys/ecdsa.pem").write_bytes(keys.public.ecdsa_pem)
    (bag / "data/verify/keys/ed25519.pem").write_bytes(keys.public.ed25519_pem)
    checkpoint = (bag / "data/verify/checkpoint.txt").read_text()
    (bag / "data/verify/checkpoint.ecdsa").write_bytes(sign_ecdsa(keys.ecdsa, checkpoint))
    manifests_anew(bag)
    for name in SIGNED:
        text = (bag / name).read_text()
        (bag / f"signature/{name}.ed25519").write_bytes(keys.ed25519.sign(text.encode()))
        (bag / f"signature/{name}.ecdsa").write_bytes(sign_ecdsa(keys.ecdsa, text))
    tag_manifest(bag)
    said = verify(bag)
    assert {"KEY_CHANGED", "SIGNATURE"} <= said.codes
    assert "verify/keys/ecdsa.pem is not what was logged" in said.out


def test_the_log_gone_on_with_by_somebody_with_other_keys(
    verify: Verifier, authority: Authority, tmp_path: Path
) -> None:
    shop = fill(make(tmp_path / "shop"))
    bundles.anchor_now(shop, authority)
    other = fill(make(tmp_path / "other"))
    bundles.export(other, "case.zip")  # makes keys
    for file in bundles.keys(shop)[0].parent.glob("checkpoint*.key*"):
        file.unlink()
    for file in bundles.keys(other)[0].parent.glob("checkpoint*.key*"):
        shutil.copy(file, bundles.keys(shop)[0].parent / file.name)
    bag = bundles.unpack(bundles.export(shop, "case.zip")[0], tmp_path / "bag")
    said = verify(bag)
    assert "! anchor 001 is signed by another key" in said.out


def test_a_time_stamp_said_to_be_older(verify: Verifier, bag: Path) -> None:
    listed = bag / "data/verify/anchors.txt"
    name, kind, size, at, target = listed.read_text().split()
    listed.write_text(f"{name} {kind} {size} {int(at) - 86400} {target}\n")
    manifests_anew(bag)
    assert verify(bag).codes == {"ANCHOR", "MANIFEST_SIGNATURE"}


def test_an_anchor_left_out(verify: Verifier, bag: Path) -> None:
    (bag / "data/verify/anchors.txt").write_text("")
    manifests_anew(bag)
    said = verify(bag)
    assert said.codes == {"ANCHOR_MISSING", "MANIFEST_SIGNATURE"}
    assert "The log tells of 1 anchors, but there are 0 in this bundle." in said.out


def test_an_anchor_before_the_keys_were_exchanged_still_counts(
    verify: Verifier, authority: Authority, tmp_path: Path
) -> None:
    shop = fill(make(tmp_path / "shop"))
    bundles.anchor_now(shop, authority)
    for _ in range(2):
        assert shop.run("keys", "rotate", "--yes").returncode == 0
    bag = bundles.unpack(bundles.export(shop, "case.zip")[0], tmp_path / "bag")
    said = verify(bag)
    assert (said.code, said.codes) == (0, set())
    assert "another key" not in said.out


def test_a_table_of_completeness_that_hides_mail(
    verify: Verifier, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A shop that has changed the program says that its log held nothing else."""
    shop = fill(make(tmp_path / "shop"))
    honest = completeness

    def hide(facts: Facts) -> list[tuple[object, ...]]:
        return honest(replace(facts, times=facts.times[: len(facts.exhibits)]))

    monkeypatch.setattr("gateway.casefile.tables.completeness", hide)
    chosen = order(Selection(addresses=("ikari@isp.example",)))
    bag = bundles.unpack(bundles.export(shop, "case.zip", chosen)[0], tmp_path / "bag")
    assert verify(bag).codes == {"INCOMPLETE"}


def test_a_table_that_lies_about_the_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shop = fill(make(tmp_path / "shop"))
    honest = tables.write_tables

    def lie(facts: Facts) -> dict[str, bytes]:
        return {name: content.replace(b"198.51.100.24", b"203.0.113.66") for name, content in honest(facts).items()}

    monkeypatch.setattr(making_record, "write_tables", lie)
    bag = bundles.unpack(bundles.export(shop, "case.zip")[0], tmp_path / "bag")
    said = by_python(bag)
    assert said.codes == {"TABLE_UNTRUE"}
    assert "Of exhibit ko-004, peer_ip is not what record 5 says." in said.out


def test_a_file_put_in_after_the_making_by_whoever_has_the_keys(verify: Verifier, shop: Shop, bag: Path) -> None:
    for name in ("attachments/ko-001-02.txt", "14_more.pdf", "eml/ko-0001.eml"):
        (bag / "data" / name).parent.mkdir(exist_ok=True)
        (bag / "data" / name).write_bytes(b"x")
    manifests_anew(bag)
    said = verify(bag)
    assert said.codes == {"MAIL_INSERTED", "MANIFEST_SIGNATURE"}
    assert said.out.count("it was inserted.") == 3


def test_a_paper_with_a_longer_number_is_another(verify: Verifier, shop: Shop, tmp_path: Path) -> None:
    chosen = order(Selection(addresses=("ikari@isp.example",)), start=100)
    bag = bundles.unpack(bundles.export(shop, "hundred.zip", chosen)[0], tmp_path / "bag")
    (bag / "data/03_exhibits/ko-100.pdf").rename(bag / "data/03_exhibits/ko-1000.pdf")
    manifests_anew(bag)
    assert {"EXHIBIT_MISSING", "MAIL_INSERTED"} <= verify(bag).codes


@pytest.mark.parametrize("place", ["leaf", "size", "anchor", "exhibit"])
def test_a_hostile_bundle_runs_nothing(verify: Verifier, bag: Path, tmp_path: Path, place: str) -> None:
    ran = tmp_path / "ran"
    folder = bag / "data/verify"
    lines = (folder / "leaves.txt").read_text().splitlines(keepends=True)
    if place == "leaf":
        words = lines[1].split(" ")
        words[3] = f"';touch${{IFS}}{ran};'"
        lines[1] = " ".join(words)
        (folder / "leaves.txt").write_text("".join(lines))
    elif place == "exhibit":
        name = f"x,touch${{IFS}}{ran},e;#"
        listed = folder / "exhibits.txt"
        listed.write_text(listed.read_text().replace(" ko-001 ", f" {name} "))
    else:
        file = folder / ("checkpoint.txt" if place == "size" else "anchors/001.txt")
        parts = file.read_text().split("\n")
        parts[1] = f"1e touch {ran} #"
        file.write_text("\n".join(parts))
    manifests_anew(bag)
    assert verify(bag).code == 1
    assert not ran.exists()


def test_a_number_out_of_all_reason_is_no_reason_to_count_to_it(verify: Verifier, bag: Path) -> None:
    leaves = bag / "data/verify/leaves.txt"
    lines = leaves.read_text().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(lines[-1].split(" ")[1], "99999999999999", 1)
    leaves.write_text("".join(lines))
    manifests_anew(bag)
    assert "RECORD_MISSING" in verify(bag).codes


def _damaged(files: Sequence[Path], rounds: int) -> Iterable[tuple[Path, bytes]]:
    chance = random.Random(5)
    for _ in range(rounds):
        file = chance.choice(files)
        content = bytearray(file.read_bytes())
        if chance.random() < 0.3 or not content:
            content = content[: chance.randrange(len(content) + 1)]
        for _ in range(chance.choice((0, 1, 3))):
            if content:
                content[chance.randrange(len(content))] = chance.choice((0, 10, 32, 45, 57, 255))
        if bytes(content) != file.read_bytes():
            yield file, bytes(content)


def test_damage_is_always_named_and_never_a_traceback(bag: Path) -> None:
    files = sorted(path for path in bag.rglob("*") if path.is_file() and path.suffix != ".pdf")
    for file, content in _damaged(files, 250):
        kept = file.read_bytes()
        file.write_bytes(content)
        try:
            assert check(bag).faults, file
            if file.name.endswith("manifest-sha256.txt"):
                continue
            manifests_anew(bag)
            assert check(bag).faults or file.suffix == ".ecdsa", file  # those are for verify.sh
        except NoBundle:
            assert file.name == "bagit.txt"
        finally:
            file.write_bytes(kept)
            manifests_anew(bag)
    assert check(bag).faults == []


def test_a_damaged_zip_is_always_named(bundle: Path, tmp_path: Path) -> None:
    whole, chance = bundle.read_bytes(), random.Random(7)
    for _ in range(40):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 + chance.randrange(255)
        hurt = tmp_path / "hurt.zip"
        hurt.write_bytes(content)
        try:
            faults = check(hurt).faults
        except NoBundle:
            continue
        if not faults:  # what no reader looks at, such as a time or the length of a gap
            with zipfile.ZipFile(hurt) as one, zipfile.ZipFile(bundle) as other:
                assert {name: one.read(name) for name in one.namelist()} == {
                    name: other.read(name) for name in other.namelist()
                }


def test_verify_sh_needs_nothing_but_a_plain_system(bag: Path) -> None:
    command = ["env", "-i", "PATH=/usr/bin:/bin", "sh", str(bag / "data/verify/verify.sh")]
    ran = subprocess.run(command, capture_output=True, timeout=60, cwd="/")
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_verify_py_needs_nothing_but_python(bag: Path) -> None:
    command = ["env", "-i", "PATH=/usr/bin:/bin", _python(), "-I", "-S", str(bag / "data/verify/verify.py")]
    ran = subprocess.run(command, capture_output=True, timeout=60, cwd="/")
    assert (ran.returncode, ran.stderr) == (0, b"")


def _python() -> str:
    return shutil.which("python3", path="/usr/bin:/bin") or sys.executable


def test_a_signature_of_anybody_is_not_the_shops(bag: Path) -> None:
    stranger = Ed25519PrivateKey.generate()
    (bag / "signature/manifest-sha256.txt.ed25519").write_bytes(
        stranger.sign((bag / "manifest-sha256.txt").read_bytes())
    )
    tag_manifest(bag)
    assert by_python(bag).codes == by_shell(bag).codes == {"MANIFEST_SIGNATURE"}
