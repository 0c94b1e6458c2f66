"""RE2 patterns on folded text: linear in time whatever the pattern, several searched in one pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import re2

from gateway.config.document import Wrong
from gateway.model.lists import fold_text
from gateway.model.pattern_set import pattern_set, re2_options
from gateway.text import Text

MAX_PATTERN = 1000  # characters
MAX_HIT = 80  # characters of what was found, as `explain` shows it
_SIGN = re.compile(r"([\\.+*?()|\[\]{}^$-])")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


def checked_pattern(pattern: str) -> bytes:
    """A pattern that RE2 takes, folded as the text that it will meet. Raises `Wrong`."""
    if not 1 <= len(pattern) <= MAX_PATTERN:
        raise Wrong(
            Text("パターンは 1 字以上 {most} 字以下です。", "a pattern has 1 to {most} characters").with_(
                most=MAX_PATTERN
            ),
            Text("短く分けて並べてください。", "split it into several"),
        )
    try:
        folded = fold_pattern(pattern).encode("utf-8")
        re2.compile(folded, re2_options())
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if isinstance(error, re2.error) and error.args else error
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise Wrong(
            Text("パターンを読めません（{reason}）。", "the pattern cannot be read ({reason})").with_(reason=reason),
            Text(
                "RE2 の書き方で直してください。先読み・後読み (?=…) (?<=…) と後方参照 \\1 は使えません。",
                "write it in RE2's syntax, which has no lookaround (?=…) (?<=…) and no back-references \\1",
            ),
        ) from error
    return folded


def compile_patterns(patterns: Sequence[bytes]) -> Callable[[bytes], bool | str]:
    """A search of the checked patterns in a folded text in UTF-8: the words found, False where none is.

    Upper and lower case are one.
    """
    together = pattern_set(patterns)
    alone = [re2.compile(pattern, re2_options()) for pattern in patterns]

    def search(text: bytes) -> bool | str:
        if together is not None:
            which = together.matching(text)
            return _words(alone[min(which)], text) if which else False
        return next((hit for one in alone if (hit := _words(one, text))), False)

    return search


def _words(pattern: re2._Regexp, text: bytes) -> bool | str:
    """The words that the pattern finds; True where it finds no more than a place."""
    found = pattern.search(text)
    if found is None:
        return False
    return found.group().decode("utf-8", "replace")[:MAX_HIT] or True


def fold_pattern(pattern: str) -> str:
    """A pattern as it must be to meet folded text: what is not ASCII is folded; signs that this makes are literal."""

    def fold(run: re.Match[str]) -> str:
        folded = fold_text(run[0])
        return folded if folded == run[0] else _SIGN.sub(r"\\\1", folded)

    return _BEYOND_ASCII.sub(fold, pattern)
