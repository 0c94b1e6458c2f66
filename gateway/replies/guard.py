"""Whether an automatic reply may go: every condition of RFC 3834 and of ours, and which of them do not hold.

A reply goes to the envelope sender alone (RFC 3834 §4), and only where nobody else can be hit by it: that address is
the From address of an authenticated message, or SPF shows that the server may speak for the address's own domain. For
an authenticated From says nothing about an envelope sender beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from filters.authentication_texts import SPF_EVERYBODY
from gateway.errors import MimeLimit, NotFound
from gateway.mime.message import Message
from gateway.model.acceptance import Draft, ReplyPlan
from gateway.model.address import domain_of, fold_address
from gateway.model.exchange import Exchange, new_id
from gateway.model.fact import Fact, Facts
from gateway.model.return_path import original_sender
from gateway.model.settings import Settings
from gateway.model.verdict import ReplyOrder, Verdict
from gateway.replies import reasons
from gateway.replies.addresses import deliverable, is_ours, is_robot
from gateway.replies.compose import LOOP_MARK, assemble, local_time, machine_fields, message_ids, threading_fields
from gateway.replies.templates import TemplateFault, Templates
from gateway.text import Text

MOST_ADDRESSES = 200  # of To and Cc that are looked at
_PRECEDENCE = re.compile(r"\s*(?:bulk|junk|list|auto[-_]reply)\b", re.IGNORECASE)
_SUPPRESS = re.compile(r"\b(?:all|oof|autoreply)\b", re.IGNORECASE)


def plan(
    facts: Facts,
    verdict: Verdict,
    message: Message,
    exchange: Exchange,
    settings: Settings,
    templates: Templates,
    now: datetime,
) -> ReplyPlan | None:
    """The reply that the verdict orders, written if every condition holds; None where it orders none.

    Earlier replies are counted later, inside the transaction. Never raises.
    """
    order = verdict.action.reply
    if order is None:
        return None
    mail_from = exchange.envelope.mail_from
    to = original_sender(mail_from)
    try:
        against = [*refusals(facts, message, mail_from, settings, any_sender=order.only_if == "any")]
        if order.template not in templates.names:
            against.append(reasons.NO_TEMPLATE.with_(name=order.template))
        if against:
            return _withheld(order, to, reasons.joined(against), settings)
        draft = _draft(order, facts, message, exchange, settings, templates, now)
    except MimeLimit as limit:
        return _withheld(order, to, limit.text, settings)
    except (TemplateFault, NotFound) as error:
        return _withheld(order, to, error.text, settings, fault=error.text)
    caps = settings.replies
    return ReplyPlan(order.template, to, True, reasons.ALL_HOLD, draft, order.once_per, caps.per_address, caps.per_day)


def _withheld(order: ReplyOrder, to: str, why: Text, settings: Settings, fault: Text | None = None) -> ReplyPlan:
    caps = settings.replies
    return ReplyPlan(order.template, to, False, why, None, order.once_per, caps.per_address, caps.per_day, fault=fault)


def refusals(
    facts: Facts, message: Message, mail_from: str, settings: Settings, *, any_sender: bool = False, named: bool = True
) -> Iterator[Text]:
    """Every reason why no machine may answer this message; may raise MimeLimit.

    `any_sender` leaves out that the sender must be authenticated (`only_if: any`); without `named` the shop may be
    addressed by Bcc, as for a report of non-delivery.
    """
    if settings.outgoing is None:
        yield reasons.NO_OUTGOING
    yield from _sender(mail_from, settings)
    yield from _automatic(facts, message)
    if not any_sender:
        authenticated = facts.get("authenticated")
        if authenticated is None or not authenticated.known:
            yield reasons.AUTHENTICATION_UNKNOWN
        elif authenticated.value is not True:
            yield reasons.NOT_AUTHENTICATED
    written = [fold_address(box.address) for box in message.addresses("from")[:MOST_ADDRESSES]]
    if len(written) != 1 or len(message.headers.raw("from")) != 1:
        yield reasons.MANY_FROM
    if any(is_ours(address, settings) for address in written) and not is_ours(mail_from, settings):
        yield reasons.OWN_ADDRESS.with_(address=", ".join(written)[:200])
    if mail_from and not _owned(mail_from, written, facts):
        yield reasons.OTHER_SENDER.with_(address=fold_address(mail_from))
    if named and not _names_us(message, settings):
        yield reasons.NOT_NAMED


def _sender(mail_from: str, settings: Settings) -> Iterator[Text]:
    if not mail_from:
        yield reasons.NULL_SENDER
        return
    address = fold_address(mail_from)
    behind = original_sender(mail_from)
    if not deliverable(mail_from):
        yield reasons.UNDELIVERABLE.with_(address=address)
    if is_robot(address) or is_robot(behind):
        yield reasons.ROBOT.with_(address=address)
    if is_ours(address, settings) or is_ours(behind, settings):
        yield reasons.OWN_ADDRESS.with_(address=address)


def _automatic(facts: Facts, message: Message) -> Iterator[Text]:
    automatic = facts.get("automatic")
    if automatic is None or not automatic.known:
        yield reasons.AUTOMATIC_UNKNOWN
    elif automatic.value != "no":
        yield reasons.AUTOMATIC.with_(kind=automatic.value)
    headers = message.headers
    submitted = headers.get("auto-submitted")
    if submitted is not None and re.split(r"[;(\s]", submitted.strip().lower())[0] != "no":
        # auto-forwarded too: a person wrote it, and yet RFC 3834 §2 forbids to answer it
        yield reasons.HEADER.with_(name="Auto-Submitted")
    for name in dict.fromkeys(name for name, _ in headers.fields):
        if name.startswith("list-") or name in ("x-autoreply", "x-autorespond", "x-auto-response"):
            yield reasons.HEADER.with_(name=name.title())
            break
    if any(_PRECEDENCE.match(value) for value in headers.all("precedence")):
        yield reasons.HEADER.with_(name="Precedence")
    if any(_SUPPRESS.search(value) for value in headers.all("x-auto-response-suppress")):
        yield reasons.HEADER.with_(name="X-Auto-Response-Suppress")
    if LOOP_MARK.lower() in headers:
        yield reasons.LOOP.with_(name=LOOP_MARK)


def _owned(mail_from: str, written: list[str], facts: Facts) -> bool:
    """Whether the envelope sender is the From address (a BATV tag aside), or proved by SPF on its own."""
    address = fold_address(mail_from)
    behind = original_sender(mail_from)
    if address in written or (behind in written and domain_of(behind) == domain_of(address)):
        return True
    spf = facts.get("spf", Fact(None))
    # a domain that lets every server speak for it proves nothing
    return spf.value == "pass" and not (spf.note is not None and spf.note.en == SPF_EVERYBODY.en)


def _names_us(message: Message, settings: Settings) -> bool:
    named = [box.address for name in ("to", "cc", "resent-to", "resent-cc") for box in message.addresses(name)]
    return any(is_ours(address, settings) for address in named[:MOST_ADDRESSES])


def _draft(
    order: ReplyOrder,
    facts: Facts,
    message: Message,
    exchange: Exchange,
    settings: Settings,
    templates: Templates,
    now: datetime,
) -> Draft:
    mail_from = exchange.envelope.mail_from
    rendered = templates.render(order.template, _values(facts, message, exchange, settings))
    identifier = new_id()
    answered = next(iter(message_ids(message.message_id)), "")
    references = message_ids(" ".join(message.headers.all("references")) or message.headers.get("in-reply-to") or "")
    fields = machine_fields(
        settings, identifier=identifier, now=now, to=mail_from, subject=rendered.subject, submitted="auto-replied"
    )
    raw = assemble([*fields, *threading_fields(answered, references)], rendered.body)
    return_path = settings.outgoing.return_path if settings.outgoing else ""
    return Draft("reply", raw, return_path, (mail_from,), rendered.subject, identifier)


def _values(facts: Facts, message: Message, exchange: Exchange, settings: Settings) -> Mapping[str, object]:
    """What a template can say; its keys are those of `templates.VARIABLES`."""
    boxes = message.addresses("from")[:1]
    orders = facts.get("order", Fact(None)).value
    return {
        "shop": {"name": settings.shop.name, "contact": settings.shop.contact},
        "id": exchange.id,
        "subject": message.subject,
        "sender": boxes[0].address if boxes else exchange.envelope.mail_from,
        "sender_name": boxes[0].name if boxes else "",
        "received_at": local_time(exchange.received_at, settings),
        "order": orders[0] if isinstance(orders, tuple) and orders else "",
    }
