"""Notices to the shop's owner: what a rule asked to be told, and what needs a person.

A notice quotes what strangers wrote only as marked, bounded excerpts, and names the command that shows the rest. It
goes out by the smarthost, else into the mailbox; about notices none is ever made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.errors import ConfigError, MimeLimit
from gateway.mime.message import Message
from gateway.model.acceptance import Draft, ReplyPlan
from gateway.model.address import domain_of, fold_address
from gateway.model.exchange import Exchange, new_id
from gateway.model.fact import Facts
from gateway.model.settings import Settings
from gateway.model.verdict import Outcome, Verdict
from gateway.replies import notice_texts as texts
from gateway.replies.compose import LOOP_MARK, assemble, local_time, machine_fields
from gateway.text import Text

EXCERPT = 600  # characters
EXCERPT_LINES = 15
MOST_FAULTS = 20
MOST_ADDRESSES = 10
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def of_verdict(
    exchange: Exchange, message: Message, verdict: Verdict, facts: Facts, settings: Settings
) -> tuple[Draft, ...]:
    """What the rule that decided wants told (`notify:`), a message for each address; never about our own mail."""
    action = verdict.action
    try:
        if not action.notify or LOOP_MARK.lower() in message.headers:
            return ()
    except MimeLimit:
        pass  # a header too large to read: the owner is told all the more
    said = _about(exchange, message, facts, settings)
    said |= {"rule": verdict.rule, "tags": " ".join(action.tags) or "-", "done": texts.DONE[action.then]}
    commands = [f"sekisho log show {exchange.id}"]
    if action.then is Outcome.QUARANTINE:
        commands.append(f"sekisho quarantine show {exchange.id}")
    body = texts.RULE.with_(**said, commands=_lines(commands))
    subject = texts.RULE_SUBJECT.with_(rule=verdict.rule, subject=said["subject"])
    people = dict.fromkeys(settings.shop.owner if to == "owner" else to for to in action.notify)
    return tuple(notice(subject, body, settings, to=to, now=exchange.received_at) for to in people)


def of_reply_fault(exchange: Exchange, plan: ReplyPlan | None, settings: Settings) -> tuple[Draft, ...]:
    """The reply's template could not be filled in; nothing where all went well."""
    if plan is None or plan.fault is None:
        return ()
    body = texts.TEMPLATE.with_(why=plan.fault, commands=_lines(["sekisho check", f"sekisho log show {exchange.id}"]))
    return (notice(texts.TEMPLATE_SUBJECT.with_(name=plan.template), body, settings, now=exchange.received_at),)


def rules_fault(error: ConfigError, settings: Settings, now: datetime | None = None) -> tuple[Draft, ...]:
    """A changed file has faults, and the old rules stay in force."""
    language = settings.shop.language
    listed = "\n".join(fault.in_(language) for fault in error.faults[:MOST_FAULTS])
    body = texts.RULES.with_(faults=listed, count=len(error.faults), commands=_lines(["sekisho check"]))
    return (notice(texts.RULES_SUBJECT, body, settings, now=now),)


def delivery_failed(
    *,
    entry: str,
    about: str,
    subject: str,
    results: Sequence[tuple[str, str]],
    host: str,
    reported: bool,
    settings: Settings,
    target: str,
    now: datetime,
) -> Draft:
    """A message could not be handed on: `results` are recipients and replies; `reported`: the sender is told."""
    listed = "\n".join(f"  {_quoted(to)}: {_quoted(text)}" for to, text in results[:MOST_ADDRESSES])
    body = texts.FAILED.with_(
        subject=_quoted(subject),
        host=_quoted(host),
        results=listed,
        told=texts.SENDER_TOLD if reported else texts.SENDER_NOT_TOLD,
        commands=_lines([f"sekisho log show {about}", f"sekisho queue retry {entry}"]),
    )
    return notice(texts.FAILED_SUBJECT.with_(subject=_quoted(subject)), body, settings, now=now, target=target)


def more_failed(count: int, settings: Settings, *, target: str, now: datetime) -> Draft:
    """So many more messages failed than were told one by one."""
    body = texts.MORE.with_(count=count, commands=_lines(["sekisho queue list"]))
    return notice(texts.MORE_SUBJECT.with_(count=count), body, settings, now=now, target=target)


def destination_down(name: str, since: datetime, why: str, settings: Settings, *, target: str, now: datetime) -> Draft:
    """A destination has not been there for long; the mail for it waits."""
    body = texts.DOWN.with_(
        name=name, since=local_time(since, settings), why=_quoted(why), commands=_lines(["sekisho queue list"])
    )
    return notice(texts.DOWN_SUBJECT.with_(name=name), body, settings, now=now, target=target)


def set_aside(entry: str, subject: str, settings: Settings, now: datetime) -> Draft:
    """An entry was taken out of the queue because the gateway stopped again and again while sending it."""
    commands = _lines(["sekisho queue list", f"sekisho queue retry {entry}"])
    body = texts.ASIDE.with_(entry=entry, subject=_quoted(subject), commands=commands)
    return notice(texts.ASIDE_SUBJECT.with_(subject=_quoted(subject)), body, settings, now=now)


def notice(
    subject: Text,
    body: Text,
    settings: Settings,
    *,
    to: str = "",
    now: datetime | None = None,
    target: str = "",
) -> Draft:
    """A message to the owner (or `to`) in the shop's language."""
    language = settings.shop.language
    recipient = to or settings.shop.owner
    title = " ".join(subject.in_(language).split())[:200]
    identifier = new_id()
    fields = machine_fields(
        settings,
        identifier=identifier,
        now=now or datetime.now(UTC),
        to=recipient,
        subject=title,
        submitted="auto-generated",
    )
    raw = assemble(fields, body.in_(language) + texts.FOOT.in_(language))
    outgoing = settings.outgoing
    by_mailbox = outgoing is None or target == "mailbox"
    return Draft(
        "notice",
        raw,
        outgoing.return_path if outgoing else "",
        (_in_mailbox(recipient, settings) if by_mailbox else recipient,),
        title,
        identifier,
        "mailbox" if by_mailbox else "outgoing",
    )


def _in_mailbox(address: str, settings: Settings) -> str:
    """An address that the mailbox's server knows: itself, else the first of the shop's."""
    addresses = settings.shop.addresses
    if fold_address(address) in addresses or f"@{domain_of(address)}" in addresses:
        return address
    return next((own for own in addresses if not own.startswith("@")), address)


def _about(exchange: Exchange, message: Message, facts: Facts, settings: Settings) -> dict[str, object]:
    """What a notice says of a message; every value is data from outside."""
    origin = facts.get("origin_ip")
    try:
        subject = _quoted(message.subject)
        sender = _quoted(message.headers.get("from") or "")
        excerpt = _excerpt("" if message.heavy else message.written())
    except MimeLimit:
        subject, sender, excerpt = "?", "?", ""
    return {
        "subject": subject or "-",
        "sender": sender or "-",
        "envelope": _quoted(exchange.envelope.mail_from) or "<>",
        "ip": str(origin.value) if origin is not None and origin.known and origin.value else "-",
        "at": local_time(exchange.received_at, settings),
        "excerpt": excerpt or "> -",
    }


def _excerpt(text: str) -> str:
    lines = _INVISIBLE.sub("", text[: EXCERPT * 4])[:EXCERPT].strip().split("\n")
    return "\n".join(f"> {line.rstrip()}" for line in lines[:EXCERPT_LINES])


def _quoted(text: str) -> str:
    """A stranger's words on one line of bounded length."""
    return " ".join(_INVISIBLE.sub(" ", text[:1000]).split())[:200]


def _lines(commands: Sequence[str]) -> str:
    return "\n".join(f"  {command}" for command in commands)
