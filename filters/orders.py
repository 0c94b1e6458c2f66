"""Which order a mail is about, and how many different complaints this person has made about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice

import re2

from filters import complaints
from filters.api import Case, fact
from filters.sender import recorded_sender
from gateway.errors import MimeLimit, StoreError
from gateway.mime.message import Message
from gateway.model.fact import Fact, unknown
from gateway.model.order import FORMATS, LONGEST, Orders, order_key, order_text
from gateway.text import Text

MOST = 10  # orders of one mail
MOST_TEXT = 64 * 1024  # characters of each text that are searched
_MOST_LOOKED_AT = 200  # places that a pattern finds

# An EC-CUBE number may be a single digit: what a date, an amount or a count follows is none.
_DIGIT = re.compile(r"[0-9]")
_NO_NUMBER = tuple(sign.encode() for sign in ("年", "月", "日", "時", "分", "円", "個", "点", "件", "回", "枚", "つ"))
_PART = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")
_NOT_BEFORE = _PART | frozenset(b"&/=#")  # `&#12345;` and `page/#1001` are no orders

_QUOTED = Text("引用された部分に書かれています。", "named in what was quoted")
_MANY = Text("{count} 件の注文番号があります。", "{count} orders are named")
_COUNT = Text(
    "注文 {order} について、このメールを含め {count} 件です（「{word}」）。",
    "{count} on order {order}, this mail included (for “{word}”)",
)
_NONE_NOW = Text(
    "注文 {order} について、これまでに {count} 件です。このメールは苦情ではありません。",
    "{count} so far on order {order}; this mail is no complaint",
)
_AGAIN = Text(
    "注文 {order} について {count} 件です。このメールは前と同じ内容です。",
    "{count} on order {order}; this mail says again what was said before",
)
_NO_ORDER = Text("注文番号がありません。", "no order is named")
_NO_SENDER = Text("差出人アドレスがありません。", "there is no sender address")


class OrdersFilter:
    """Finds order numbers, in the sender's own words first, and keeps in `case.evidence` what is a complaint.

    A complaint is a mail that a person wrote, names the order and holds a word of a grievance; two with the same text
    are one. It is told from this program's own vocabulary alone, so that a change of the shop's phrases does not change
    what was counted before.
    """

    name = "orders"
    facts = (
        fact(
            "order",
            "text",
            "件名か本文にある注文番号（複数あればすべて）",
            "the order numbers in subject and text",
            many=True,
        ),
        fact(
            "complaints_on_order",
            "number",
            "この方がこの注文について送った、内容の異なる苦情の数（このメールを含む）",
            "distinct complaints by this person on this order, this mail included",
        ),
    )
    needs: tuple[str, ...] = ("sender", "automatic")
    waits = True

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """The orders always, the number of complaints where it is asked for."""
        orders = case.settings.shop.orders
        try:
            if case.message.heavy:
                found, quoted, word, digest = await case.lookups.in_thread(_read, case.message, orders)
            else:
                found, quoted, word, digest = _read(case.message, orders)
        except MimeLimit as limit:
            return {"order": unknown(limit.text), "complaints_on_order": unknown(limit.text)}
        written_by_hand = case.facts.get("automatic", Fact(None)).value == "no"
        complaint = digest if found and word and written_by_hand else None
        if complaint is not None:
            case.evidence["complaint"] = complaint.hex()
        facts = {"order": _order_fact(found, quoted)}
        if "complaints_on_order" in case.wanted:
            facts["complaints_on_order"] = await _complaints(case, found, complaint, word)
        return facts


def orders_in(text: str, orders: Orders) -> tuple[str, ...]:
    """The order numbers in a text as they are written, each once, in their order, at most `MOST`."""
    plain = order_text(text[:MOST_TEXT])
    if not orders.custom and not _DIGIT.search(plain):
        return ()
    raw = plain.encode("utf-8", "replace")
    spans: list[tuple[int, int]] = []
    for pattern in _compiled(orders):
        spans += islice(_spans(pattern, raw), 2 * MOST)
    # the longest first: a part of a number that another format found is no number of its own
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if not any(start < other_end and end > other for other, other_end in kept):
            kept.append((start, end))
    numbers: dict[str, str] = {}
    for start, end in sorted(kept):
        number = raw[start:end].decode("utf-8", "replace").strip()
        numbers.setdefault(order_key(number), number)
    return tuple(number for key, number in numbers.items() if key)[:MOST]


def _spans(pattern: re2._Regexp, raw: bytes) -> Iterator[tuple[int, int]]:
    """Where the pattern finds an order number that stands alone."""
    for match in islice(pattern.finditer(raw), _MOST_LOOKED_AT):
        start, end = match.span(pattern.groups and 1)
        while end > start and raw[end - 1] in b"-_":
            end -= 1
        if not 0 < end - start <= LONGEST:
            continue
        if pattern.groups:
            if any(48 <= sign <= 57 for sign in raw[start:end]) and not raw.startswith(_NO_NUMBER, end):
                yield start, end
        elif not (start and raw[start - 1] in _NOT_BEFORE) and not (end < len(raw) and raw[end] in _PART):
            yield start, end


@lru_cache(maxsize=16)
def _compiled(orders: Orders) -> tuple[re2._Regexp, ...]:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    patterns = (*(FORMATS[name] for name in orders.formats), *orders.custom)
    return tuple(re2.compile(pattern.encode(), options) for pattern in patterns)


def _read(message: Message, orders: Orders) -> tuple[tuple[str, ...], bool, str, bytes]:
    """The orders, whether only quoted words name them, and of a complaint its word and digest."""
    everywhere = orders_in(f"{message.subject}\n{message.body()}", orders)
    if not everywhere:  # most mail: what is quoted need not be told apart
        return (), False, "", b""
    own = f"{message.subject}\n{message.written()}"
    found = orders_in(own, orders)
    quoted = not found
    word = complaints.grievance(own)
    # the subject of a thread grows marks (Re:, Fwd:), so where there is a text that alone tells complaints apart
    return found or everywhere, quoted, word, complaints.digest(message.written() or own) if word else b""


def _order_fact(found: tuple[str, ...], quoted: bool) -> Fact:
    if not found:
        return Fact(None)
    note = _QUOTED if quoted else _MANY.with_(count=len(found)) if len(found) > 1 else None
    return Fact(found, note)


async def _complaints(case: Case, found: tuple[str, ...], complaint: bytes | None, word: str) -> Fact:
    """The largest number over the orders that the mail names."""
    sender = recorded_sender(case)
    if not found:
        return Fact(None, _NO_ORDER)
    if not sender:
        return Fact(None, _NO_SENDER)
    best: tuple[int, Text] = (-1, _NO_ORDER)
    for number in found:
        try:
            before = await case.lookups.records.complaints(sender, order_key(number))
        except StoreError as error:
            return unknown(error.text)
        count = len(before | {complaint}) if complaint is not None else len(before)
        said = _NONE_NOW if complaint is None else _AGAIN if complaint in before else _COUNT
        if count > best[0]:
            best = count, said.with_(order=number, count=count, word=word)
    return Fact(*best)
