"""What somebody outside attested about checkpoints: kept whole, with a record in the log."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from gateway.model.acceptance import Draft
from gateway.model.exchange import new_id
from gateway.model.mail_record import clean
from gateway.model.record import time_text
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.outcome import write_draft
from gateway.store.tables import anchor

KIND = "anchor"  # of log records
STAMP, MAIL = "rfc3161", "mail"


@dataclass(frozen=True, slots=True)
class KeepStamp:
    """Unit: a time stamp that was found good, over the whole `note` of the checkpoint; gives the record's number."""

    size: int
    root: bytes
    note: str
    target: str  # URL of the authority
    request: bytes
    response: bytes
    stamped_at: datetime
    serial: int
    policy: str
    authority: str  # PEM

    async def apply(self, batch: Batch) -> int:
        """Write row and record."""
        id = new_id()
        record = {
            **_about(id, STAMP, self.size, self.root, self.note, self.target),
            "request_sha256": hashlib.sha256(self.request).hexdigest(),
            "response_sha256": hashlib.sha256(self.response).hexdigest(),
            "stamped_at": time_text(self.stamped_at),
            "serial": str(self.serial),
            "policy": self.policy,
        }
        seq = batch.append(KIND, record)
        row = _row(batch, id, seq, STAMP, self.size, self.note, self.target)
        batch.insert(
            anchor,
            {
                **row,
                "request": self.request,
                "response": self.response,
                "stamped_at": self.stamped_at,
                "authority": self.authority,
            },
        )
        return seq


@dataclass(frozen=True, slots=True)
class KeepMail:
    """Unit: a checkpoint goes to an address outside by mail; gives the record's number."""

    size: int
    root: bytes
    note: str
    draft: Draft

    async def apply(self, batch: Batch) -> int:
        """Write the mail, its queue entry, and row and record of the anchor."""
        id, target = new_id(), ", ".join(clean(one) for one in self.draft.recipients)
        record = {
            **_about(id, MAIL, self.size, self.root, self.note, target),
            "message": self.draft.id,
            "message_sha256": hashlib.sha256(self.draft.raw).hexdigest(),
        }
        seq = batch.append(KIND, record)
        batch.insert(anchor, {**_row(batch, id, seq, MAIL, self.size, self.note, target), "message": self.draft.id})
        write_draft(batch, self.draft, "")
        return seq


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest anchor of a target: when, and how many records its checkpoint seals."""

    at: datetime
    size: int


async def newest(store: Store, kind: str, target: str) -> Newest | None:
    """The newest anchor of a target, None where there is none yet. Raises `StoreError`."""
    statement = select(anchor.c.at, anchor.c.size).where(anchor.c.kind == kind, anchor.c.target == target)
    async with store.read() as connection:
        row = (await connection.execute(statement.order_by(anchor.c.at.desc()).limit(1))).first()
    return Newest(row.at, row.size) if row is not None else None


async def due(store: Store, kind: str, target: str, every: timedelta, size: int, now: datetime) -> bool:
    """Whether a checkpoint of `size` records is to be attested by this target now."""
    last = await newest(store, kind, target)
    return last is None or (size > last.size and now - last.at >= every)


async def count(store: Store) -> int:
    """How many anchors there are. Raises `StoreError`."""
    async with store.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(anchor))).scalar_one())


def _about(id: str, kind: str, size: int, root: bytes, note: str, target: str) -> dict[str, Any]:
    return {
        "anchor": id,
        "kind": kind,
        "size": size,
        "root": root.hex(),
        "target": clean(target),
        "note_sha256": hashlib.sha256(note.encode()).hexdigest(),
    }


def _row(batch: Batch, id: str, seq: int, kind: str, size: int, note: str, target: str) -> dict[str, Any]:
    return {
        "id": id,
        "seq": seq,
        "kind": kind,
        "size": size,
        "at": batch.now,
        "target": clean(target),
        "note": note,
    }
