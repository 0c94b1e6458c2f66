"""Who did what with the evidence, and who held a bundle: records of the log itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.model.mail_record import clean
from gateway.store.batch import Batch

OPERATOR = "operator"
CUSTODY = "custody"

# Records that tell of a person at the controls, each with `operator` in it.
AUDITED = (OPERATOR, CUSTODY, "block", "unblock", "quarantine", "queue", "case", "keys", "call", "people", "deletion")


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """Unit: a command that touches evidence was given, such as `export`; gives the number of its record.

    `what` holds texts, integers and yes/no; no more of persons than the act needs, for it stays when their mail goes.
    """

    verb: str
    operator: str
    host: str = ""
    what: Mapping[str, Any] = field(default_factory=dict)

    async def apply(self, batch: Batch) -> int:
        """Write the record."""
        said = {"verb": self.verb, "operator": clean(self.operator), "host": clean(self.host), "what": dict(self.what)}
        return batch.append(OPERATOR, said)


@dataclass(frozen=True, slots=True)
class Custody:
    """Unit: a bundle was made or changed hands; gives the number of its record.

    `action` is made, handed_over or received; `sha256` of the file (hex), `size` in bytes, `to` whom.
    """

    action: str
    bundle: str  # name of the file
    sha256: str
    size: int
    operator: str
    to: str = ""
    checkpoint: int = 0  # records that the bundle's checkpoint seals

    async def apply(self, batch: Batch) -> int:
        """Write the record."""
        said = {
            "action": self.action,
            "bundle": clean(self.bundle),
            "sha256": self.sha256,
            "size": self.size,
            "operator": clean(self.operator),
            "to": clean(self.to),
            "checkpoint": self.checkpoint,
        }
        return batch.append(CUSTODY, said)
