"""The judge: what `run` and `explain` both ask about a message: its screening, and the reply that would follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.model.acceptance import ReplyPlan
from gateway.model.exchange import Exchange
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.replies import guard
from gateway.replies.templates import Templates
from gateway.screening.screener import Screener, Screening


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
        plan = guard.plan(
            screening.facts,
            screening.verdict,
            screening.message,
            exchange,
            self.settings,
            self.templates,
            self._clock(),
        )
        return Judgement(screening, plan)
