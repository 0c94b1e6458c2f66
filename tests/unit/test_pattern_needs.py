"""What a pattern needs of a text is told from the pattern alone, and never too much of it."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.pattern_needs import beyond_ascii
from gateway.model.pattern_set import PatternSets, re2_options

_ATOMS = st.sampled_from(["a", "あ", "漢", "[あい]", "[^あ]", "[aあ]", r"\s", r"\.", ".", "[ァ-ヶ]", r"[^。\n]"])
_COUNTS = st.sampled_from(["", "", "?", "*", "+", "{0,2}", "{1,2}", "{2}", "{0}", "??", "*?"])
PATTERNS = st.recursive(
    st.tuples(_ATOMS, _COUNTS).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(st.sampled_from(["(", "(?:", "(?i:"]), inner, st.just("|"), inner, st.just(")"), _COUNTS).map(
            "".join
        ),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.lists(st.text(st.sampled_from("ab. \n"), max_size=8), max_size=8))
def test_what_is_said_to_need_more_than_ascii_matches_no_ascii_text(pattern: str, texts: list[str]) -> None:
    if beyond_ascii(pattern):
        compiled = re2.compile(pattern.encode(), re2_options())
        assert not [text for text in texts if compiled.search(text.encode())]


@pytest.mark.parametrize(
    "pattern", ["死ね", "(?m)^(死|殺)", "a死", "[死殺]+", "(a|b)(死|殺)c?", "死{2}", "(?m)死[^。\\n]{0,3}ね", "[ァ-ヶ]"]
)
def test_japanese_patterns_are_known_as_such(pattern: str) -> None:
    assert beyond_ascii(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["kill", "死?", "死*a", "(死)?a", "死|kill", "[^a]", "[a死]", "死{0,1}a", r"\Q死\E", "", "(死|)a", "(?P<x>a)"],
)
def test_a_pattern_that_ascii_may_match_is_asked(pattern: str) -> None:
    assert not beyond_ascii(pattern)


def test_of_an_ascii_text_every_pattern_that_matches_is_told() -> None:
    patterns = ["死ね".encode(), b"kill", "死|die".encode(), b"x{3}"]
    sets = PatternSets(patterns)
    assert sorted(sets.matching(b"kill and die")) == [1, 2]
    assert sorted(sets.matching("死ね xxx".encode())) == [0, 2, 3]
