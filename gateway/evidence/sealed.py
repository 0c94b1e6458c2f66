"""Signed checkpoints and the keys that sign them, as a bundle and the command hand them out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gateway.errors import NotFound
from gateway.evidence.checkpoint import origin_of, seal
from gateway.evidence.key_chain import KIND as KEYS
from gateway.evidence.key_chain import KeyRing, Term, read_exchanges
from gateway.evidence.key_files import PublicKeys, load_keys
from gateway.evidence.note import Checkpoint, parse, verifier_key
from gateway.store.engine import Store
from gateway.store.tables import checkpoint as checkpoints
from gateway.store.tables import log
from gateway.text import Text

_NONE = Text("チェックポイントはまだありません。", "There is no checkpoint yet.")


@dataclass(frozen=True, slots=True)
class SealedCheckpoint:
    """A checkpoint: `note` is the signed text, one file for every check.

    `openssl dgst -sha256 -verify ecdsa.pem -signature FILE note` checks `ecdsa` (DER; None where there was no such key
    yet), a time stamp is over the same bytes. `checkpoint.size` records are sealed: those with a number below it.
    """

    checkpoint: Checkpoint
    at: datetime
    note: str
    ecdsa: bytes | None

    @property
    def file(self) -> bytes:
        """The note's bytes, as they are signed by ECDSA and stamped."""
        return self.note.encode()


async def checkpoint_now(store: Store, key_file: Path, notes_file: Path) -> SealedCheckpoint:
    """Seal everything that is on record now; the paths are those of `gateway.ops.places.checkpoint_files`.

    Raises `StoreError`, `NotFound` where the log is empty.
    """
    await seal(store, key_file, notes_file)
    found = await newest_checkpoint(store)
    if found is None:
        raise NotFound(_NONE)
    return found


async def newest_checkpoint(store: Store) -> SealedCheckpoint | None:
    """The checkpoint that seals the most; None where there is none yet."""
    async with store.read() as connection:
        row = (await connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1))).first()
    return _sealed(row) if row is not None else None


async def checkpoints_from(store: Store, size: int = 0) -> tuple[SealedCheckpoint, ...]:
    """The checkpoints that seal at least `size` records, smallest first."""
    statement = select(checkpoints).where(checkpoints.c.size >= size).order_by(checkpoints.c.size)
    async with store.read() as connection:
        return tuple(_sealed(row) for row in await connection.execute(statement))


async def public_keys(store: Store, key_file: Path) -> tuple[Term, ...]:
    """The shop's keys, each with the sizes of log that it may seal, in the order of use; the last one is in use.

    `term.introduced` holds what old and new keys signed when they were exchanged: `statement` (the signed text) and
    `signatures` by `old.ed25519`, `old.ecdsa`, `new.ed25519`, `new.ecdsa` in Base64. Keys of other gateways on the
    same database are not among them. Raises `StoreError`, `Broken` where an exchange is not signed as it must be.
    """
    own = (await asyncio.to_thread(load_keys, key_file)).public
    async with store.read() as connection:
        rows = await connection.execute(select(log.c.seq, log.c.record).where(log.c.kind == KEYS).order_by(log.c.seq))
        records = [(row.seq, row.record) for row in rows]
    return KeyRing([own], read_exchanges(records, await origin_of(store))).terms


async def key_files(store: Store, keys: PublicKeys) -> dict[str, bytes]:
    """Public keys as files: `ed25519.pem`, `ecdsa.pem` (empty where there is none), `verifier.txt` for C2SP tools."""
    name = verifier_key(await origin_of(store), keys.ed25519)
    return {"ed25519.pem": keys.ed25519_pem, "ecdsa.pem": keys.ecdsa_pem, "verifier.txt": f"{name}\n".encode()}


def _sealed(row: Any) -> SealedCheckpoint:
    return SealedCheckpoint(parse(row.note), row.at, row.note, row.ecdsa)
