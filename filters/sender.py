"""Who wrote: the addresses of envelope and header, and what kind of addresses they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from filters.api import Case, fact
from filters.data import listed
from filters.typo import meant
from gateway.mime.addresses import Mailbox
from gateway.mime.message import Message
from gateway.model.address import domain_of, fold_address
from gateway.model.envelope import Envelope
from gateway.model.fact import Fact
from gateway.model.return_path import original_sender
from gateway.text import Text

# A header may name thousands of addresses: more than these are never looked at.
MOST_ADDRESSES = 50
_LONGEST_WIDE = 1000
_WIDE = re.compile(r"[^\s<>＠]{1,200}＠[^\s<>＠]{1,200}")

_NO_SENDER = Text("差出人アドレスがありません。", "there is no sender address")
_NULL = Text("空のエンベロープ送信者（エラー通知など）です。", "the null envelope sender (bounces and the like)")
_AS_GIVEN = Text("受信した表記: {given}", "as received: {given}")
_STRIPPED = Text("比較には {plain} を使います。", "compared as {plain}")
_ON_LIST = Text("{domain} は一覧にあります。", "{domain} is on the list")
_MANY_FROM = Text("From に複数のアドレスがあります。", "From names more than one address")


def senders_of(envelope: Envelope, message: Message) -> tuple[str, ...]:
    """The folded senders: the From address where there is exactly one, then the envelope sender where it differs."""
    return _senders(envelope, header_addresses(message, "from"))


def _senders(envelope: Envelope, written: tuple[str, ...]) -> tuple[str, ...]:
    behind = original_sender(envelope.mail_from)
    found = (written[0], behind) if len(written) == 1 else (behind,)
    return tuple(dict.fromkeys(address for address in found if address))


def sender_key(envelope: Envelope, message: Message) -> str:
    """The folded address under which the message's sender is recorded; "" where there is none."""
    found = senders_of(envelope, message)
    return found[0] if found else ""


def recorded_sender(case: Case) -> str:
    """The folded address under which the sender of the case is recorded, as `sender_key`."""
    found = case.facts.get("sender")
    if found is not None and isinstance(found.value, tuple):
        return found.value[0] if found.value else ""
    return sender_key(case.exchange.envelope, case.message)


def header_addresses(message: Message, name: str) -> tuple[str, ...]:
    """The folded addresses of a header, each once, in order, at most `MOST_ADDRESSES`."""
    return _unique(mailbox.address for mailbox in _mailboxes(message, name))


def _mailboxes(message: Message, name: str) -> tuple[Mailbox, ...]:
    """The mailboxes of a header; an address with a full-width at sign, which no parser takes for one, among them."""
    found = message.addresses(name)[:MOST_ADDRESSES]
    if found:
        return found
    wide = (_WIDE.search(value[:_LONGEST_WIDE]) for value in message.headers.all(name)[:3])
    return tuple(Mailbox("", match.group()) for match in wide if match)


class SenderFilter:
    """Finds the addresses of a message; waits for nobody."""

    name = "sender"
    facts = (
        fact(
            "sender",
            "address",
            "差出人：From またはエンベロープの送信者",
            "who wrote: From or envelope sender",
            many=True,
        ),
        fact("envelope_sender", "address", "エンベロープの送信者（MAIL FROM）", "the envelope sender (MAIL FROM)"),
        fact("from", "address", "From のアドレス", "the addresses in From", many=True),
        fact("reply_to", "address", "Reply-To のアドレス", "the addresses in Reply-To", many=True),
        fact("recipient", "address", "エンベロープの宛先（RCPT TO）", "the envelope recipients (RCPT TO)", many=True),
        fact("from_name", "text", "From の表示名", "the display name in From"),
        fact("free_mail", "yes/no", "差出人がフリーメールか", "whether the sender uses free mail"),
        fact("disposable", "yes/no", "差出人が使い捨てアドレスか", "whether the sender's address is a throw-away one"),
        fact(
            "address_typo",
            "address",
            "差出人アドレスが誤記らしいときの正しいと思われるアドレス",
            "the address probably meant where the sender's looks mistyped",
        ),
    )
    needs: tuple[str, ...] = ()
    waits = False

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """All facts about the addresses; those that need lists or judgement only where they are asked for."""
        envelope, message = case.exchange.envelope, case.message
        mailboxes = _mailboxes(message, "from")
        written = _unique(mailbox.address for mailbox in mailboxes)
        senders = _senders(envelope, written)
        found = {
            "sender": Fact(senders) if senders else Fact(None, _NO_SENDER),
            "envelope_sender": _envelope_sender(envelope.mail_from),
            "from": Fact(written or None, _MANY_FROM if len(written) > 1 else None),
            "reply_to": Fact(header_addresses(message, "reply-to") or None),
            "recipient": Fact(_unique(envelope.recipients) or None),
            "from_name": Fact(next((mailbox.name for mailbox in mailboxes if mailbox.name), None)),
        }
        for name in ("free_mail", "disposable"):
            if name in case.wanted:
                found[name] = _on_list(senders, name)
        if "address_typo" in case.wanted:
            found["address_typo"] = _typo(envelope, message)
        return found


def _envelope_sender(given: str) -> Fact:
    folded = fold_address(given)
    if not folded:
        return Fact(None, _NULL)
    behind = original_sender(given)
    if behind != folded:
        return Fact(folded, _STRIPPED.with_(plain=behind))
    return Fact(folded, _AS_GIVEN.with_(given=given) if given != folded else None)


def _on_list(senders: tuple[str, ...], name: str) -> Fact:
    for address in senders:
        entry = _listed(domain_of(address), name)
        if entry is not None:
            return Fact(True, _ON_LIST.with_(domain=entry))
    return Fact(False)


_listed = lru_cache(maxsize=4096)(listed)


def _typo(envelope: Envelope, message: Message) -> Fact:
    """The first suggestion for From, then Reply-To (where an answer would go), else for the envelope sender."""
    given = [m.address for name in ("from", "reply-to") for m in _mailboxes(message, name)[:3]] or [envelope.mail_from]
    for address in given:
        suggestion = meant(address)
        if suggestion is not None:
            return Fact(suggestion.address, suggestion.why)
    return Fact(None)


def _unique(addresses: Iterable[str]) -> tuple[str, ...]:
    folded = (fold_address(address) for address in addresses)
    return tuple(dict.fromkeys(address for address in folded if address))
