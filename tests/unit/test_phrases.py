"""Phrases: what hits, what a guard makes harmless, what the packs of the program say of everyday words."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from filters.phrases import FILTER
from gateway.config.files import Faults
from gateway.config.packaged import packaged
from gateway.config.phrases import PhraseReader
from gateway.errors import Fault
from gateway.mime.message import Message
from gateway.model.pattern_set import sees_line_ends
from gateway.model.phrases import Entry, PhraseBook
from gateway.testing.mail import letter
from tests.unit.cases import case

CATEGORIES = {
    "ja": {"法的言及", "過剰要求", "SNS晒し", "執拗", "侮辱", "脅迫"},
    "en": {"legal", "demands", "exposure", "persistence", "insult", "threat"},
}
LEAST = 40  # entries a category


def read(*files: Path) -> tuple[PhraseBook, list[Fault]]:
    found: list[Fault] = []
    reader = PhraseReader(found)
    for file in files:
        reader.read(file, file.name, Faults(file.name, found), None)  # type: ignore[arg-type]
    return reader.book(), found


def pack(language: str) -> PhraseBook:
    book, found = read(*sorted((packaged(language) / "phrases").glob("*.yaml")))
    assert found == []
    return book


@pytest.fixture(scope="module")
def ja() -> PhraseBook:
    return pack("ja")


@pytest.fixture(scope="module")
def en() -> PhraseBook:
    return pack("en")


def categories(book: PhraseBook, text: str) -> set[str]:
    return {hit.category for hit in book.search(text).hits}


def book_of(tmp_path: Path, text: str) -> tuple[PhraseBook, list[Fault]]:
    file = tmp_path / "own.yaml"
    file.write_text(text, "utf-8")
    return read(file)


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_category_has_its_entries(language: str) -> None:
    book = pack(language)
    assert set(book.categories) == CATEGORIES[language]
    for category in book.categories:
        assert sum(entry.category == category for entry in book.entries) >= LEAST


@pytest.mark.parametrize(
    "text",
    [
        "必死に探していました",
        "殺菌スプレーの在庫はありますか",
        "死ぬほど嬉しいです",
        "サブスクを解約したい",
        "塗装がハゲています",
        "糖質オフの商品を探しています",
        "訴求力のある広告",
        "届いたばかりのコップです",
        "包丁で肉を刺す料理の話",
        "社員の首を切ることになりました",
        "爆買いしてしまいました",
        "年賀状のハガキ。",
        "コロンブスがアメリカを見つけた",
        "カスタードとカステラ",
        "生ゴミ用のゴミ箱",
        "ボケ防止のパズル",
        "さらし木綿を水にさらす",
        "菌を殺す洗剤ですか",
        "焚き火に火をつけるぞという日に",
        "返信がないので困っています。責任者の方からご連絡ください",
        "毎日電話して申し訳ありません",
        "星一つのレビューを書かせていただきました",
    ],
)
def test_everyday_words_are_harmless(text: str, ja: PhraseBook) -> None:
    assert ja.search(text).hits == ()


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("消費者センターに相談します", "法的言及"),
        ("内容証明をお送りします", "法的言及"),
        ("責任者が土下座しろ", "過剰要求"),
        ("ツイッターで晒すからな", "SNS晒し"),
        ("ブロックしても無駄だぞ", "執拗"),
        ("この無能が", "侮辱"),
        ("店に火をつけるからな", "脅迫"),
        ("し ね", "脅迫"),
        ("ﾌﾞｯ殺すぞ", "脅迫"),
        ("お前の店を爆\n破してやる", "脅迫"),
        ("I will burn down your shop", "脅迫"),
    ],
)
def test_abuse_is_recognised(text: str, category: str, ja: PhraseBook) -> None:
    assert category in categories(ja, text)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("My lawyer will write to you", "legal"),
        ("Get down on your knees", "demands"),
        ("I will ruin your reputation", "exposure"),
        ("You can't block me", "persistence"),
        ("You are useless clowns", "insult"),
        ("I WILL KILL YOU", "threat"),
        ("I know where you live", "threat"),
    ],
)
def test_english_abuse_is_recognised(text: str, category: str, en: PhraseBook) -> None:
    assert category in categories(en, text)


@pytest.mark.parametrize(
    "text",
    [
        "What a killer deal on bath bombs",
        "I will kill time until it comes",
        "The pillow is to die for",
        "I made a stupid mistake",
        "May I burn the candle in the house?",
        "I have waited three weeks and nobody answers. Please refund me.",
        "Is the fabric flame retardant?",
    ],
)
def test_everyday_english_is_harmless(text: str, en: PhraseBook) -> None:
    assert en.search(text).hits == ()


def test_legal_mentions_weigh_nothing(ja: PhraseBook) -> None:
    hits = ja.search("弁護士に相談し、消費者センターと裁判所に行きます").hits
    assert len(hits) >= 3
    assert ja.weigh(hits) == 0


def test_guards_and_nearness(tmp_path: Path) -> None:
    book, found = book_of(
        tmp_path,
        """
version: 1
guards: {goods: [商品]}
categories:
  x:
    weight: 3
    most: 4
    entries:
      - {word: 刺す, not_in: [突き刺す], not_near: [料理], guards: goods}
      - {word: 録音, near: [公開]}
      - plain
""",
    )
    assert found == []
    assert [hit.words for hit in book.search("刺す。").hits] == ["刺す"]
    for harmless in ("突き刺す", "料理で刺す", "商品を刺す", "録音です", "plainly"):
        assert book.search(harmless).hits == ()
    # what stands in another sentence guards nothing
    assert book.search("料理です。刺す。").hits != ()
    hits = book.search("録音を公開する。刺す。").hits
    assert len(hits) == 2
    assert book.weigh(hits) == 4


def test_small_signs_count_together_only(tmp_path: Path) -> None:
    book, found = book_of(
        tmp_path,
        """
version: 1
guards: {goods: [商品]}
categories:
  x:
    weight: 10
    least: 6
    guards: goods
    entries:
      - 殺してやる
      - {word: 夜道, weight: 3}
      - {word: [家族, 娘さん], weight: 3}
      - {word: 後悔, weight: 2}
      - {word: [商品, 嬉しい], weight: -4}
""",
    )
    assert found == []
    assert book.search("夜道。後悔。").hits == ()
    assert [hit.words for hit in book.search("夜道。家族。").hits] == ["夜道", "家族"]
    # an entry counts once, however many of its words stand there
    assert book.search("家族。娘さん。").hits == ()
    # what speaks against the category outweighs small signs, whatever the guards say of it, but no plain announcement
    assert book.search("夜道。家族。嬉しい。").hits == ()
    assert book.search("夜道。家族。この商品。").hits == ()
    assert [hit.words for hit in book.search("殺してやる。嬉しい。").hits] == ["殺してやる"]


def test_parts_stand_for_what_they_say(tmp_path: Path) -> None:
    book, found = book_of(
        tmp_path,
        """
version: 1
parts: {who: 'お前|貴様', end: 'ぞ|から'}
categories:
  x: {entries: [{pattern: '<who>を(殴|蹴)る(<end>)'}, {pattern: 'a<b>c'}]}
""",
    )
    assert found == []
    assert [hit.words for hit in book.search("貴様を蹴るぞ").hits] == ["貴様を蹴るぞ"]
    assert book.search("お前を殴る").hits == ()
    assert book.search("a<b>c").hits != ()


def test_a_text_that_no_pattern_matches_is_no_fault() -> None:
    book = PhraseBook([Entry("x", 1, patterns=(b"a+b",))])
    assert book.search("nothing here").hits == ()
    assert [hit.words for hit in book.search("caab").hits] == ["aab"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("version: 1\ncategories:\n  x:\n    entries:\n      - {pattern: '(?=a)'}\n", 5),
        ("version: 1\ncategories:\n  x:\n    entries:\n      - {word: a, guards: none}\n", 5),
        ("version: 1\ncategories:\n  x:\n    weight: -1\n    entries: [a]\n", 4),
        ("version: 1\ncategories:\n  x:\n    least: many\n    entries: [a]\n", 4),
        ("version: 1\nparts:\n  who: [a, b]\ncategories:\n  x:\n    entries: [a]\n", 3),
        ("version: 1\ncategories:\n  x:\n    entries:\n      - {word: a, weight: -1000}\n", 5),
        ("version: 1\ncategories:\n  x:\n    entries: []\n", 4),
    ],
)
def test_faults_say_where(text: str, line: int, tmp_path: Path) -> None:
    _, found = book_of(tmp_path, text)
    assert [fault.line for fault in found] == [line]


async def test_quoted_words_do_not_count(ja: PhraseBook) -> None:
    raw = letter(
        "a@example.com", "Re: お知らせ", "お世話になります。了解しました。\n\n> 店に火をつけるぞ\n> 殺してやる\n"
    )
    made = case()
    made.message = Message(raw)
    made.ruleset = dataclasses.replace(made.ruleset, phrases=ja)
    facts = await FILTER.find(made)
    assert facts["phrases"].value == ()
    assert facts["abuse"].value == 0


async def test_what_was_found_is_shown_with_its_words(ja: PhraseBook) -> None:
    made = case()
    made.message = Message(letter("a@example.com", "警告", "店に火をつけるからな。\n"))
    made.ruleset = dataclasses.replace(made.ruleset, phrases=ja)
    facts = await FILTER.find(made)
    assert facts["phrases"].value == ("脅迫",)
    assert facts["abuse"].value == 10
    note = facts["phrases"].note
    assert note is not None
    assert "火をつけ" in note.in_("ja")


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_long_mail_is_searched_quickly(language: str) -> None:
    book = pack(language)
    japanese = "毎日電話してもつながらないので、お店の対応を待っています。"
    text = japanese if language == "ja" else "I will wait for your reply. "
    book.search(text)
    started = time.perf_counter()
    book.search(text * (16 * 1024 // len(text)))
    assert time.perf_counter() - started < 0.25


@pytest.mark.parametrize(
    "pattern", ["死\\nね", "死\\sね", "死\\Wね", "死[^a]ね", "(?m)^死", "(?m)死ね$", "(?s)死.ね", "死\nね"]
)
def test_a_pattern_that_a_line_end_fits_is_searched_in_the_lines(pattern: str) -> None:
    assert sees_line_ends(pattern.encode())


@pytest.mark.parametrize("pattern", ["死ね", "(?m)死[^。\\n]{0,3}ね", "死 ね", "(?m)死.ね|[あい]"])
def test_what_a_line_end_cannot_fit_is_searched_in_the_joined_text_alone(pattern: str) -> None:
    assert not sees_line_ends(pattern.encode())


def test_a_pattern_on_a_line_end_hits_where_it_was_written() -> None:
    book = PhraseBook([Entry("x", 1, patterns=("消\\n(毒|え)".encode(),))])
    found = book.search("これは消\nえます。\n\n消えません。")
    assert [hit.words for hit in found.hits] == ["消え"]


def test_the_example_of_the_manual_is_a_file_of_phrases(tmp_path: Path) -> None:
    manual = Path(__file__).parents[2] / "docs" / "phrases.md"
    example = tmp_path / "example.yaml"
    example.write_text(manual.read_text("utf-8").split("```yaml\n")[1].split("```")[0], "utf-8")
    book, found = read(example)
    assert found == []
    assert [hit.words for hit in book.search("店長を刺す。").hits] == ["店長を刺す"]
    assert not book.search("ご家族はどうなってもいいですか。いつもありがとう。").hits
