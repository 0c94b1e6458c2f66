"""Making checkpoints: the log's root hash, signed, kept in the database and in a plain text file beside it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from gateway.errors import StoreError
from gateway.evidence.note import TORN, Checkpoint, sign, split_notes
from gateway.model.merkle import Frontier
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.evidence_log import DAMAGED, DAMAGED_MEND
from gateway.store.failures import store_error
from gateway.store.tables import checkpoint as checkpoints
from gateway.store.tables import log_state


@dataclass(frozen=True, slots=True)
class Made:
    """A checkpoint that was made: what it says, its signed note, and when (UTC). `fresh` is no where it was there."""

    checkpoint: Checkpoint
    note: str
    at: datetime
    fresh: bool


class _Keep:
    def __init__(self, checkpoint: Checkpoint, note: str) -> None:
        self._checkpoint = checkpoint
        self._note = note

    async def apply(self, batch: Batch) -> Made:
        """Keep the note, unless there is one of this size."""
        known = checkpoints.c
        there = (
            await batch.execute(select(known.note, known.at).where(known.size == self._checkpoint.size))
        ).one_or_none()
        if there is not None:
            return Made(self._checkpoint, there.note, there.at, fresh=False)
        row = {"size": self._checkpoint.size, "at": batch.now, "root": self._checkpoint.root, "note": self._note}
        batch.insert(checkpoints, row)
        return Made(self._checkpoint, self._note, batch.now, fresh=True)


async def make_checkpoint(store: Store, key: Ed25519PrivateKey, file: Path) -> Made | None:
    """Sign the log as it stands, keep the note in the database and append it to `file`; None while the log is empty.

    Nothing is added where the newest checkpoint says the same. Raises `StoreError`.
    """
    async with store.read() as connection:
        state = (await connection.execute(select(log_state.c.size, log_state.c.frontier, log_state.c.origin))).one()
    if state.size == 0:
        return None
    try:
        root = Frontier.unpack(state.size, state.frontier).root()
    except ValueError as error:
        raise StoreError(DAMAGED, DAMAGED_MEND) from error
    checkpoint = Checkpoint(state.origin, state.size, root)
    made = await store.committer.submit(_Keep(checkpoint, sign(checkpoint, key)))
    try:
        await asyncio.to_thread(_append, file, made.note)
    except OSError as error:
        raise store_error(error) from error
    return made


def _append(file: Path, note: str) -> None:
    """Add a note at the end, unless it is there; a note that a crash cut short is cut off."""
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        raw = stream.read()
        notes, rest = split_notes(raw.decode("utf-8", "surrogateescape"))
        if notes and notes[-1] == note:
            return
        torn = rest.encode("utf-8", "surrogateescape")
        # more than a note is no crash but damage, which `verify` has to see
        at = len(raw) - len(torn) if len(torn) <= TORN else len(raw)
        stream.seek(at)
        stream.truncate()
        stream.write(("\n" if at else "").encode() + note.encode())
        stream.flush()
        os.fsync(stream.fileno())
