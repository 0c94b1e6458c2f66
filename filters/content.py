"""Facts about what a message says and carries: subject, text, headers, attachments, size, and the hour it came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from filters.api import Case, fact
from gateway.errors import MimeLimit
from gateway.mime.message import Message
from gateway.model.fact import Fact, Value, unknown

_HEADER: Final = "header."


class Content:
    """Decodes the message, as deep as the facts that are asked for need it."""

    name = "content"
    facts = (
        fact("subject", "text", "件名です。", "The subject, decoded."),
        fact("body", "text", "本文です（引用と署名を含みます）。", "The text, decoded, with quotations and signature."),
        fact(
            "text",
            "text",
            "送信者自身が書いた件名と本文です（引用と署名を除きます）。",
            "The sender's own words: subject and text without quotations and signature.",
        ),
        fact(
            "header",
            "text",
            "指定した名前のヘッダーです。",
            "The headers of this name, decoded.",
            argument="name",
            many=True,
        ),
        fact("attachment", "text", "添付ファイルの名前です。", "The names of attached files.", many=True),
        fact("attachment_type", "text", "添付ファイルの種類です。", "The media types of what is attached.", many=True),
        fact("size", "number", "メールの大きさ（バイト）です。", "The size of the message in bytes."),
        fact(
            "local_hour",
            "number",
            "受信した時刻の「時」（お店の時間帯）です。",
            "The hour of receipt by the shop's clock.",
        ),
    )
    needs: tuple[str, ...] = ()
    waits = False

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """The facts that are wanted; a heavy message is parsed in a worker thread."""
        received = case.exchange.received_at.astimezone(case.settings.shop.timezone)
        found = {"size": Fact(case.exchange.size), "local_hour": Fact(received.hour)}
        ways = _ways(case)
        if ways:
            if case.message.heavy:
                found |= await case.lookups.in_thread(_follow, case.message, ways)
            else:
                found |= _follow(case.message, ways)
        return found


Way = Callable[[Message], Value]

_WAYS: Final[Mapping[str, Way]] = {
    "subject": lambda message: message.subject,
    "body": lambda message: message.body(),
    "text": lambda message: message.written(),
    "attachment": lambda message: tuple(part.name for part in message.attachments() if part.name) or None,
    "attachment_type": lambda message: tuple(dict.fromkeys(p.content_type for p in message.attachments())) or None,
}


def _ways(case: Case) -> dict[str, Way]:
    ways = {key: way for key, way in _WAYS.items() if key in case.wanted}
    ways |= {key: _header(key[len(_HEADER) :]) for key in case.wanted if key.startswith(_HEADER)}
    return ways


def _header(name: str) -> Way:
    return lambda message: message.headers.all(name) or None


def _follow(message: Message, ways: Mapping[str, Way]) -> dict[str, Fact]:
    """Each fact by itself: a limit that one of them meets leaves the others known."""
    found: dict[str, Fact] = {}
    for key, way in ways.items():
        try:
            found[key] = Fact(way(message))
        except MimeLimit as limit:
            found[key] = unknown(limit.text)
    return found


FILTER: Final = Content()
