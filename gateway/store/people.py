"""The persons behind entries, found and made by name."""

from __future__ import annotations

import unicodedata

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.model.address import ZERO_WIDTH
from gateway.model.exchange import new_id
from gateway.store.batch import Batch
from gateway.store.tables import person


def fold_name(name: str) -> str:
    """A name as it is kept: NFKC, without invisible characters, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", name.translate(ZERO_WIDTH)).split())


async def find_person(connection: AsyncConnection, name: str) -> str | None:
    """The id of the person of this name; the oldest where there are several."""
    statement = select(person.c.id).where(person.c.name == fold_name(name)).order_by(person.c.created_at).limit(1)
    found: str | None = (await connection.execute(statement)).scalar()
    return found


async def find_or_make(batch: Batch, name: str) -> str | None:
    """The id of the person of this name, made where there is none yet; None for an empty name."""
    folded = fold_name(name)
    if not folded:
        return None
    await batch.flush()
    found = await find_person(batch.connection, folded)
    if found is not None:
        return found
    made = new_id()
    batch.insert(person, {"id": made, "name": folded, "created_at": batch.now})
    return made
