"""Making checkpoints: the log's root hash, signed, kept in the database and in a plain text file beside it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from gateway.errors import Refused, StoreError
from gateway.evidence.key_chain import KIND, exchange_record
from gateway.evidence.key_files import Keys, load_keys, new_keys, sign_ecdsa, take_over, to_base64, write_new
from gateway.evidence.note import TORN, Checkpoint, sign, split_notes
from gateway.model.merkle import Frontier
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.evidence_log import DAMAGED, DAMAGED_MEND
from gateway.store.failures import store_error
from gateway.store.tables import checkpoint as checkpoints
from gateway.store.tables import log, log_state
from gateway.text import Text


@dataclass(frozen=True, slots=True)
class Made:
    """A checkpoint that was made: what it says, its signed note, and when (UTC). `fresh` is no where it was there."""

    checkpoint: Checkpoint
    note: str
    at: datetime
    fresh: bool


class Retired(Refused):
    """The key was exchanged for another one: what it signs from now on counts for nothing."""


class _Keep:
    def __init__(self, checkpoint: Checkpoint, note: str, ecdsa: bytes | None, key: Ed25519PrivateKey) -> None:
        self._checkpoint = checkpoint
        self._note = note
        self._ecdsa = ecdsa
        self._key = to_base64(key.public_key().public_bytes_raw())

    async def apply(self, batch: Batch) -> Made:
        """Keep the note, unless there is one of this size; raises `Retired`."""
        rows = await batch.execute(select(log.c.record).where(log.c.kind == KIND))
        if any(_retires(record, self._key) for record in rows.scalars()):
            raise Retired(_RETIRED)
        known = checkpoints.c
        there = (
            await batch.execute(select(known.note, known.at).where(known.size == self._checkpoint.size))
        ).one_or_none()
        if there is not None:
            return Made(self._checkpoint, there.note, there.at, fresh=False)
        row = {"size": self._checkpoint.size, "at": batch.now, "root": self._checkpoint.root, "note": self._note}
        batch.insert(checkpoints, {**row, "ecdsa": self._ecdsa})
        return Made(self._checkpoint, self._note, batch.now, fresh=True)


class _Exchange:
    """Unit: the record by which keys come into use; gives its number, None where the first ones are on record."""

    def __init__(self, origin: str, old: Keys | None, new: Keys) -> None:
        self._record = exchange_record(origin, old, new)
        self._old = self._record["old"]

    async def apply(self, batch: Batch) -> int | None:
        rows = (await batch.execute(select(log.c.record).where(log.c.kind == KIND))).scalars().all()
        if self._old is None:
            new = self._record["new"]["ed25519"]
            if any(new in (record or "") for record in rows):
                return None
        elif any(_retires(record, self._old["ed25519"]) for record in rows):
            raise Retired(_RETIRED)
        return batch.append(KIND, self._record)


async def seal(store: Store, key_file: Path, file: Path) -> Made | None:
    """Make a checkpoint with the shop's keys, which are read anew each time and put on record at their first use.

    As `make_checkpoint`; raises `StoreError`.
    """
    for _ in range(2):
        keys = await asyncio.to_thread(load_keys, key_file)
        try:
            await _announce(store, keys)
            return await make_checkpoint(store, keys.ed25519, file, keys.ecdsa)
        except Retired:
            # another process exchanged the keys, or died while it did
            await asyncio.to_thread(take_over, key_file)
    raise StoreError(_RETIRED, _RETIRED_MEND)


async def rotate(store: Store, key_file: Path, file: Path) -> int:
    """Seal the log with the present keys, then exchange them for new ones on record; gives the number of that record.

    The old keys sign the new ones and are gone afterwards. Raises `StoreError`.
    """
    await seal(store, key_file, file)
    old, new = await asyncio.to_thread(load_keys, key_file), new_keys()
    await asyncio.to_thread(write_new, key_file, new)
    seq = await store.committer.submit(_Exchange(await origin_of(store), old, new))
    await asyncio.to_thread(take_over, key_file)
    await seal(store, key_file, file)
    if seq is None:
        raise StoreError(_RETIRED, _RETIRED_MEND)
    return seq


async def origin_of(store: Store) -> str:
    """The log's name. Raises `StoreError`."""
    async with store.read() as connection:
        origin: str = (await connection.execute(select(log_state.c.origin))).scalar_one()
    return origin


async def make_checkpoint(
    store: Store, key: Ed25519PrivateKey, file: Path, ecdsa: EllipticCurvePrivateKey | None = None
) -> Made | None:
    """Sign the log as it stands, keep the note in the database and append it to `file`; None while the log is empty.

    `ecdsa` signs the whole note besides. Nothing is added where the newest checkpoint says the same. Raises
    `StoreError`, `Retired` where the key was exchanged for another one.
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
    note = sign(checkpoint, key)
    detached = sign_ecdsa(ecdsa, note) if ecdsa is not None else None
    made = await store.committer.submit(_Keep(checkpoint, note, detached, key))
    try:
        await asyncio.to_thread(_append, file, made.note)
    except OSError as error:
        raise store_error(error) from error
    return made


async def _announce(store: Store, keys: Keys) -> None:
    """Put keys on record that no record names yet."""
    told = keys.public.told["ed25519"]
    async with store.read() as connection:
        rows = (await connection.execute(select(log.c.record).where(log.c.kind == KIND))).scalars().all()
    if any(told in (record or "") for record in rows):
        return
    await store.committer.submit(_Exchange(await origin_of(store), None, keys))


def _retires(record: str | None, ed25519: str) -> bool:
    old = json.loads(record)["old"] if record else None
    return old is not None and old["ed25519"] == ed25519


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


_RETIRED = Text(
    "この署名鍵は、記録の上ではすでに新しい鍵に替わっています。",
    "On record this signing key was exchanged for another one.",
)
_RETIRED_MEND = Text(
    "新しい鍵のファイルを、バックアップから戻してください。", "Go back to a backup of the newer key file."
)
