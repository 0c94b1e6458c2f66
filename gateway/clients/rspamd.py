"""rspamd over HTTP: a message and its envelope are posted to /checkv2, the answer is a score with its reasons."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h11

from gateway.clients.service import CHUNK, Unusable, connected
from gateway.model.lookup import Scan
from gateway.model.settings import Endpoint
from gateway.text import Text, plain

MOST_ANSWER = 1024 * 1024  # bytes
MOST_RECIPIENTS = 50
MOST_SYMBOLS = 12

_STATUS = Text("HTTP {status}", "HTTP {status}")
_UNREADABLE = Text("応答を読めません", "its answer cannot be read")
_SKIPPED = Text("rspamd の設定により検査されませんでした。", "rspamd's own settings made it skip the message")
_NOTE = Text("rspamd: {score} 点（{action}） {symbols}", "rspamd: {score} points ({action}) {symbols}")


@dataclass(frozen=True, slots=True)
class Question:
    """A message and what rspamd is told of where it came from; "" where that is not known."""

    raw: bytes
    ip: str
    helo: str
    mail_from: str
    recipients: tuple[str, ...]


async def check(endpoint: Endpoint, question: Question) -> Scan:
    """The score of a message, and the rules of rspamd that made most of it. Raises `Unusable`."""
    try:
        async with connected(endpoint) as (reader, writer):
            connection = h11.Connection(h11.CLIENT)
            writer.write(connection.send(_request(endpoint, question)) or b"")
            view = memoryview(question.raw)
            for start in range(0, len(view), CHUNK):
                writer.write(connection.send(h11.Data(bytes(view[start : start + CHUNK]))) or b"")
                await writer.drain()
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            await writer.drain()
            body = bytearray()
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Response) and event.status_code != 200:
                    raise Unusable(_STATUS.with_(status=event.status_code))
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > MOST_ANSWER:
                        raise Unusable(_UNREADABLE)
                elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                    break
    except h11.ProtocolError as error:
        raise Unusable(_UNREADABLE) from error
    return _read(bytes(body))


def _request(endpoint: Endpoint, question: Question) -> h11.Request:
    host = endpoint.name if endpoint.path is None else "localhost"
    headers = [("Host", host), ("Content-Length", str(len(question.raw))), ("Connection", "close")]
    headers += _told(question)
    return h11.Request(
        method="POST", target="/checkv2", headers=[(name.encode(), _value(text)) for name, text in headers]
    )


def _told(question: Question) -> Iterator[tuple[str, str]]:
    if question.ip:
        yield "IP", question.ip
    if question.helo:
        yield "Helo", question.helo
    yield "From", f"<{question.mail_from}>"
    for recipient in question.recipients[:MOST_RECIPIENTS]:
        yield "Rcpt", f"<{recipient}>"


def _value(text: str) -> bytes:
    """A header value that cannot be more than one (RFC 9110 §5.5)."""
    return "".join(c if c.isprintable() else "?" for c in text[:1000]).strip().encode("utf-8", "replace")


def _read(body: bytes) -> Scan:
    try:
        said = json.loads(body)
        if said.get("is_skipped") and not said.get("score"):
            return Scan(False, note=_SKIPPED)
        score = float(said["score"])
        if not math.isfinite(score):
            raise Unusable(_UNREADABLE)
        action = str(said.get("action", ""))[:100]
        symbols = _symbols(said.get("symbols") or {})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Unusable(_UNREADABLE) from error
    thousandths = round(max(-1e6, min(score, 1e6)) * 1000)
    shown = f"{thousandths / 1000:.2f}"
    note = _NOTE.with_(score=shown, action=action, symbols=plain(symbols))
    return Scan(True, thousandths, note=note, evidence=(("score", shown), ("action", action), ("symbols", symbols)))


def _symbols(symbols: dict[str, Any]) -> str:
    """The rules that weigh most, as `NAME(5.10)`."""
    weights = [(str(name)[:60], float(one.get("score", 0))) for name, one in list(symbols.items())[:500]]
    weights = [(name, weight) for name, weight in weights if weight and math.isfinite(weight)]
    weights.sort(key=lambda pair: -abs(pair[1]))
    return " ".join(f"{name}({weight:.2f})" for name, weight in weights[:MOST_SYMBOLS])
