"""The Merkle tree against pymerkle, which others wrote, at every small size."""

from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion

from gateway.model import merkle
from gateway.model.merkle import BLOCK, Frontier, leaf_hash, subtree_hash

LEAVES = [f"leaf {i}".encode() for i in range(700)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


@pytest.fixture(scope="module")
def judge() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for leaf in LEAVES:
        tree.append_entry(leaf)
    return tree


class Reader:
    """Leaf and block hashes as the database has them, and how many were read."""

    def __init__(self, hashes: list[bytes]) -> None:
        self.hashes = hashes
        self.blocks: dict[int, bytes] = {}
        self.reads = 0
        frontier = Frontier()
        for number, leaf in enumerate(hashes):
            block = frontier.append(leaf)
            if block is not None:
                self.blocks[number // BLOCK] = block

    def subtree(self, first: int, last: int) -> bytes:
        return subtree_hash(first, last, self.leaf, self.block)

    def leaf(self, number: int) -> bytes:
        self.reads += 1
        return self.hashes[number]

    def block(self, number: int) -> bytes:
        self.reads += 1
        return self.blocks[number]


def frontier_of(size: int) -> Frontier:
    frontier = Frontier()
    for leaf in HASHES[:size]:
        frontier.append(leaf)
    return frontier


def test_hashes_are_those_of_rfc_6962() -> None:
    """The leaf of the empty string and the empty tree, as RFC 6962's own test vectors have them."""
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert Frontier().root() == hashlib.sha256().digest()


def test_root_is_pymerkles_at_every_size(judge: InmemoryTree) -> None:
    frontier = Frontier()
    for size, leaf in enumerate(HASHES, 1):
        frontier.append(leaf)
        assert frontier.root() == judge.get_root(size)


def test_blocks_are_complete_subtrees_of_256_leaves(judge: InmemoryTree) -> None:
    frontier, blocks = Frontier(), []
    for leaf in HASHES:
        block = frontier.append(leaf)
        if block is not None:
            blocks.append((frontier.size, block))
    assert [size for size, _ in blocks] == [256, 512]
    assert blocks[0][1] == judge.get_root(256)


def test_frontier_survives_being_stored() -> None:
    frontier = frontier_of(699)
    again = Frontier.unpack(699, frontier.pack())
    assert again.append(HASHES[699]) == frontier.append(HASHES[699])
    assert again.root() == frontier.root()
    for size, packed in ((698, frontier_of(699).pack()), (-1, b""), (1, b"x" * 31)):
        with pytest.raises(ValueError, match="frontier"):
            Frontier.unpack(size, packed)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 255, 256, 257, 511, 512, 513, 600, 700])
def test_inclusion_proofs_are_pymerkles(judge: InmemoryTree, size: int) -> None:
    reader, root = Reader(HASHES), frontier_of(size).root()
    for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        path = merkle.inclusion_proof(index, size, reader.subtree)
        theirs = judge.prove_inclusion(index + 1, size)
        assert path == [step if isinstance(step, bytes) else bytes.fromhex(step) for step in their_path(theirs)][1:]
        assert merkle.root_from_inclusion(index, size, HASHES[index], path) == root
        verify_inclusion(HASHES[index], root, theirs)


@pytest.mark.parametrize(
    ("old", "new"), [(1, 1), (1, 2), (3, 7), (4, 8), (255, 256), (256, 700), (300, 699), (513, 700)]
)
def test_consistency_proofs_hold_in_both_implementations(judge: InmemoryTree, old: int, new: int) -> None:
    path = merkle.consistency_proof(old, new, Reader(HASHES).subtree)
    old_root, new_root = frontier_of(old).root(), frontier_of(new).root()
    assert merkle.consistent(old, new, old_root, new_root, path)
    verify_consistency(old_root, new_root, judge.prove_consistency(old, new))
    if old < new:
        assert not merkle.consistent(old, new, os.urandom(32), new_root, path)
        assert not merkle.consistent(old, new, old_root, os.urandom(32), path)
        assert not merkle.consistent(old, new, old_root, new_root, [*path, os.urandom(32)])
        assert not merkle.consistent(old, new, old_root, new_root, path[:-1])


@given(st.data())
def test_any_proof_verifies_and_no_other_leaf_does(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 700))
    index = data.draw(st.integers(0, size - 1))
    reader = Reader(HASHES[:size])
    path = merkle.inclusion_proof(index, size, reader.subtree)
    root = frontier_of(size).root()
    assert merkle.root_from_inclusion(index, size, HASHES[index], path) == root
    assert merkle.root_from_inclusion(index, size, os.urandom(32), path) != root
    if path:
        with pytest.raises(ValueError, match="audit path"):
            merkle.root_from_inclusion(index, size, HASHES[index], path[:-1])
    with pytest.raises(ValueError, match="audit path"):
        merkle.root_from_inclusion(index, size, HASHES[index], [*path, os.urandom(32)])
    old = data.draw(st.integers(1, size))
    steps = merkle.consistency_proof(old, size, reader.subtree)
    assert merkle.consistent(old, size, frontier_of(old).root(), root, steps)


def test_a_proof_reads_a_bounded_number_of_hashes() -> None:
    """One leaf at a time within its own block, whole blocks beyond: never the 700 leaves."""
    reader = Reader(HASHES)
    merkle.inclusion_proof(300, 700, reader.subtree)
    assert reader.reads <= 2 * BLOCK


def test_proofs_of_what_is_not_there_are_refused() -> None:
    reader = Reader(HASHES)
    for index, size in ((5, 5), (-1, 5)):
        with pytest.raises(ValueError, match="no such leaf"):
            merkle.inclusion_proof(index, size, reader.subtree)
        with pytest.raises(ValueError, match="no such leaf"):
            merkle.root_from_inclusion(index, size, HASHES[0], [])
    for old, new in ((0, 5), (6, 5)):
        with pytest.raises(ValueError, match="no such size"):
            merkle.consistency_proof(old, new, reader.subtree)
        assert not merkle.consistent(old, new, HASHES[0], HASHES[0], [])


def their_path(proof: object) -> list[bytes]:
    return list(proof.path)  # type: ignore[attr-defined]
