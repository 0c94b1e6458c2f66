"""The one `receive` of every way mail comes in: screen, remember in one transaction, hand the work over, answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from filters.api import Lookups
from filters.origin import origin_of
from gateway.errors import MimeLimit, StoreError
from gateway.intake.judge import Judge, Judgement
from gateway.intake.trace import trace_headers
from gateway.mime.message import Message
from gateway.mime.relay import relay_copy
from gateway.model.acceptance import Acceptance, Dispatch, Draft, Leased
from gateway.model.address import fold_address
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.model.smtp_reply import FAILED, STORAGE_FULL, STORE_BUSY, SmtpReply, accepted, rejected
from gateway.model.verdict import Action, Outcome, Verdict
from gateway.replies import notices
from gateway.screening.rulebook import Rulebook
from gateway.screening.screener import Screening
from gateway.store.accept import Accept, Claim
from gateway.store.engine import Store
from gateway.store.failures import FULL, WRITE
from gateway.text import Text

logger = structlog.get_logger()

LEASE = timedelta(minutes=15)
LONGEST_TEXT = 1000  # characters of a header in the message's row
IN_THREAD = 512 * 1024  # bytes; from here on the copy for the next hop is made in a worker thread


@dataclass(frozen=True, slots=True)
class Lying:
    """A message that lies in a mailbox already: what is different about it.

    `claim` gives, for what the rules ordered, what takes its place in the same transaction. `old`: it lay there before
    the first contact, so nothing follows from it. `hand_on`: clean mail goes on by `mailbox`, too.
    """

    claim: Callable[[Action], Claim]
    evidence: Mapping[str, object]
    unanswered: Text | None = None
    old: bool = False
    hand_on: bool = False


class Receiver:
    """Takes exchanges; what it answers positively is on disk with everything that follows from it."""

    def __init__(
        self,
        settings: Settings,
        judge: Judge,
        rulebook: Rulebook,
        store: Store,
        lookups: Lookups,
        hand_over: Callable[[Iterable[Leased]], None],
        *,
        node: str,
        hostname: str,
    ) -> None:
        self._settings = settings
        self._judge = judge
        self._rulebook = rulebook
        self._store = store
        self._in_thread = lookups.in_thread
        self._hand_over = hand_over
        self._node = node
        self._hostname = hostname

    async def __call__(self, exchange: Exchange) -> SmtpReply:
        """The reply for the peer: 250 after the commit, 550 for what a rule rejects, 45x where nothing is kept."""
        log = logger.bind(exchange=exchange.id)
        try:
            action = await self.take(exchange)
        except StoreError as error:
            log.warning("not_kept", why=str(error))
            return STORAGE_FULL if error.text in (FULL, WRITE) else STORE_BUSY
        except Exception:
            log.exception("not_kept")
            return FAILED
        if action.then is Outcome.REJECT:
            return rejected(action.smtp_text)
        return accepted(exchange.id)

    async def take(self, exchange: Exchange, lying: Lying | None = None) -> Action:
        """Screen and remember one message and hand the work over; gives what the rules ordered.

        `lying` is given for a message in a mailbox. Raises `StoreError`, and what its claim raises: nothing is kept.
        """
        log = logger.bind(exchange=exchange.id)
        ruleset = self._rulebook.current
        try:
            judgement = await self._judge.consider(exchange, ruleset)
        except Exception:
            # A defect of ours must not turn a customer away for days: such a mail passes, unanswered, and is told.
            log.exception("screening_failed")
            judgement = _unjudged(exchange, ruleset)
        verdict = judgement.screening.verdict
        acceptance = self._acceptance(judgement, lying)
        relayed, removed = await self._relayed(exchange, acceptance.trace)
        claim = lying.claim(verdict.action) if lying is not None else None
        result = await self._store.committer.submit(
            Accept(acceptance, self._node, LEASE, removed, self._hostname, relayed, claim)
        )
        log.info(
            "received",
            seq=result.seq,
            then=str(verdict.action.then),
            rule=verdict.rule,
            size=exchange.size,
            peer=exchange.envelope.peer.ip,
            reply=result.reply_sent,
        )
        self._hand_over(result.leased)
        return verdict.action

    async def _relayed(self, exchange: Exchange, trace: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        if exchange.size > IN_THREAD:
            return await self._in_thread(relay_copy, exchange.raw, trace, self._hostname)
        return relay_copy(exchange.raw, trace, self._hostname)

    def _acceptance(self, judgement: Judgement, lying: Lying | None) -> Acceptance:
        """Everything that follows from the judgement, as one value."""
        quiet = lying.unanswered if lying is not None else None
        reply = judgement.reply
        if reply is not None and quiet is not None:
            reply = replace(reply, would_send=False, why=quiet, draft=None)
        screening = judgement.screening
        exchange, message, facts = screening.exchange, screening.message, screening.facts
        relays = self._settings.smtp.trusted_relays if self._settings.smtp else ()
        return Acceptance(
            exchange=exchange,
            sender=_sender(exchange, facts.get("sender")),
            origin=origin_of(exchange.envelope, message, relays, screening.evidence),
            facts=facts,
            verdict=screening.verdict,
            trace=trace_headers(exchange, self._hostname, facts=facts, verdict=screening.verdict),
            subject=_said(lambda: message.subject),
            from_header=_said(lambda: message.headers.get("from")),
            message_id=_said(lambda: message.message_id),
            evidence={**screening.evidence, **(lying.evidence if lying is not None else {})},
            reply=reply,
            dispatches=self._dispatches(exchange, screening.verdict.action, lying),
            notices=self._notices(judgement) if lying is None or not lying.old else (),
            language=self._settings.shop.language,
            state=_state(screening.verdict.action, lying),
        )

    def _dispatches(self, exchange: Exchange, action: Action, lying: Lying | None) -> tuple[Dispatch, ...]:
        envelope = exchange.envelope
        found = []
        if lying is not None and lying.old:
            return ()
        if action.then is Outcome.DELIVER and (lying is None or lying.hand_on):
            found.append(Dispatch("deliver", "mailbox", exchange.id, envelope.mail_from, envelope.recipients))
        if action.forward and self._settings.outgoing is not None:
            # With the sender's own envelope the next hop would see a forged SPF; what cannot be delivered comes to us.
            back = self._settings.outgoing.return_path or self._settings.shop.contact
            found.append(Dispatch("forward", "outgoing", exchange.id, back, action.forward))
        return tuple(found)

    def _notices(self, judgement: Judgement) -> tuple[Draft, ...]:
        """What the owner is told; a defect in it must not cost the mail."""
        screening, settings = judgement.screening, self._settings
        exchange = screening.exchange
        try:
            told = notices.of_verdict(exchange, screening.message, screening.verdict, screening.facts, settings)
            return (*told, *notices.of_reply_fault(exchange, judgement.reply, settings))
        except Exception:
            logger.exception("notice_failed", exchange=exchange.id)
            return ()


def _state(action: Action, lying: Lying | None) -> str:
    """Mail that stays where it lies is delivered; "" where the state follows from the verdict."""
    stays = lying is not None and (lying.old or (action.then is Outcome.DELIVER and not lying.hand_on))
    return "delivered" if stays else ""


def _said(read: Callable[[], str | None]) -> str:
    """A header's text for the record, bounded; "" where the message is beyond the parse limits."""
    try:
        return (read() or "")[:LONGEST_TEXT]
    except MimeLimit:
        return ""


def _sender(exchange: Exchange, fact: Fact | None) -> str:
    """The key under which the sender is on record: the first of the `sender` fact, else the envelope's."""
    if fact is not None and fact.known and fact.value:
        value = fact.value
        return fold_address(value[0] if isinstance(value, tuple) else str(value))
    return fold_address(exchange.envelope.mail_from)


def _unjudged(exchange: Exchange, ruleset: RuleSet) -> Judgement:
    """What is done with a message that screening broke on: delivered, no reply, and the record says so."""
    verdict = Verdict(Action(Outcome.DELIVER), "screening-failed", "", ruleset.hash)
    return Judgement(Screening(exchange, Message(exchange.raw), {}, verdict, {"fault": "screening failed"}), None)
