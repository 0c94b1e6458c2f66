"""The screener: asks the filters that the rules need, within one time budget, and lets the rules decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from filters.api import Case, Filter, Lookups
from gateway.errors import MimeLimit, SekishoError
from gateway.mime.message import Message
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact, unknown
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.model.verdict import Verdict
from gateway.screening.rules import decide
from gateway.text import Text

logger = structlog.get_logger()

# What the guard asks of every message before a reply, and what each record names, whether or not a rule does.
ALWAYS = frozenset({"sender", "peer_ip", "origin_ip", "automatic", "authenticated", "subject", "blocked", "order"})

_LATE = Text("時間内に調べ終わりませんでした。", "it could not be found out in time")
_BROKEN = Text("調べる途中で問題が起きました。", "something went wrong while it was found out")


@dataclass(frozen=True, slots=True)
class Screening:
    """What was found out about a message and what the rules made of it; `evidence` is JSON for the record."""

    exchange: Exchange
    message: Message
    facts: Mapping[str, Fact]
    verdict: Verdict
    evidence: Mapping[str, object]


class Screener:
    """The one path by which `run`, `explain` and `replay` come to a verdict."""

    def __init__(
        self,
        settings: Settings,
        filters: Sequence[Filter],
        lookups: Lookups,
        *,
        budget: float = 20.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`budget`: seconds for one message over all filters; what is not found by then is unknown."""
        self.settings = settings
        self._filters = order(filters)
        self._lookups = lookups
        self._budget = budget
        self._clock = clock
        self._plans: dict[tuple[str, bool], tuple[frozenset[str], tuple[Filter, ...]]] = {}

    async def screen(self, exchange: Exchange, ruleset: RuleSet, *, all_facts: bool = False) -> Screening:
        """Facts and verdict for one message; a filter that fails or is late leaves its facts unknown."""
        wanted, filters = self._plan(ruleset, all_facts)
        message = Message(exchange.raw)
        case = Case(exchange, message, self.settings, ruleset, self._lookups, wanted, self._clock())
        await self._find(filters, case)
        if message.heavy:  # patterns over megabytes of text would hold the event loop
            verdict = await self._lookups.in_thread(decide, ruleset, case.facts)
        else:
            verdict = decide(ruleset, case.facts)
        return Screening(exchange, message, case.facts, verdict, case.evidence)

    async def _find(self, filters: Sequence[Filter], case: Case) -> None:
        """Ask one filter after the other; when the time is over, those that wait for nobody are asked all the same."""
        left = iter(filters)
        try:
            async with asyncio.timeout(self._budget):  # one for all: a timer for each filter would cost as much as some
                for filter_ in left:
                    await self._ask(filter_, case)
        except TimeoutError:
            self._missed(filter_, case, _LATE)
            for filter_ in left:
                if filter_.waits:
                    self._missed(filter_, case, _LATE)
                else:
                    await self._ask(filter_, case)

    async def _ask(self, filter_: Filter, case: Case) -> None:
        try:
            found = await filter_.find(case)
        except TimeoutError:  # of something that it asked
            self._missed(filter_, case, _LATE)
        except MimeLimit as limit:
            self._missed(filter_, case, limit.text)
        except SekishoError as error:
            logger.warning("filter_failed", filter=filter_.name, exchange=case.exchange.id, error=str(error))
            self._missed(filter_, case, error.text)
        except Exception:
            # A defect in a filter must cost a fact, never a mail.
            logger.exception("filter_failed", filter=filter_.name, exchange=case.exchange.id)
            self._missed(filter_, case, _BROKEN)
        else:
            case.facts.update(found)

    def _missed(self, filter_: Filter, case: Case, note: Text) -> None:
        names = {spec.name for spec in filter_.facts}
        keys = {key for key in case.wanted if _name(key) in names} | {
            spec.name for spec in filter_.facts if not spec.argument
        }
        case.facts.update({key: unknown(note) for key in keys})

    def _plan(self, ruleset: RuleSet, all_facts: bool) -> tuple[frozenset[str], tuple[Filter, ...]]:
        """The keys asked for and the filters that find them, with what those need in turn; once a ruleset."""
        plan = self._plans.get((ruleset.hash, all_facts))
        if plan is None:
            everything = (
                {s.name for f in self._filters for s in f.facts if s.argument != "name"} if all_facts else set()
            )
            wanted = frozenset(ruleset.keys | ALWAYS | everything)
            plan = (wanted, needed(self._filters, wanted))
            if len(self._plans) > 8:
                self._plans.clear()
            self._plans[(ruleset.hash, all_facts)] = plan
        return plan


def needed(filters: Sequence[Filter], wanted: Iterable[str]) -> tuple[Filter, ...]:
    """The filters that find the wanted keys, and those whose facts they build on, in their order."""
    names = {_name(key) for key in wanted}
    for filter_ in reversed(filters):  # in order, so what a filter needs stands before it
        if names & {spec.name for spec in filter_.facts}:
            names.update(filter_.needs)
    return tuple(f for f in filters if names & {spec.name for spec in f.facts})


def order(filters: Sequence[Filter]) -> tuple[Filter, ...]:
    """Filters so that each stands after those it needs, and those that wait on others come as late as they can."""
    left = sorted(filters, key=lambda f: f.waits)
    placed: list[Filter] = []
    found: set[str] = set()
    declared = {spec.name for f in filters for spec in f.facts}
    while left:
        for filter_ in left:
            if all(need in found or need not in declared for need in filter_.needs):
                placed.append(filter_)
                found.update(spec.name for spec in filter_.facts)
                left.remove(filter_)
                break
        else:
            raise ValueError("filters need each other in a circle: " + ", ".join(f.name for f in left))
    return tuple(placed)


def _name(key: str) -> str:
    """The declared name of a key: `header` for header.x-mailer, `mails_from_sender` for mails_from_sender[3600]."""
    return key.partition("[")[0].partition(".")[0]
