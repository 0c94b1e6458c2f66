"""How much of a message is looked at, so that no message can hold the gateway up."""

from __future__ import annotations

from typing import Final

from gateway.errors import MimeLimit
from gateway.text import Text

HEADER_BYTES: Final = 1024 * 1024  # of one header section
HEADER_FIELDS: Final = 10_000
VALUE_BYTES: Final = 256 * 1024  # of one field that is decoded; what follows is cut off
ADDRESSES: Final = 10_000  # of one field
PARAMETERS: Final = 200  # of one Content-Type
PARTS: Final = 1_000
DEPTH: Final = 50  # of multiparts in each other
DELIMITERS: Final = 100_000  # lines that begin with two hyphens
MESSAGES: Final = 5  # of messages attached to messages
TEXT_BYTES: Final = 1024 * 1024  # of one text part as transferred; what follows is cut off
TEXTS: Final = 20  # text parts that make up a body
HTML_CHARACTERS: Final = 256 * 1024
HTML_NODES: Final = 20_000
HTML_DEPTH: Final = 100
HTML_ATTRIBUTES: Final = 5_000

# Up to these sizes a whole parse stays far below 50 ms, hostile content included.
SMALL_BYTES: Final = 16 * 1024  # never heavy, whatever it holds
LIGHT_BYTES: Final = 32 * 1024
LIGHT_DELIMITERS: Final = 300


def beyond(ja: str, en: str) -> MimeLimit:
    """The error for a message that goes beyond a limit, `ja` and `en` naming what there is too much of."""
    return MimeLimit(
        Text(
            "メールの{what}が多すぎるため、中身を調べませんでした。", "The message has too many {what} to be examined."
        ).with_(what=Text(ja, en))
    )
