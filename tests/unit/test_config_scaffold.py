"""`init` writes files that load without a fault, in both languages, and never changes a file that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import check, load_ruleset, load_settings, scaffold
from gateway.config.packaged import packaged
from gateway.config.patterns import checked_pattern, compile_patterns
from gateway.errors import Refused
from gateway.model.lists import fold_text
from tests.bad_configs.specs import SPECS

TEMPLATES = {
    "received",
    "suspended",
    "suspended-classic",
    "final-refusal",
    "records-kept",
    "unreachable-1",
    "unreachable-2",
    "unreachable-3",
    "returns-policy",
}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_what_init_writes_has_no_fault(language: str, tmp_path: Path) -> None:
    written = scaffold.write(tmp_path / "shop", language)
    checked = check(tmp_path / "shop/config.yaml", {}, SPECS)
    assert checked.faults == ()
    assert checked.settings.shop.language == language
    assert checked.ruleset is not None
    assert len(checked.ruleset.tests) >= 6
    assert {path.name for path in written} >= {"config.yaml", "rules.yaml", "partners.txt", "order.eml", "threat.eml"}
    assert {path.name.split(".")[0] for path in (tmp_path / "shop/templates").iterdir()} == TEMPLATES


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("mine")
    with pytest.raises(Refused) as refused:
        scaffold.write(tmp_path, "ja")
    assert "rules.yaml" in refused.value.in_("ja")
    assert (tmp_path / "rules.yaml").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yaml"]


def test_init_into_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be written"):
        scaffold.write(tmp_path / "file" / "shop", "en")
    with pytest.raises(Refused, match="no language"):
        scaffold.write(tmp_path / "x", "fr")


def test_every_packaged_template_comes_in_both_languages() -> None:
    names = {path.name for path in packaged("templates").iterdir()}
    assert names == {f"{name}.{language}.txt" for name in TEMPLATES for language in ("ja", "en")}


def _threat(tmp_path: Path, language: str, text: str) -> bool:
    folder = tmp_path / language
    if not folder.exists():
        scaffold.write(folder, language)
    settings = load_settings(folder / "config.yaml", {})
    ruleset = load_ruleset(settings.rules, SPECS, settings=settings)
    category = "脅迫" if language == "ja" else "threat"
    return category in {hit.category for hit in ruleset.phrases.search(text).hits}


@pytest.mark.parametrize(
    "text",
    [
        "店に火をつけるからな",
        "お前ら全員ぶっ殺してやる",
        "社長を殺す",
        "おまえ、死ね。",
        "死ね",
        "ふざけるな！死ね！",
        "明日そちらを爆破する",
        "会社に爆弾を送った",
        "店員を刺しに行く",
        "家族がどうなってもいいのか",
        "夜道に気をつけろよ",
        "ブッ殺すぞ",
        "殺害予告です",
    ],
)
def test_plain_threats_are_held(text: str, tmp_path: Path) -> None:
    assert _threat(tmp_path, "ja", text)


@pytest.mark.parametrize(
    "text",
    [
        "殺菌スプレーの在庫はありますか",
        "必死に探していました",
        "必死ね、と妻に笑われました",
        "死ぬほど嬉しいです",
        "コンロに火をつけるときの注意を教えてください",
        "キャンドルに火をつけて使いました",
        "虫を殺す薬ではありませんか",
        "殺虫剤と殺風景な部屋",
        "包丁で肉を刺す料理の話",
        "蚊に刺されました",
        "爆弾おにぎりを買いました",
        "糖質オフの商品を探しています",
        "塗装がハゲています",
        "夜道に気をつけながら帰りました",
        "ストーブに火をつけてやると暖かい",
        "夜道に気をつけて配達してください、とお伝えください",
        "サブスクを解約したい",
        "人気が殺到していますね",
    ],
)
def test_ordinary_mail_with_dangerous_words_passes(text: str, tmp_path: Path) -> None:
    assert not _threat(tmp_path, "ja", text)


@pytest.mark.parametrize(
    ("text", "threat"),
    [
        ("I will kill you", True),
        ("We're going to burn down your shop", True),
        ("I know where you live", True),
        ("There is a bomb in your warehouse", True),
        ("What a killer deal on bath bombs", False),
        ("I will kill time until it comes", False),
        ("May I burn the candle in the house?", False),
        ("Do you know where you live chat is?", False),
    ],
)
def test_english_threats(text: str, threat: bool, tmp_path: Path) -> None:
    assert _threat(tmp_path, "en", text) is threat


def test_half_width_kana_meet_a_pattern_in_full_width() -> None:
    assert compile_patterns([checked_pattern("(ぶっ|ブッ)殺")])(fold_text("ﾌﾞｯ殺す").encode())


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("text", ["店に火をつけてやる。", "I will burn your shop down."])
def test_threats_in_either_language_are_held_in_shops_of_either(language: str, text: str, tmp_path: Path) -> None:
    scaffold.write(tmp_path, language)
    settings = load_settings(tmp_path / "config.yaml", {})
    phrases = load_ruleset(settings.rules, SPECS, settings=settings).phrases
    assert {hit.category for hit in phrases.search(text).hits} >= {{"ja": "脅迫", "en": "threat"}[language]}
