"""Rules tried on mail of the past: each message screened as on the live path, with the facts of its own time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from filters.api import Filter
from filters.offline import offline
from gateway.errors import SekishoError
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.screening.recorded import Moment, as_recorded
from gateway.screening.replay_tally import Sample, Tally
from gateway.screening.screener import Screener, Screening
from gateway.store.body import unpack
from gateway.store.engine import Store
from gateway.store.past import PastMail, Span, mails
from gateway.text import Text, plain

_DEFECT = Text("調べる途中で問題が起きました（{kind}）。", "something went wrong while it was screened ({kind})")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A message of the past: its record, and what these rules make of it."""

    mail: PastMail
    record: Mapping[str, Any]
    screening: Screening


class Replay:
    """Screens mail on record with a ruleset and counts what it would have changed; nothing is written."""

    def __init__(self, settings: Settings, ruleset: RuleSet, filters: Sequence[Filter], store: Store) -> None:
        self._ruleset = ruleset
        self._asked = ruleset.keys
        self._store = store
        self._moments: dict[str, Moment] = {}
        self._screener = Screener(settings, as_recorded(filters, self._moments), offline())

    async def run(self, wanted: Span, tally: Tally) -> None:
        """Screen all mail of a span into `tally`, which says while it runs how far it is. Raises `StoreError`."""
        async for group in mails(self._store, wanted):
            for mail in group:
                await self._one(mail, tally)

    async def screen(self, mail: PastMail) -> Replayed | None:
        """One message; None where its record or bytes were deleted. Raises `StoreError` where they are damaged."""
        if mail.record is None or mail.packed is None:
            return None
        record = json.loads(mail.record)
        exchange = exchange_of(record, unpack(mail.packed, mail.size))
        self._moments[exchange.id] = Moment.of(record, self._store, mail.seq, mail.received_at)
        try:
            return Replayed(mail, record, await self._screener.screen(exchange, self._ruleset))
        finally:
            del self._moments[exchange.id]

    async def _one(self, mail: PastMail, tally: Tally) -> None:
        try:
            replayed = await self.screen(mail)
        except SekishoError as error:
            tally.lost(mail.id, error.text)
            return
        except Exception as error:  # as on the live path, a defect of ours must not end the whole
            tally.lost(mail.id, _DEFECT.with_(kind=plain(type(error).__name__)))
            return
        if replayed is None:
            tally.gone += 1
            return
        tally.add(sample_of(replayed), replayed.record, replayed.screening, self._asked)


def exchange_of(record: Mapping[str, Any], raw: bytes) -> Exchange:
    """The exchange as it was screened when it came."""
    envelope, peer = record["envelope"], record.get("peer") or {}
    mailbox = (record.get("evidence") or {}).get("mailbox") or {}
    return Exchange(
        raw,
        Envelope(
            envelope["mail_from"],
            tuple(envelope["recipients"]),
            Peer(
                peer.get("ip") or "",
                peer.get("port") or 0,
                peer.get("helo") or "",
                peer.get("extended", True),
                proxy=peer.get("proxy") or "",
                local=peer.get("local") or "",
            ),
            smtputf8=bool(envelope.get("smtputf8")),
        ),
        id=record["id"],
        received_at=datetime.fromisoformat(record["received_at"]).astimezone(UTC),
        source=record.get("source") or "smtp",
        account=mailbox.get("account") or "",
    )


def sample_of(replayed: Replayed) -> Sample:
    """The message as it stands in the list of changes; what decides is added where it is shown."""
    mail, record, verdict = replayed.mail, replayed.record, replayed.screening.verdict
    before = record["verdict"]
    return Sample(
        id=mail.id,
        seq=mail.seq,
        received_at=mail.received_at,
        sender=record.get("sender") or record["envelope"]["mail_from"],
        subject=record["headers"]["subject"],
        decided=mail.decided,
        before=before["then"],
        before_rule=before["rule"],
        after=str(verdict.action.then),
        after_rule=verdict.rule,
        after_at=verdict.at,
    )
