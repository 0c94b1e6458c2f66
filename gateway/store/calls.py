"""Telephone calls as evidence: who called when, what was said in short, and the recording where there is one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from gateway.model.exchange import new_id
from gateway.model.mail_record import clean
from gateway.model.order import order_key
from gateway.model.record import time_text
from gateway.store import body as bodies
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.people import find_or_make
from gateway.store.tables import call, person, person_trait, recording

KIND = "call"  # of log records


class AddCall:
    """Unit: keep a call, with the bytes of a recording; gives its id. The person is found or made by name."""

    def __init__(
        self,
        at: datetime,
        number: str,
        summary: str,
        *,
        person: str = "",
        order: str = "",
        operator: str = "",
        file: tuple[str, bytes] | None = None,
    ) -> None:
        self._at = at
        self._number = number
        self._summary = clean(summary)
        self._person = person
        self._order = clean(order_key(order))
        self._operator = clean(operator)
        self._file = file
        self._packed = b""
        self.weight = len(file[1]) if file else 0

    async def prepare(self) -> None:
        """Compress the recording, before the transaction."""
        if self._file is not None:
            self._packed = await bodies.pack(self._file[1])

    async def apply(self, batch: Batch) -> str:
        """Write call, recording and record."""
        id, who = new_id(), await find_or_make(batch, self._person)
        record: dict[str, Any] = {
            "id": id,
            "at": time_text(self._at),
            "number": self._number,
            "person": {"id": who, "name": clean(self._person)} if who else None,
            "order": self._order,
            "summary": self._summary,
            "operator": self._operator,
            "recording": None,
        }
        if self._file is not None:
            name, raw = clean(self._file[0]), self._file[1]
            digest = hashlib.sha256(raw).digest()
            record["recording"] = {"name": name, "size": len(raw), "sha256": digest.hex()}
        seq = batch.append(KIND, record, id)
        batch.insert(
            call,
            {
                "id": id,
                "seq": seq,
                "at": self._at,
                "number": self._number,
                "person": who,
                "order_key": self._order or None,
                "summary": self._summary,
                "operator": self._operator,
            },
        )
        if who and self._number:
            traits = person_trait.c
            named = (traits.person == who, traits.kind == "phone", traits.value == self._number)
            if (await batch.execute(select(traits.value).where(*named))).first() is None:
                row = {"person": who, "kind": "phone", "value": self._number, "added_at": batch.now}
                batch.insert(person_trait, row)
        if self._file is not None:
            row = {"call": id, "name": name, "size": len(raw), "sha256": digest, "zstd": self._packed}
            batch.insert(recording, row)
        return id


@dataclass(frozen=True, slots=True)
class Call:
    """A call on record; `recording` is the name of the file, "" where there is none."""

    id: str
    seq: int
    at: datetime
    number: str
    person: str  # name
    order: str
    summary: str
    operator: str
    recording: str
    size: int  # of the recording, bytes
    sha256: str  # of the recording, hex


async def read_calls(store: Store, where: ColumnElement[bool]) -> tuple[Call, ...]:
    """Calls that fit a condition on table `call`, in the order of their times."""
    statement = (
        select(call, person.c.name.label("who"), recording.c.name.label("file"), recording.c.size, recording.c.sha256)
        .outerjoin(person, person.c.id == call.c.person)
        .outerjoin(recording, recording.c.call == call.c.id)
        .where(where)
        .order_by(call.c.at, call.c.id)
    )
    async with store.read() as connection:
        return tuple(
            Call(
                row.id,
                row.seq,
                row.at,
                row.number,
                row.who or "",
                row.order_key or "",
                row.summary,
                row.operator,
                row.file or "",
                row.size or 0,
                row.sha256.hex() if row.sha256 else "",
            )
            for row in await connection.execute(statement)
        )
