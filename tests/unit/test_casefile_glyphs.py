"""Every character of a mail has a glyph, its code, or a place in a count."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.casefile.fonts import coverage
from gateway.casefile.glyphs import Shown, wrap


@pytest.mark.parametrize(
    "text",
    [
        "𠮷野家の髙橋・﨑",
        "①㈱Ⅳ㌔～−∥￠",
        "שלום",
        "مرحبا",
        "ภาษาไทย",
        "हिन्दी",
        "😡👍🏻👨\u200d👩\u200d👧🇯🇵",
        "Ελλάς Ж ế",
    ],
)
def test_what_the_fonts_have_is_shown_as_it_is(text: str) -> None:
    shown = Shown()
    assert shown.text(text) == text
    assert not shown.missing
    assert not shown.invisible


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("한", "〔U+D55C〕"),
        ("\U00012000", "〔U+12000〕"),
        ("\ue000", "〔U+E000〕"),
        ("\x07", "〔U+0007〕"),
        ("abc\u202edef", "abc〔U+202E〕def"),
        ("\u2028", "〔U+2028〕"),
    ],
)
def test_what_has_no_glyph_or_turns_the_text_round_is_shown_as_its_code(text: str, said: str) -> None:
    shown = Shown()
    assert shown.text(text) == said
    assert sum(shown.missing.values()) == 1


def test_invisible_characters_are_counted_and_left_out() -> None:
    shown = Shown()
    assert shown.text("殺\u200bす\ufeff") == "殺す"
    assert shown.invisible == {"\u200b": 1, "\ufeff": 1}


def test_marks_are_put_together_with_their_letters() -> None:
    shown = Shown()
    assert shown.text("か\u3099は\u309ae\u0301") == "がぱé"
    assert shown.text("\ufa19") == "\ufa19"  # normalising would make another character of it


def test_variants_that_the_font_has_stay_and_others_are_counted() -> None:
    shown = Shown()
    assert shown.text("葛\U000e0100") == "葛\U000e0100"
    assert shown.variants == 0
    assert shown.text("あ\U000e01ef") == "あ"
    assert shown.variants == 1


def test_long_runs_of_ascii_may_be_broken_and_short_ones_not() -> None:
    shown = Shown()
    assert shown.breakable("x" * 39) == "x" * 39
    assert shown.breakable("x" * 45).split("\u200b") == ["x" * 20, "x" * 20, "x" * 5]


def test_lines_are_cut_by_the_cells_they_take() -> None:
    assert wrap("a" * 10, 4) == ["aaaa", "aaaa", "aa"]
    assert wrap("ああああa", 4) == ["ああ", "ああ", "a"]
    assert wrap("", 4) == [""]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60))
def test_what_comes_out_always_has_glyphs(text: str) -> None:
    out = Shown().text(text)
    selectors = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
    assert {ord(character) for character in out} - selectors <= coverage().every


def test_a_keycap_does_not_lie_upon_its_neighbour() -> None:
    shown = Shown()
    assert shown.text("©1️⃣2") == "©1⃣2"
    assert not shown.missing


def test_an_address_may_be_broken_in_a_narrow_column() -> None:
    shown = Shown()
    assert shown.in_cell("花子 <hanako@customer.example>") == "花子 <hanako@\u200bcustomer.\u200bexample>"
    assert shown.in_cell("2026-11-22 10:15") == "2026-11-22 10:15"
    assert shown.in_cell("a" * 40) == "\u200b".join(("a" * 16, "a" * 16, "a" * 8))
