"""A text that a person reads, in each language that a shop may choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["ja", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """One message in Japanese and in English; both stand side by side so that neither is forgotten.

    Placeholders are those of `str.format`, filled by `with_`; a value that is itself a `Text` follows the language.
    """

    ja: str
    en: str
    values: tuple[tuple[str, object], ...] = ()

    def with_(self, **values: object) -> Text:
        """The same text with its placeholders filled."""
        return Text(self.ja, self.en, (*self.values, *values.items()))

    def in_(self, language: str) -> str:
        """The text in `language` (`ja` or `en`), placeholders filled."""
        form = self.ja if language == "ja" else self.en
        if not self.values:
            return form
        filled = {k: v.in_(language) if isinstance(v, Text) else v for k, v in self.values}
        return form.format(**filled)

    def __str__(self) -> str:
        return self.in_("en")


def plain(text: str) -> Text:
    """A text that reads the same in every language, such as a name or a number."""
    return Text("{text}", "{text}", (("text", text),))
