"""What a bundle is made of: checkpoints, keys, anchors, and for each record its leaf, salt, text and proofs.

Everything here only reads, except `checkpoint_now` and the units in `gateway.store.audit`. What belongs to a bundle
is found by `gateway.store.selection` (`Selection`, `messages_of`, `calls_of`) and `gateway.store.cases` (`find_case`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound, StoreError
from gateway.evidence.checkpoint import origin_of, seal
from gateway.evidence.key_chain import KIND as KEYS
from gateway.evidence.key_chain import KeyRing, Term, read_exchanges
from gateway.evidence.key_files import PublicKeys, load_keys
from gateway.evidence.note import Checkpoint, parse, verifier_key
from gateway.evidence.walk import Deletions
from gateway.model.merkle import root_from_inclusion
from gateway.model.record import bare_leaf_text
from gateway.store.engine import Store
from gateway.store.evidence_log import DAMAGED, DAMAGED_MEND
from gateway.store.proofs import Prover
from gateway.store.tables import anchor, log
from gateway.store.tables import checkpoint as checkpoints
from gateway.text import Text

_PAGE = 1000
_CHUNK = 500
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


@dataclass(frozen=True, slots=True)
class AnchorMaterial:
    """What somebody outside said about a checkpoint.

    `kind` rfc3161: `target` is the authority's URL, `request` and `response` are DER as sent and received, `authority`
    the certificates (PEM) that it was judged by, `stamped_at` its time: check with
    `openssl ts -verify -data NOTE -in RESPONSE -CAfile AUTHORITY -attime SECONDS`, because without `-attime` the check
    fails once the authority's certificate has expired. `kind` mail: `target` are the addresses, `message` is the id
    of the mail. `seq` is its record in the log.
    """

    id: str
    seq: int
    kind: str
    size: int
    at: datetime
    target: str
    note: str
    request: bytes | None
    response: bytes | None
    stamped_at: datetime | None
    authority: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of the log; `salt`, `record` and `text` are None where it was deleted, `leaf` stays.

    `record` is the canonical JSON as it was hashed; `text` the leaf that `leaf` is the hash of:
    SHA-256(0x00 ‖ text). `message` is the exchange that it is about.
    """

    seq: int
    at: datetime
    kind: str
    leaf: bytes
    salt: bytes | None
    record: str | None
    message: str | None

    @property
    def text(self) -> bytes | None:
        """The leaf `sekisho/1 SEQ UTC-TIME KIND sha256(SALT32 ‖ RECORD)`."""
        if self.salt is None or self.record is None:
            return None
        digest = hashlib.sha256(self.salt + self.record.encode()).hexdigest()
        return bare_leaf_text(self.seq, self.at, self.kind, digest)

    @property
    def said(self) -> dict[str, Any] | None:
        """The record parsed."""
        found: dict[str, Any] | None = json.loads(self.record) if self.record is not None else None
        return found


@dataclass(frozen=True, slots=True)
class Proven:
    """A record and its audit path to the root of the first `size` records, lowest first."""

    record: LogRecord
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A record `deletion`: which records (inclusive ranges) were emptied, by which rule, and who said so.

    `rule` is `retention` or `erasure`; `counts` are numbers by kind of record, `messages` and `bodies` among them.
    """

    seq: int
    at: datetime
    rule: str
    reason: str
    operator: str
    records: tuple[tuple[int, int], ...]
    counts: dict[str, int]


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


async def anchors(store: Store) -> tuple[AnchorMaterial, ...]:
    """Every anchor, smallest checkpoint first."""
    async with store.read() as connection:
        rows = await connection.execute(select(anchor).order_by(anchor.c.size, anchor.c.at, anchor.c.id))
        return tuple(AnchorMaterial(**row._mapping) for row in rows)


async def records(store: Store, seqs: Sequence[int]) -> tuple[LogRecord, ...]:
    """These records, in order of their numbers; raises `NotFound` where one is missing."""
    wanted = sorted(set(seqs))
    found: list[LogRecord] = []
    async with store.read() as connection:
        for start in range(0, len(wanted), _CHUNK):
            some = select(log).where(log.c.seq.in_(wanted[start : start + _CHUNK])).order_by(log.c.seq)
            found += [LogRecord(**row._mapping) for row in await connection.execute(some)]
    if len(found) != len(wanted):
        missing = min(set(wanted) - {one.seq for one in found})
        raise NotFound(Text("記録 {seq} はありません。", "There is no record {seq}.").with_(seq=missing))
    return tuple(found)


async def records_about(store: Store, messages: Sequence[str]) -> tuple[LogRecord, ...]:
    """Every record about these exchanges or calls: received, judged, delivered, held, answered."""
    found: list[LogRecord] = []
    async with store.read() as connection:
        for start in range(0, len(messages), _CHUNK):
            some = select(log).where(log.c.message.in_(messages[start : start + _CHUNK]))
            found += [LogRecord(**row._mapping) for row in await connection.execute(some)]
    return tuple(sorted(found, key=lambda one: one.seq))


async def records_between(store: Store, first: int, last: int, kinds: Sequence[str] = ()) -> AsyncIterator[LogRecord]:
    """The records `first` … `last - 1`, of some kinds or of all, a page at a time: memory does not grow."""
    at = first
    while at < last:
        page = select(log).where(log.c.seq >= at, log.c.seq < last).order_by(log.c.seq).limit(_PAGE)
        async with store.read() as connection:
            rows = (await connection.execute(page.where(log.c.kind.in_(kinds)) if kinds else page)).all()
        for row in rows:
            yield LogRecord(**row._mapping)
        if len(rows) < _PAGE:
            return
        at = rows[-1].seq + 1


async def leaf_hashes(store: Store, first: int, last: int) -> bytes:
    """The leaf hashes of the records `first` … `last - 1` one after the other, 32 bytes each: the whole log to rebuild
    its root from, without any of its content."""
    found = bytearray()
    async with store.read() as connection:
        for start in range(first, last, 10_000):
            end = min(start + 10_000, last)
            page = select(log.c.leaf).where(log.c.seq >= start, log.c.seq < end).order_by(log.c.seq)
            found += b"".join((await connection.execute(page)).scalars())
    if len(found) != 32 * (last - first):
        raise StoreError(DAMAGED, DAMAGED_MEND)
    return bytes(found)


async def seqs_between(store: Store, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """The first record logged at or after `since`, and the first at or after `until`; times of the log never run
    backwards, so that these are the bounds for `records_between`."""
    async with store.read() as connection:
        size = await _size(connection)
        low = 0 if since is None else await _first_at(connection, since, size)
        return low, size if until is None else await _first_at(connection, until, size)


async def proofs(store: Store, seqs: Sequence[int], checkpoint: SealedCheckpoint) -> tuple[Proven, ...]:
    """These records with their audit paths, each checked against the checkpoint's root.

    Raises `NotFound` where a record is not sealed by it, `StoreError` where a path does not lead to the root.
    """
    size, root = checkpoint.checkpoint.size, checkpoint.checkpoint.root
    prover = Prover(store)
    made = []
    for one in await records(store, seqs):
        path = tuple(await prover.inclusion(one.seq, size))
        if root_from_inclusion(one.seq, size, one.leaf, path) != root:
            raise StoreError(DAMAGED, DAMAGED_MEND)
        made.append(Proven(one, size, path))
    return tuple(made)


async def consistencies(store: Store, sizes: Sequence[int]) -> tuple[tuple[int, int, tuple[bytes, ...]], ...]:
    """(old, new, proof) for each two neighbours of these sizes of the log: it only grew from one to the next."""
    prover = Prover(store)
    wanted = sorted({size for size in sizes if size > 0})
    return tuple([(old, new, tuple(await prover.consistency(old, new))) for old, new in pairwise(wanted)])


async def deletions(store: Store) -> tuple[Deletion, ...]:
    """Every record of a deletion, in order."""
    async with store.read() as connection:
        rows = await connection.execute(select(log).where(log.c.kind == "deletion").order_by(log.c.seq))
        return tuple(_deletion(LogRecord(**row._mapping)) for row in rows)


def covered(found: Sequence[Deletion]) -> Deletions:
    """Which numbers these deletions cover: `seq in covered(…)`."""
    return Deletions((one.seq, json.dumps({"records": one.records})) for one in found)


def _sealed(row: Any) -> SealedCheckpoint:
    return SealedCheckpoint(parse(row.note), row.at, row.note, row.ecdsa)


def _deletion(one: LogRecord) -> Deletion:
    said = one.said or {}
    return Deletion(
        one.seq,
        one.at,
        str(said.get("rule", "")),
        str(said.get("reason", "")),
        str(said.get("operator", "")),
        tuple((int(first), int(last)) for first, last in said.get("records", ())),
        {str(name): int(count) for name, count in said.get("counts", {}).items()},
    )


async def _size(connection: AsyncConnection) -> int:
    last = await connection.scalar(select(log.c.seq).order_by(log.c.seq.desc()).limit(1))
    return 0 if last is None else last + 1


async def _first_at(connection: AsyncConnection, at: datetime, size: int) -> int:
    """The first record at or after a time, by halving: there is no index on the time alone."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        there = await connection.scalar(select(log.c.at).where(log.c.seq == middle))
        if there is not None and there < at:
            low = middle + 1
        else:
            high = middle
    return low
