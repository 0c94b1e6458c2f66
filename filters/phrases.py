"""Facts about abusive words: which categories of the shop's phrase files hit, and how heavily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from filters.api import Case, fact
from gateway.errors import MimeLimit
from gateway.mime.message import Message
from gateway.model.fact import Fact, unknown
from gateway.model.phrases import MAX_TEXT, Findings, Hit, PhraseBook
from gateway.text import Text, plain

MOST_SHOWN: Final = 30  # hits in a note
LONG_TEXT: Final = 16 * 1024  # characters; a longer text is searched in a worker thread

_NONE = Text("phrases: に言葉のファイルがありません。", "no file of phrases is named under `phrases:`")
_LONG = Text(
    "本文が長いため、はじめの {most} 字だけを見ました。",
    "the text is long; only its first {most} characters were looked at",
).with_(most=MAX_TEXT)
_AND = Text("{said} {more}", "{said} {more}")


class PhrasesFilter:
    """Looks for the shop's phrases in the subject and in what the sender wrote now, not in quotations or signatures."""

    name = "phrases"
    facts = (
        fact(
            "phrases",
            "set",
            "本文（引用と署名を除く）と件名で見つかった言葉の分類です。見つかった言葉を添えて示します。",
            "The categories of phrases found in the subject and the sender's own words, with the words.",
        ),
        fact(
            "abuse",
            "number",
            "見つかった言葉の重みの合計です。",
            "The sum of the weights of the phrases that were found.",
        ),
    )
    needs: tuple[str, ...] = ()
    waits = False

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """Both facts; a heavy message or a long text is searched in a worker thread."""
        book = case.ruleset.phrases
        if not len(book):
            return {"phrases": Fact((), _NONE), "abuse": Fact(0, _NONE)}
        try:
            if case.message.heavy:
                findings = await case.lookups.in_thread(_search, case.message, book)
            else:
                text = _words_of(case.message)
                long = len(text) > LONG_TEXT
                findings = await case.lookups.in_thread(book.search, text) if long else book.search(text)
        except MimeLimit as limit:
            return {"phrases": unknown(limit.text), "abuse": unknown(limit.text)}
        return _facts(book, findings)


def _words_of(message: Message) -> str:
    return f"{message.subject}\n\n{message.written()}"


def _search(message: Message, book: PhraseBook) -> Findings:
    return book.search(_words_of(message))


def _facts(book: PhraseBook, findings: Findings) -> dict[str, Fact]:
    hits = findings.hits
    if not hits:
        # what was found in a part counts, but a part does not show that there is nothing
        empty = None if findings.complete else unknown(_LONG)
        return {"phrases": empty or Fact(()), "abuse": empty or Fact(0)}
    named = _note(_by_category(hits, weights=False), findings)
    weighed = _note(_by_category(hits, weights=True), findings)
    categories = tuple(dict.fromkeys(hit.category for hit in hits))
    return {"phrases": Fact(categories, named), "abuse": Fact(book.weigh(hits), weighed)}


def _by_category(hits: Sequence[Hit], *, weights: bool) -> str:
    """`脅迫「殺すぞ」「火をつけて」 侮辱「クソ」`, with the weight behind each word where it has one."""
    words: dict[str, list[str]] = {}
    for hit in hits[:MOST_SHOWN]:
        if hit.weight or not weights:
            said = f"「{hit.words}」{hit.weight}" if weights else f"「{hit.words}」"
            words.setdefault(hit.category, []).append(said)
    more = " …" if len(hits) > MOST_SHOWN else ""
    return " ".join(f"{category}{''.join(said)}" for category, said in words.items()) + more


def _note(said: str, findings: Findings) -> Text | None:
    if findings.complete:
        return plain(said) if said else None
    return _AND.with_(said=said, more=_LONG)


FILTER: Final = PhrasesFilter()
