"""The end of the evidence log inside one transaction: records are appended, hashed and numbered without gaps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.errors import StoreError
from gateway.model.merkle import BLOCK, Frontier, leaf_hash
from gateway.model.record import canonical_json, leaf_text
from gateway.store.types import EPOCH
from gateway.text import Text

DAMAGED = Text("証拠ログの末尾の記録が壊れています。", "The record of where the evidence log ends is damaged.")
DAMAGED_MEND = Text("`sekisho verify` で確認してください。", "Run `sekisho verify`.")


@dataclass(frozen=True, slots=True)
class LogState:
    """Where the log ends: number of records, packed frontier, microseconds of the newest record."""

    size: int
    frontier: bytes
    at: int


class EvidenceLog:
    """Appends to the log under the transaction's lock. Nothing of it outlives the transaction."""

    def __init__(self, state: LogState) -> None:
        try:
            self._frontier = Frontier.unpack(state.size, state.frontier)
        except ValueError as error:
            raise StoreError(DAMAGED, DAMAGED_MEND) from error
        self.clock = datetime.now(UTC)
        # The log's time never runs backwards, whatever the machine's clock does.
        self.now = max(self.clock, EPOCH + timedelta(microseconds=state.at))
        self._first = state.size
        self._newest = state.at
        self._rows: list[dict[str, Any]] = []

    @property
    def size(self) -> int:
        """The number of records, those of this transaction included."""
        return self._first + len(self._rows)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of table `log` that this transaction appends."""
        return self._rows

    def append(self, kind: str, record: Mapping[str, Any], message: str | None) -> int:
        """Append a record; returns its sequence number. The kind is a word without spaces."""
        if not kind or not kind.isascii() or any(c.isspace() for c in kind):
            raise ValueError(f"not a kind of record: {kind!r}")
        seq, salt, text = self.size, os.urandom(32), canonical_json(record)
        leaf = leaf_hash(leaf_text(seq, self.now, kind, salt, text))
        self._rows.append(
            {"seq": seq, "at": self.now, "kind": kind, "leaf": leaf, "salt": salt, "record": text, "message": message}
        )
        return seq

    def cut(self, size: int) -> None:
        """Forget the records of this transaction from number `size` on."""
        del self._rows[size - self._first :]

    def seal(self) -> tuple[list[dict[str, Any]], LogState]:
        """The rows of table `log_block` that are now complete, and where the log ends; to be called once."""
        blocks = []
        for row in self._rows:
            block = self._frontier.append(row["leaf"])
            if block is not None:
                blocks.append({"block": row["seq"] // BLOCK, "hash": block})
        at = _micros(self.now) if self._rows else self._newest
        return blocks, LogState(self._frontier.size, self._frontier.pack(), at)


def _micros(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)
