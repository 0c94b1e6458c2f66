"""One pass over the records in their order, and over the messages that they are about; no I/O."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.errors import StoreError
from gateway.evidence import faults
from gateway.evidence.faults import Broken
from gateway.evidence.seals import Seals
from gateway.model.mail_record import message_columns, order_rows
from gateway.model.merkle import BLOCK, Frontier, leaf_hash
from gateway.model.record import leaf_text, time_text
from gateway.store.body import unpack

MAIL = ("mail.in", "mail.out")


class Deletions:
    """The records that were deleted by a record: `{"records": [[first, last], …]}`, each of them before itself."""

    def __init__(self, records: Iterable[tuple[int, str | None]]) -> None:
        ranges = sorted(span for seq, text in records for span in _spans(seq, text))
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._firsts, seq) - 1
        return at >= 0 and seq <= self._lasts[at]


class Walk:
    """Where the walk stands: the hash of all records so far, and the mail records of the present block."""

    def __init__(self, deletions: Deletions) -> None:
        self.deletions = deletions
        self.frontier = Frontier()
        self.messages = 0
        self.deleted = 0
        self._at: datetime | None = None
        self._mail: dict[int, Mapping[str, Any] | None] = {}  # sequence number to record, None where deleted

    def records(self, rows: Sequence[Mapping[str, Any]], last: int, block: bytes | None, seals: Seals) -> None:
        """Take in the rows of one block of the log, which end before `last`; raises `Broken`."""
        self._mail = {}
        for row in rows:
            self._record(row)
            complete = self.frontier.append(row["leaf"])
            if complete is not None and complete != block:
                raise Broken(faults.BLOCK.with_(first=self.frontier.size - BLOCK))
            seals.at(self.frontier)
        if self.frontier.size != last:
            raise Broken(faults.MISSING.with_(seq=self.frontier.size))

    def columns(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Compare the message rows of the block with their records."""
        for row in rows:
            if row["seq"] not in self._mail:
                raise Broken(faults.MESSAGE_WITHOUT_RECORD.with_(seq=row["seq"]))
            record = self._mail[row["seq"]]
            if record is None:
                continue
            for column, value in message_columns(record).items():
                if row[column] != value:
                    raise Broken(faults.MESSAGE_ALTERED.with_(id=row["id"], seq=row["seq"], column=column))

    def orders(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Compare the rows of the index of orders, each with the number of its message, with the records."""
        found: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault(row["seq"], []).append({name: row[name] for name in row if name != "seq"})
        for seq, record in self._mail.items():
            if record is None or record["direction"] != "in":
                continue
            told = order_rows(record)
            if sorted(found.get(seq, []), key=_key) != sorted(told, key=_key):
                raise Broken(faults.ORDERS.with_(id=record["id"], seq=seq))

    def bodies(self, packed: Sequence[tuple[Mapping[str, Any], bytes | None]]) -> None:
        """Compare the bytes of messages with their records."""
        for row, zstd in packed:
            record = self._mail.pop(row["seq"])
            if record is None:
                continue
            said = {"id": row["id"], "seq": row["seq"]}
            if zstd is None:
                raise Broken(faults.NO_BODY.with_(**said))
            try:
                raw = unpack(zstd, record["size"])
            except StoreError as error:
                raise Broken(faults.BODY_ALTERED.with_(**said)) from error
            if hashlib.sha256(raw).hexdigest() != record["sha256"]:
                raise Broken(faults.BODY_ALTERED.with_(**said))
            self.messages += 1

    def no_message_missing(self) -> None:
        """Every mail record of the block has met its message; a deleted one need not."""
        for seq, record in self._mail.items():
            if record is not None:
                raise Broken(faults.NO_MESSAGE.with_(seq=seq, id=record["id"]))

    def end(self, state: Mapping[str, Any]) -> None:
        """Compare with the database's own word on where the log ends."""
        if (
            self.frontier.size != state["size"]
            or self.frontier.pack() != state["frontier"]
            or (self._at is not None and self._at != state["at"])
        ):
            raise Broken(faults.END)

    def _record(self, row: Mapping[str, Any]) -> None:
        seq, at, kind = row["seq"], row["at"], row["kind"]
        if seq != self.frontier.size:
            raise Broken(faults.MISSING.with_(seq=self.frontier.size))
        if row["record"] is None or row["salt"] is None:
            if row["record"] is not None or kind == "deletion" or seq not in self.deletions:
                raise Broken(faults.NOT_DELETED.with_(seq=seq))
            self.deleted += 1
        else:
            try:
                expected = leaf_hash(leaf_text(seq, at, kind, row["salt"], row["record"]))
            except UnicodeEncodeError as error:
                raise Broken(faults.UNREADABLE.with_(seq=seq)) from error
            if expected != row["leaf"]:
                raise Broken(faults.ALTERED.with_(seq=seq, kind=kind, at=time_text(at)))
        if self._at is not None and at < self._at:
            raise Broken(faults.BACKWARDS.with_(seq=seq))
        self._at = at
        if kind in MAIL:
            record = None if row["record"] is None else json.loads(row["record"])
            if record is not None and record["id"] != row["message"]:
                raise Broken(faults.ALTERED.with_(seq=seq, kind=kind, at=time_text(at)))
            self._mail[seq] = record


def _key(row: Mapping[str, Any]) -> str:
    return str(row["order_key"])


def _spans(seq: int, text: str | None) -> list[tuple[int, int]]:
    try:
        spans = [(int(first), int(last)) for first, last in json.loads(text or "{}").get("records", ())]
    except (ValueError, TypeError, AttributeError):
        return []
    return [(first, last) for first, last in spans if 0 <= first <= last < seq]
