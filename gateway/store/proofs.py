"""Inclusion and consistency proofs out of the kept hashes: a few hundred rows are read, however long the log is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from weakref import WeakKeyDictionary

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound, StoreError
from gateway.model import merkle
from gateway.model.merkle import BLOCK, BLOCK_LEVEL, node_hash
from gateway.store.engine import Store
from gateway.store.evidence_log import DAMAGED, DAMAGED_MEND
from gateway.store.tables import log, log_block
from gateway.text import Text

_NO_RECORD = Text("記録 {seq} はありません。", "There is no record {seq}.")
_NO_SIZE = Text("ログは {size} 件ありません。", "The log does not have {size} records.")


class Prover:
    """Gives proofs; the hashes of blocks and of what lies above them stay in memory and are read once.

    40 bytes or so a hash: a log of a million records has 3,906 blocks.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._levels: list[list[bytes]] = [[]]  # level n: the subtrees of BLOCK << n leaves

    async def inclusion(self, seq: int, size: int) -> list[bytes]:
        """The audit path of record `seq` in the log of the first `size` records (RFC 6962 §2.1.1), lowest first.

        Raises `NotFound` where there is no such record, `StoreError` where the kept hashes have gaps.
        """
        if not 0 <= seq < size:
            raise NotFound(_NO_RECORD.with_(seq=seq))
        async with self._store.read() as connection:
            hashes = await self._hashes(connection, size, (seq, size))
        return merkle.inclusion_proof(seq, size, hashes.subtree)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the log of `new` records begins with that of `old` (RFC 6962 §2.1.2)."""
        if not 0 < old <= new:
            raise NotFound(_NO_SIZE.with_(size=old))
        async with self._store.read() as connection:
            hashes = await self._hashes(connection, new, (old, new))
        return merkle.consistency_proof(old, new, hashes.subtree)

    async def root(self, size: int) -> bytes:
        """The root hash of the log of the first `size` records. Raises as `inclusion`."""
        if size == 0:
            return merkle.EMPTY_ROOT
        async with self._store.read() as connection:
            hashes = await self._hashes(connection, size, (size,))
        return hashes.subtree(0, size)

    async def _hashes(self, connection: AsyncConnection, size: int, near: Iterable[int]) -> _Hashes:
        """What a proof in a log of `size` records needs: the leaves of the blocks around `near`, and all blocks."""
        if len(self._levels[0]) < size // BLOCK:
            await self._read_blocks(connection)
        if len(self._levels[0]) < size // BLOCK:
            raise StoreError(DAMAGED, DAMAGED_MEND)
        ranges = {at // BLOCK * BLOCK for at in near}
        within = [log.c.seq.between(first, min(first + BLOCK, size) - 1) for first in ranges if first < size]
        leaves: dict[int, bytes] = {}
        if within:
            rows = await connection.execute(select(log.c.seq, log.c.leaf).where(or_(*within)))
            leaves = {row.seq: row.leaf for row in rows}
        if len(leaves) != sum(min(first + BLOCK, size) - first for first in ranges if first < size):
            raise NotFound(_NO_SIZE.with_(size=size))
        return _Hashes(leaves, self._levels)

    async def _read_blocks(self, connection: AsyncConnection) -> None:
        blocks = self._levels[0]
        first = len(blocks)
        ends = select(func.count(), func.max(log_block.c.block)).where(log_block.c.block >= first)
        count, last = (await connection.execute(ends)).one()
        if count and last != first + count - 1:
            raise StoreError(DAMAGED, DAMAGED_MEND)
        page = select(log_block.c.hash).where(log_block.c.block.between(first, first + count - 1))
        hashes = (await connection.execute(page.order_by(log_block.c.block))).scalars().all()
        if len(blocks) == first:  # nobody else read them meanwhile
            blocks += hashes
        self._raise_levels()

    def _raise_levels(self) -> None:
        """Hash pairs of complete subtrees, level by level, those alone that are new."""
        below, level = self._levels[0], 1
        while len(below) > 1:
            if level == len(self._levels):
                self._levels.append([])
            here = self._levels[level]
            here += [node_hash(below[2 * i], below[2 * i + 1]) for i in range(len(here), len(below) // 2)]
            below, level = here, level + 1


class _Hashes:
    def __init__(self, leaves: Mapping[int, bytes], levels: Sequence[Sequence[bytes]]) -> None:
        self._leaves = leaves
        self._levels = levels

    def subtree(self, first: int, last: int) -> bytes:
        """The hash over leaves `first` … `last - 1`."""
        count = last - first
        if count == 1:
            return self._leaves[first]
        if count >= BLOCK and count & (count - 1) == 0 and first % count == 0:
            return self._levels[count.bit_length() - 1 - BLOCK_LEVEL][first // count]
        middle = first + (1 << (count - 1).bit_length() - 1)
        return node_hash(self.subtree(first, middle), self.subtree(middle, last))


_provers: WeakKeyDictionary[Store, Prover] = WeakKeyDictionary()


def prover(store: Store) -> Prover:
    """The store's prover: whoever asks for proofs one by one reads the blocks once all the same."""
    return _provers.setdefault(store, Prover(store))


async def inclusion(store: Store, seq: int, size: int) -> list[bytes]:
    """One audit path, as `Prover.inclusion`."""
    return await prover(store).inclusion(seq, size)


async def consistency(store: Store, old: int, new: int) -> list[bytes]:
    """One consistency proof, as `Prover.consistency`."""
    return await prover(store).consistency(old, new)


async def leaf(store: Store, seq: int) -> bytes:
    """The leaf hash of a record; raises `NotFound`."""
    async with store.read() as connection:
        found: bytes | None = await connection.scalar(select(log.c.leaf).where(log.c.seq == seq))
    if found is None:
        raise NotFound(_NO_RECORD.with_(seq=seq))
    return found
