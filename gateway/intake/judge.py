"""The judge: what `run` and `explain` both ask about a message: its screening, and the reply that would follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from gateway.model.acceptance import ReplyPlan
from gateway.model.exchange import Exchange
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.replies import guard
from gateway.replies.templates import Templates
from gateway.screening.screener import Screener, Screening
from gateway.text import Text

logger = structlog.get_logger()

_BROKEN = Text(
    "返信の条件を調べる途中で問題が起きたため、返信しません。",
    "Something went wrong while the reply was considered, so none goes.",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A screened message and the plan for its reply; None where the verdict orders no reply."""

    screening: Screening
    reply: ReplyPlan | None


class Judge:
    """One code path from a message to its verdict and reply plan; no side effects."""

    def __init__(
        self,
        settings: Settings,
        screener: Screener,
        templates: Templates,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self.templates = templates
        self._screener = screener
        self._clock = clock

    async def consider(self, exchange: Exchange, ruleset: RuleSet, *, all_facts: bool = False) -> Judgement:
        """Screen the message and plan its reply."""
        screening = await self._screener.screen(exchange, ruleset, all_facts=all_facts)
        return Judgement(screening, self._plan(screening))

    def _plan(self, screening: Screening) -> ReplyPlan | None:
        """The guard's plan; a defect in it costs the reply, never the verdict."""
        exchange, verdict = screening.exchange, screening.verdict
        settings, templates = self.settings, self.templates
        try:
            return guard.plan(screening.facts, verdict, screening.message, exchange, settings, templates, self._clock())
        except Exception:
            logger.exception("reply_not_planned", exchange=exchange.id)
            order = verdict.action.reply
            return ReplyPlan(order.template, "", False, _BROKEN) if order is not None else None
