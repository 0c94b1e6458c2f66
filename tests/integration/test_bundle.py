"""A bundle as a whole, judged by tools that are not ours: bagit, pymerkle, openssl, qpdf, pdftotext, Word's format."""

from __future__ import annotations

import base64
import csv
import io
import re
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import bagit
import pytest
from docx import Document
from pymerkle import InmemoryTree

from gateway.casefile.bundle import make_bundle
from gateway.casefile.frame import Frame
from gateway.casefile.letter import Letter
from gateway.casefile.marks import Mark
from gateway.casefile.page import Pages
from gateway.casefile.redaction import BLACK
from gateway.casefile.shipped.verify import check
from gateway.casefile.typesetter import Typesetter
from gateway.errors import NotFound, Refused
from gateway.model.acceptance import Acceptance
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.verdict import Action, Outcome, Verdict
from gateway.store.accept import Accept
from gateway.store.calls import AddCall
from gateway.store.cases import AddCase, Hold
from gateway.store.selection import Selection
from gateway.testing.mail import letter
from gateway.testing.pictures import gradient
from gateway.text import plain
from tests.integration import bundles
from tests.integration.bundles import by_python, by_shell, order, tool
from tests.integration.cli_shop import Here, Shop, fill, make
from tests.unit.test_casefile_parts import AT, TOKYO

WORDS = "𠮷野家の髙橋です。店に火をつけてやる。😡\n> いつもお世話になっております。\n\n山田太郎\n"


def _with_attachments() -> bytes:
    raw = letter("ikari@isp.example", "写真と書類", WORDS)
    head, _, text = raw.partition(b"\r\n\r\n")
    head = re.sub(rb"(?im)^content-[^\r]*\r\n|\r\ncontent-[^\r]*|^mime-version[^\r]*\r\n", b"", head)

    def part(kind: str, name: str, data: bytes) -> bytes:
        fields = f'Content-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
        return f"--b\r\n{fields}Content-Disposition: attachment\r\n\r\n".encode() + base64.encodebytes(data) + b"\r\n"

    return (
        head
        + b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + text
        + b"\r\n"
        + part("image/png", "whole.png", gradient(40, 30))
        + part("image/png", "broken.png", gradient(40, 30)[:60])
        + part("text/plain", "memo.txt", "メモ".encode())
        + part("application/octet-stream", "run.exe", b"MZ")
        + b"--b--\r\n"
    )


def add(shop: Shop, name: str, raw: bytes, phrases: str = "") -> None:
    """Put a mail on record as it came over the wire."""

    async def work(store: Any) -> None:
        dialogue = ("S: 220 mx.shop.example", "C: EHLO mail.isp.example", "S: 250 ok")
        envelope = Envelope("ikari@isp.example", ("shop@shop.example",), Peer("198.51.100.9", 25), dialogue=dialogue)
        came = Exchange(raw, envelope)
        accepted = Acceptance(
            came,
            sender="ikari@isp.example",
            origin=None,
            facts={"phrases": Fact(("脅迫",), plain(phrases))} if phrases else {},
            verdict=Verdict(Action(Outcome.QUARANTINE), "脅迫", "rules.yaml:1", "ab" * 32),
            trace=b"",
            subject="写真と書類",
            from_header="ikari@isp.example",
            message_id="",
            evidence={"dkim_keys": {"s1._domainkey.isp.example": "v=DKIM1; p=abc"}},
        )
        unit = Accept(accepted, "node", timedelta(minutes=5), (), "mx", b"")
        await unit.prepare()
        await store.committer.submit(unit)
        shop.ids[name], shop.raw[name] = came.id, raw

    shop.with_store(work)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = fill(make(tmp_path_factory.mktemp("shop")))
    add(made, "attachments", _with_attachments(), "脅迫「火をつけてやる」5")
    add(made, "hostile", b"Subject: =?utf-8?b?" + b"A" * 60 + b"\r\nX: \xff\x1b\x00\r\n\r\n" + bytes(range(256)))
    add(made, "empty", b"\r\n")
    return made


@pytest.fixture(scope="module")
def bundle(shop: Shop) -> Path:
    return bundles.export(shop, "case.zip", order(policy={"received.ja.txt": b"x"}, state={"clock": "ok"}))[0]


@pytest.fixture(scope="module")
def bag(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.unpack(bundle, tmp_path_factory.mktemp("bag"))


def rows(bag: Path, name: str) -> list[dict[str, str]]:
    """A table, its second row as the names."""
    text = (bag / "data" / name).read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text.partition("\r\n")[2])))


def text_of(pdf: Path) -> str:
    """What `pdftotext` reads."""
    return subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True, timeout=60
    ).stdout.decode()


def test_every_mail_is_what_came_over_the_wire(shop: Shop, bag: Path) -> None:
    by_id = {row["id"]: row for row in rows(bag, "04_messages.csv")}
    for name, id in shop.ids.items():
        assert (bag / "data" / by_id[id]["original_file"]).read_bytes() == shop.raw[name]
        assert (bag / "data" / by_id[id]["exhibit_file"]).read_bytes().startswith(b"%PDF-1.7")


def test_bagit_finds_the_bag_good(bag: Path) -> None:
    judged = bagit.Bag(str(bag))
    assert judged.validate()
    assert judged.version_info == (1, 0)
    assert judged.info["External-Description"]


def test_pymerkle_computes_the_same_root(bag: Path) -> None:
    tree = InmemoryTree(algorithm="sha256")
    for line in (bag / "data/verify/leaves.txt").read_bytes().splitlines():
        tree.append_entry(line)
    stated = (bag / "data/verify/checkpoint.txt").read_text().splitlines()[2]
    assert tree.get_root() == base64.b64decode(stated)


def test_openssl_finds_the_signatures_good(bag: Path) -> None:
    folder = bag / "data/verify"
    for signature, signed in (
        (folder / "checkpoint.ecdsa", folder / "checkpoint.txt"),
        (bag / "signature/manifest-sha256.txt.ecdsa", bag / "manifest-sha256.txt"),
    ):
        command = [tool("openssl"), "dgst", "-sha256", "-verify", folder / "keys/ecdsa.pem", "-signature", signature]
        assert b"Verified OK" in subprocess.run([*command, signed], check=True, capture_output=True).stdout


def test_names_fit_every_system(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as packed:
        names = packed.namelist()
    assert len({name.lower() for name in names}) == len(names)
    for part in {part for name in names for part in name.split("/")}:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}", part)
        assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part)
    subprocess.run([tool("unzip"), "-tqq", bundle], check=True)


def test_qpdf_reads_every_paper_and_the_words_can_be_searched(shop: Shop, bag: Path) -> None:
    papers = sorted((bag / "data").rglob("*.pdf"))
    for paper in papers:
        subprocess.run([tool("qpdf"), "--check", paper], check=True, capture_output=True, timeout=60)
        assert b"pdfaid:part>2<" in paper.read_bytes()
    (row,) = [row for row in rows(bag, "04_messages.csv") if row["id"] == shop.ids["attachments"]]
    said = text_of(bag / "data" / row["exhibit_file"])
    for words in (
        "𠮷野家の髙橋です。店に火をつけてやる。",
        "甲第8号証の1",
        "添付ファイル（4 件）",
        "2/2",
        "EHLO mail.isp.example",
    ):
        assert words in said
    assert row["sha256"] in said
    assert "画像を表示できません（ファイルが壊れています）" in said


def test_attachments_are_branches_with_harmless_names(shop: Shop, bag: Path) -> None:
    listed = [row for row in rows(bag, "05_attachments.csv") if row["message_exhibit"] == "甲第8号証の1"]
    assert [(row["exhibit"], row["name"], row["file"]) for row in listed] == [
        ("甲第8号証の2", "whole.png", "attachments/ko-008-02.png"),
        ("甲第8号証の3", "broken.png", "attachments/ko-008-03.png"),
        ("甲第8号証の4", "memo.txt", "attachments/ko-008-04.txt"),
        ("甲第8号証の5", "run.exe", "attachments/ko-008-05.exe.bin"),
    ]
    assert (bag / "data/attachments/ko-008-02.png").read_bytes() == gradient(40, 30)
    assert "メモ" in text_of(bag / "data/03_exhibits/ko-008-04.pdf")
    assert "_domainkey" in (bag / "data/dns/ko-008.json").read_text()
    assert (bag / "data/smtp/ko-008.txt").read_bytes().startswith(b"S: 220 mx.shop.example\r\n")


def test_the_documents_open_and_leave_what_is_counsels_to_counsel(bag: Path) -> None:
    draft = Document(str(bag / "data/01_shoko_setsumeisho.docx"))
    cells = [[cell.text for cell in row.cells] for row in draft.tables[0].rows]
    assert cells[0] == ["号証", "標目", "原本・写しの別", "作成年月日", "作成者", "立証趣旨", "備考"]
    assert {row[5] for row in cells[1:]} == {""}
    memo = "\n".join(paragraph.text for paragraph in Document(str(bag / "data/12_police_memo.docx")).paragraphs)
    assert "放火を予告（甲第8号証の1）" in memo
    assert "「火をつけてやる」" in memo
    assert "人物を示すものではありません" in memo
    for name in ("00_readme_ja.txt", "00_readme_en.txt"):
        said = (bag / "data" / name).read_bytes().decode("utf-8-sig")
        assert "証拠能力" in said or "admissibility" in said
    assert "クレーマー" not in memo


def test_completeness_adds_up_after_deletions_and_holds(tmp_path: Path) -> None:
    shop = fill(make(tmp_path / "shop"))
    bundles.delete_message(shop, shop.ids["evil"], on_record=True)
    unit = AddCase("案件", {"address": ["ikari@isp.example"]}, hold=True)
    shop.with_store(lambda store: store.committer.submit(unit))
    chosen = order(Selection(addresses=("ikari@isp.example",)))
    bag = bundles.unpack(bundles.export(shop, "case.zip", chosen)[0], tmp_path / "bag")
    table = rows(bag, "06_completeness.csv")
    for row in table:
        parts = (int(row[name]) for name in ("exported", "withheld", "other", "deleted"))
        assert int(row["logged"]) == sum(parts)
    (total,) = [row for row in table if row["period"] == "合計"]
    assert (total["logged"], total["exported"], total["other"], total["deleted"]) == ("7", "2", "4", "1")
    assert "1 件です" in (bag / "data/00_readme_ja.txt").read_text("utf-8-sig")
    assert by_python(bag).code == 0


def test_calls_are_in_the_timeline_with_their_recordings(tmp_path: Path) -> None:
    shop = fill(make(tmp_path / "shop"))
    sound = bytes(range(256)) * 40
    unit = AddCall(AT, "0312345678", "返金しないなら店に行くと言われた。", file=("録音.wav", sound))

    async def work(store: Any) -> None:
        await unit.prepare()
        await store.committer.submit(unit)

    shop.with_store(work)
    bundle, made = bundles.export(shop, "case.zip", order(Selection(phones=("0312345678",))))
    bag = bundles.unpack(bundle, tmp_path / "bag")
    assert (made.exhibits, made.calls) == (0, 1)
    assert (bag / "data/recordings/call-001.wav").read_bytes() == sound
    (row,) = rows(bag, "02_timeline.csv")
    assert (row["what"], row["who"]) == ("電話", "0312345678")
    assert "録音.wav" in row["summary"]
    assert by_python(bag).code == by_shell(bag).code == 0
    (bag / "data/recordings/call-001.wav").write_bytes(sound[1:])
    bundles.manifests_anew(bag)
    assert "TABLE_CHANGED" in by_python(bag).codes & by_shell(bag).codes


def test_what_is_blacked_out_is_nowhere_in_the_bundle(shop: Shop, tmp_path: Path) -> None:
    words = ("山田太郎", "hanako@customer.example")
    bundle, made = bundles.export(shop, "redacted.zip", order(redact=words, reason="第三者"))
    bag = bundles.unpack(bundle, tmp_path)
    assert made.redacted == 3
    shown = {row["id"]: row for row in rows(bag, "04_messages.csv")}
    row = shown[shop.ids["attachments"]]
    assert (row["redacted"], row["sha256"], row["original_file"]) == ("1", "", "")
    assert BLACK in text_of(bag / "data" / row["exhibit_file"])
    for file in (bag / "data").rglob("*"):
        if file.suffix == ".pdf":
            said = text_of(file)
        elif file.suffix == ".docx":
            with zipfile.ZipFile(file) as parts:
                said = "".join(parts.read(name).decode("utf-8", "replace") for name in parts.namelist())
        else:
            said = file.read_bytes().decode("utf-8", "replace") if file.is_file() else ""
        assert not any(word in said for word in words), file
    assert {row["exhibit"] for row in rows(bag, "08_redactions.csv")} == {"甲第1号証", "甲第2号証", "甲第8号証の1"}
    assert check(bag).faults == []


def test_the_same_content_is_set_to_the_same_bytes() -> None:
    raw = b"\r\n" + WORDS.encode()
    came = Letter(Mark("甲", 1), "id", 1, "in", "mail", None, AT, "", 1, "a@b", (), "", "", "", "", raw, None)
    made = []
    for _ in range(2):
        setter = Typesetter()
        paper = Pages(came, Frame("店", TOKYO, AT, "")).main()
        made.append(setter.pdf("exhibit", paper.data, AT, paper.pictures))
        setter.close()
    assert made[0] == made[1]


def test_many_exhibits_are_set_by_processes_of_their_own(shop: Shop, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.casefile.workshop.FEW", 0)
    told: list[tuple[str, int, int]] = []

    async def work(store: Any) -> Any:
        target = tmp_path / "x.zip"
        return await make_bundle(store, bundles.keys(shop), order(), target, lambda *step: told.append(step))

    made = shop.with_store(work)
    assert made.exhibits == 10
    assert ("setting", 10, 10) in told
    assert check(tmp_path / "x.zip").faults == []


def test_nothing_that_fits_makes_no_bundle(shop: Shop) -> None:
    with pytest.raises(NotFound):
        bundles.export(shop, "none.zip", order(Selection(addresses=("nobody@nowhere.example",))))
    assert [path.name for path in shop.folder.iterdir() if path.name.startswith((".sekisho", "none"))] == []


def test_a_word_that_stays_somewhere_stops_it(shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.casefile.redaction.Redaction.text", lambda self, text: text)
    with pytest.raises(Refused, match="still in"):
        bundles.export(shop, "leak.zip", order(redact=("hanako@customer.example",)))
    assert not (shop.folder / "leak.zip").exists()


@pytest.fixture
def sekisho(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(shop, capsys)


def test_export_and_verify_as_a_person_uses_them(sekisho: Here, tmp_path: Path) -> None:
    target = str(tmp_path / "otsu.zip")
    chosen = ("--address", "ikari@isp.example", "--party", "otsu", "--start", "7")
    ran = sekisho("--lang", "en", "export", "-o", target, *chosen)
    assert ran.code == 0
    assert "is written." in ran.out
    with zipfile.ZipFile(target) as packed:
        assert "otsu/data/eml/otsu-007.eml" in packed.namelist()
        assert "otsu/data/11_policy/rules.yaml" in packed.namelist()
    ran = sekisho("--lang", "en", "verify", target)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "The bundle is as it was made.")
    assert sekisho("verify", "--json", target).one["ok"]
    ran = sekisho("--lang", "en", "export", "-o", target, "--since", "30d")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("The file is there already")
    broken = Path(target).read_bytes().replace(b"otsu-007.eml", b"otsu-907.eml")
    Path(target).write_bytes(broken)
    ran = sekisho("--lang", "en", "verify", target)
    assert ran.code == 1
    assert "[MAIL_MISSING]" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Say what to export."),
        (("--since", "30d", "--start", "0"), 2, "--start must be 1 or more."),
        (("--address", "not an address"), 2, "cannot be read as an address."),
        (("--person", "誰も"), 1, "There is no record of"),
        (("--case", "nothing"), 1, "There is no case"),
        (("--hold",), 1, "No case holds anything."),
        (("--since", "30d", "--party", "丁"), 2, ""),
    ],
)
def test_export_says_what_it_cannot_do(
    arguments: tuple[str, ...], code: int, said: str, sekisho: Here, tmp_path: Path
) -> None:
    ran = sekisho("--lang", "en", "export", "-o", str(tmp_path / "x.zip"), *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_bundle_opens_by_the_password_that_was_told(sekisho: Here, tmp_path: Path) -> None:
    target = tmp_path / "case.zip"
    told = sekisho("export", "-o", str(target), "--since", "30d", "--encrypt", "--json")
    ran = sekisho("--lang", "en", "verify", str(target))
    assert ran.code == 1
    assert "has to be opened by its password first" in ran.err
    opener = [tool("7z"), "x", "-y", f"-o{tmp_path / 'opened'}"]
    assert subprocess.run([*opener, "-pwrong", target], capture_output=True, timeout=60, check=False).returncode != 0
    subprocess.run([*opener, f"-p{told.one['password']}", target], capture_output=True, timeout=60, check=True)
    assert sekisho("verify", "--json", str(tmp_path / "opened" / "case.zip")).one["ok"]


def submit(shop: Shop, unit: Any) -> None:
    """Have a unit written."""
    shop.with_store(lambda store: store.committer.submit(unit))


def test_a_bundle_tells_nothing_of_other_cases_and_their_bundles(tmp_path: Path) -> None:
    """It goes to the other side's lawyer, too."""
    shop = fill(make(tmp_path / "shop"))
    for name, sender, reason in (
        ("碇の件", "ikari@isp.example", "訴訟の準備"),
        ("田中の件", "jiro@example.com", "田中氏の件"),
    ):
        submit(shop, AddCase(name, {"address": [sender]}))
        submit(shop, Hold(name, True, reason, "taro"))
    bundles.export(shop, "tanaka.zip", order(Selection(addresses=("jiro@example.com",))))
    chosen = order(Selection(addresses=("ikari@isp.example",)), query={"case": ("碇の件",)})
    bag = bundles.unpack(bundles.export(shop, "case.zip", chosen)[0], tmp_path / "bag")
    reasons = [row["reason"] for row in rows(bag, "10_operator_audit.csv") if row["kind"] == "案件"]
    assert reasons == ["", "訴訟の準備", "", ""]
    (made, own, *_) = rows(bag, "09_custody.csv")
    assert (made["action"], made["bundle"], len(made["sha256"])) == ("作成", "", 64)
    assert (own["action"], own["holder"]) == ("作成（この一式）", "taro")
    for file in bag.rglob("*"):
        if file.is_file():
            assert not any(word in file.read_bytes() for word in ("田中".encode(), b"tanaka", b"jiro@")), file
