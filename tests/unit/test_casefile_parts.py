"""The small parts of a bundle: marks, names, tables, pictures, acts, times, documents, zips."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pyzipper
from docx import Document

from gateway.casefile.acts import Act, acts_of, name_of
from gateway.casefile.archive import encrypt, write_zip
from gateway.casefile.csv_table import csv_bytes
from gateway.casefile.documents import Paper
from gateway.casefile.marks import Mark, file_suffix
from gateway.casefile.papers import court_date
from gateway.casefile.pictures import MOST_PIXELS, picture_suffix
from gateway.casefile.when import japanese, utc_text
from gateway.testing.pictures import gradient

AT = datetime(2026, 11, 21, 21, 59, 14, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")


def test_marks_as_they_are_stamped_and_named() -> None:
    assert (Mark("甲", 1).text, Mark("甲", 1).name) == ("甲第1号証", "ko-001")
    assert (Mark("乙", 12).with_branch(2).text, Mark("乙", 12, 2).name) == ("乙第12号証の2", "otsu-012-02")
    assert Mark("甲", 1234).name == "ko-1234"


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("写真.JPG", ".jpg"),
        ("x.tar.gz", ".gz"),
        ("請求書.pdf.exe", ".exe.bin"),
        ("page.html", ".html.bin"),
        ("noname", ".bin"),
        ("x.日本", ".bin"),
        ("../../etc/passwd", ".bin"),
        ("a.b/c", ".bin"),
    ],
)
def test_attachments_have_harmless_names(name: str, suffix: str) -> None:
    assert file_suffix(name) == suffix


def test_tables_open_right_in_excel_and_run_nothing() -> None:
    made = csv_bytes({"a": "甲", "b": "乙"}, [("=1+1", 3), ("-x", -3), ('改行\nと"引用"', None), ("\x1b\u202e", True)])
    assert made.startswith(b"\xef\xbb\xbf")
    assert made.decode("utf-8-sig") == (
        '甲,乙\r\na,b\r\n\'=1+1,3\r\n\'-x,-3\r\n"改行\nと""引用""",\r\n〔U+001B〕〔U+202E〕,1\r\n'
    )


def test_pictures_are_told_by_their_bytes_and_bounded() -> None:
    assert picture_suffix(gradient(3, 2)) == "png"
    assert picture_suffix(b"GIF89a\x02\x00\x03\x00") == "gif"
    assert picture_suffix(b"\xff\xd8\xff\xe0\x00\x04xx\xff\xc0\x00\x11\x08\x00\x10\x00\x20\x03") == "jpg"
    assert (
        picture_suffix(b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x0f\x00\x00\x0f\x00\x00")
        == "webp"
    )
    side = int(MOST_PIXELS**0.5) + 1
    bomb = gradient(1, 1)[:16] + side.to_bytes(4, "big") * 2 + gradient(1, 1)[24:]
    assert picture_suffix(bomb) is None
    for broken in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff\xff", b"<svg/>", b"%PDF"):
        assert picture_suffix(broken) is None


def test_people_are_told_of_by_what_they_did() -> None:
    fact = {"value": ["脅迫", "侮辱"], "note": "脅迫「火をつけてやる」3「殺すぞ」5 侮辱「クソ」2 …"}
    assert acts_of({"facts": {"phrases": fact}}) == (
        Act("放火を予告", "火をつけてやる"),
        Act("生命に害を加える旨を告知", "殺すぞ"),
        Act("侮辱にあたりうる表現を使用", "クソ"),
    )
    assert acts_of(None) == acts_of({"facts": {"phrases": {"value": []}}}) == ()
    assert name_of("未知", "何か") == "「未知」に分類される表現を使用"


def test_times_as_courts_and_programs_write_them() -> None:
    assert japanese(AT, TOKYO) == "2026年11月22日（日）06時59分14秒（+09:00）"
    assert utc_text(AT) == "2026-11-21T21:59:14Z"
    assert court_date(AT, TOKYO) == "令和8年11月22日"
    assert court_date(datetime(2018, 1, 1, tzinfo=UTC), TOKYO) == "2018年1月1日"


def _docx() -> bytes:
    paper = Paper("題", "店", AT, landscape=True)
    paper.heading("見出し")
    paper.text("本文\x00\x0b\ud800")
    paper.quote("引用")
    paper.table((("甲", 20), ("乙", 30)), [("一", "二")])
    return paper.content()


def test_documents_open_and_are_the_same_each_time() -> None:
    made = _docx()
    assert made == _docx()
    read = Document(io.BytesIO(made))
    assert [cell.text for cell in read.tables[0].rows[1].cells] == ["一", "二"]
    assert any(paragraph.text == "本文〔U+0000〕〔U+000B〕�" for paragraph in read.paragraphs)


def test_zips_are_the_same_each_time_and_can_be_encrypted(tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "b.txt").write_text("b" * 1000)
    (folder / "a.pdf").write_bytes(b"%PDF")
    for name in ("one.zip", "two.zip"):
        write_zip(folder, tmp_path / name, "case", AT)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as read:
        assert read.namelist() == ["case/a.pdf", "case/data/b.txt"]
        assert read.testzip() is None
    password = encrypt(tmp_path / "one.zip", tmp_path / "locked.zip", "one.zip")
    with zipfile.ZipFile(tmp_path / "locked.zip") as locked:
        assert locked.namelist() == ["one.zip"]
        assert locked.getinfo("one.zip").flag_bits & 1
        with pytest.raises((RuntimeError, NotImplementedError)):
            locked.read("one.zip", password.encode())  # no old zip password, which is broken
    with pyzipper.AESZipFile(tmp_path / "locked.zip") as opened:
        opened.setpassword(password.encode())
        assert opened.read("one.zip") == (tmp_path / "one.zip").read_bytes()
        opened.setpassword(b"another")
        with pytest.raises(RuntimeError):
            opened.read("one.zip")
