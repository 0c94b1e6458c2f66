"""Records with their audit paths, and proofs that the log only grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.errors import StoreError
from gateway.evidence.log_records import LogRecord, records
from gateway.evidence.sealed import SealedCheckpoint
from gateway.model.merkle import root_from_inclusion
from gateway.store.engine import Store
from gateway.store.evidence_log import DAMAGED, DAMAGED_MEND
from gateway.store.proofs import Prover


@dataclass(frozen=True, slots=True)
class Proven:
    """A record and its audit path to the root of the first `size` records, lowest first."""

    record: LogRecord
    size: int
    path: tuple[bytes, ...]


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
