"""Units for what happens to the gateway itself: start and stop, a change of rules, signs of life, its own notices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from sqlalchemy import and_, delete, or_

from gateway.model.acceptance import Draft
from gateway.model.rule import RuleSet
from gateway.store.batch import Batch
from gateway.store.outcome import write_draft
from gateway.store.tables import setting


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """A gateway starts or stops; the record names its version and the rules in force."""

    what: str  # start | stop
    node: str
    ruleset: RuleSet

    async def apply(self, batch: Batch) -> int:
        """The sequence number of the record."""
        record = {
            "what": self.what,
            "node": self.node,
            "version": version("sekisho"),
            "ruleset": self.ruleset.hash,
        }
        return batch.append("gateway", record)


@dataclass(frozen=True, slots=True)
class RulesChanged:
    """Other rules are in force from now on; the record names the files that make up their hash."""

    ruleset: RuleSet

    async def apply(self, batch: Batch) -> int:
        """The sequence number of the record."""
        return batch.append("rules", {"ruleset": self.ruleset.hash, "files": len(self.ruleset.files)})


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What the daemon of a node last said of itself, for `status`; not part of the evidence."""

    node: str
    state: dict[str, Any]

    async def apply(self, batch: Batch) -> None:
        """Replace what the node said before."""
        name = f"daemon:{self.node}"
        long_gone = and_(setting.c.name.like("daemon:%"), setting.c.at < batch.clock - timedelta(days=1))
        await batch.execute(delete(setting).where(or_(setting.c.name == name, long_gone)))
        batch.insert(setting, {"name": name, "value": self.state, "at": batch.clock})


@dataclass(frozen=True, slots=True)
class SendDraft:
    """A notice that no message gave rise to, such as a fault in the rules: on record and into the queue."""

    draft: Draft

    async def apply(self, batch: Batch) -> None:
        """Write it as mail out, waiting for delivery."""
        write_draft(batch, self.draft, "")
