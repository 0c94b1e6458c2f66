"""Proofs out of kept hashes: pymerkle computes the same roots, and every proof leads to them."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pymerkle
import pytest
from sqlalchemy import delete, select

from gateway.errors import NotFound, StoreError
from gateway.evidence.log_records import leaf_hashes, records_between
from gateway.model import merkle
from gateway.model.merkle import consistent, root_from_inclusion
from gateway.store import proofs
from gateway.store.engine import Store
from gateway.store.proofs import Prover
from gateway.store.tables import log_block
from tests.integration.databases import store as store
from tests.integration.stores import Work, note

SIZES = (1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1023, 1025, 1100)


async def fill(store: Store, count: int) -> None:
    await asyncio.gather(*[store.committer.submit(note(str(number))) for number in range(count)])


async def test_roots_are_those_of_pymerkle(store: Store) -> None:
    await fill(store, 1100)
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    prover, roots = Prover(store), {}
    wanted = set(SIZES)
    async for record in records_between(store, 0, 1100):
        assert record.text is not None
        assert merkle.leaf_hash(record.text) == record.leaf
        tree.append_entry(record.text)
        if record.seq + 1 in wanted:
            roots[record.seq + 1] = tree.get_root()
    for size in SIZES:
        assert await prover.root(size) == roots[size], size


async def test_every_proof_leads_to_the_root(store: Store) -> None:
    await fill(store, 1100)
    leaves = await leaf_hashes(store, 0, 1100)
    prover, chance = Prover(store), random.Random(1)
    for size in SIZES:
        root = await prover.root(size)
        for seq in {0, size - 1, size // 2, chance.randrange(size), min(255, size - 1), min(256, size - 1)}:
            path = await prover.inclusion(seq, size)
            assert len(path) <= 11
            assert root_from_inclusion(seq, size, leaves[32 * seq : 32 * seq + 32], path) == root
    for old, new in pairwise(SIZES):
        assert consistent(old, new, await prover.root(old), await prover.root(new), await prover.consistency(old, new))
    assert await prover.consistency(700, 700) == []
    assert await proofs.inclusion(store, 5, 700) == await prover.inclusion(5, 700)
    assert await proofs.consistency(store, 5, 700) == await prover.consistency(5, 700)
    assert await proofs.leaf(store, 5) == leaves[160:192]


async def test_a_prover_goes_on_with_a_growing_log(store: Store) -> None:
    prover = Prover(store)
    for _ in range(3):
        await fill(store, 400)
        async with store.read() as connection:
            size = len((await connection.execute(select(proofs.log.c.seq))).all())
        assert await prover.root(size) == await Prover(store).root(size)


async def test_what_is_not_there_is_named(store: Store) -> None:
    await fill(store, 300)
    for seq, size in ((300, 300), (-1, 3), (0, 301), (5, 3)):
        with pytest.raises((NotFound, StoreError)):
            await proofs.inclusion(store, seq, size)
    for old, new in ((0, 3), (4, 3), (3, 301)):
        with pytest.raises((NotFound, StoreError)):
            await proofs.consistency(store, old, new)
    with pytest.raises(NotFound):
        await proofs.leaf(store, 300)

    async def lose(batch: object) -> None:
        await batch.execute(delete(log_block))  # type: ignore[attr-defined]

    await store.committer.submit(Work(lose))
    with pytest.raises(StoreError):
        await Prover(store).inclusion(3, 300)
