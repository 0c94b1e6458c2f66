"""The Merkle tree of the evidence log (RFC 6962 §2.1): hashes, roots, inclusion and consistency proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

BLOCK = 256  # leaves whose common hash is kept, so that a proof reads few rows
BLOCK_LEVEL = 8  # BLOCK == 2 ** BLOCK_LEVEL

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's text (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side (RFC 6962 §2.1)."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The perfect subtrees that a log of `size` leaves falls into, largest first: all that appending needs to know."""

    size: int = 0
    hashes: list[bytes] = field(default_factory=list)

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Frontier:
        """A frontier out of its stored form; ValueError where the two cannot belong together."""
        if size < 0 or len(packed) != 32 * size.bit_count():
            raise ValueError("frontier does not fit the size of the log")
        return cls(size, [packed[i : i + 32] for i in range(0, len(packed), 32)])

    def pack(self) -> bytes:
        """The hashes one after the other."""
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> bytes | None:
        """Take in the hash of the next leaf; returns the hash of the block of 256 that it completes, if it does."""
        subtree, rest, level, block = leaf, self.size, 0, None
        while rest & 1:
            subtree = node_hash(self.hashes.pop(), subtree)
            rest >>= 1
            level += 1
            if level == BLOCK_LEVEL:
                block = subtree
        self.hashes.append(subtree)
        self.size += 1
        return block

    def root(self) -> bytes:
        """The root hash of the whole log."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


# The hash of the perfect or ragged subtree over leaves first … last-1.
Subtree = Callable[[int, int], bytes]


def subtree_hash(first: int, last: int, leaf: Callable[[int], bytes], block: Callable[[int], bytes]) -> bytes:
    """The hash over leaves `first` … `last - 1` out of leaf hashes and complete block hashes, as few as possible."""
    if last - first == 1:
        return leaf(first)
    if last - first == BLOCK and first % BLOCK == 0:
        return block(first // BLOCK)
    middle = first + _split(last - first)
    return node_hash(subtree_hash(first, middle, leaf, block), subtree_hash(middle, last, leaf, block))


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of leaf `index` in a log of `size` leaves, lowest first (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    path: list[bytes] = []
    first, last = 0, size
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append(subtree(middle, last))
            last = middle
        else:
            path.append(subtree(first, middle))
            first = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """The proof that a log of `new` leaves begins with the log of `old` leaves (RFC 6962 §2.1.2)."""
    if not 0 < old <= new:
        raise ValueError("no such size")
    path: list[bytes] = []
    first, last, whole = 0, new, True  # whole: the old root itself is the subtree that is reached
    while last > old:
        middle = first + _split(last - first)
        if old <= middle:
            path.append(subtree(middle, last))
            last = middle
        else:
            path.append(subtree(first, middle))
            first, whole = middle, False
    if not whole:
        path.append(subtree(first, last))
    return path[::-1]


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to (RFC 9162 §2.1.3.2); ValueError where the path cannot belong to the leaf."""
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    node, rest, left = index, size - 1, leaf
    for sibling in path:
        if rest == 0:
            raise ValueError("audit path is too long")
        if node & 1 or node == rest:
            left = node_hash(sibling, left)
            while not node & 1 and node:
                node >>= 1
                rest >>= 1
        else:
            left = node_hash(left, sibling)
        node >>= 1
        rest >>= 1
    if rest:
        raise ValueError("audit path is too short")
    return left


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a consistency proof holds between two roots (RFC 9162 §2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    node, rest = old - 1, new - 1
    while node & 1:
        node >>= 1
        rest >>= 1
    from_old = from_new = hashes[0]
    for sibling in hashes[1:]:
        if rest == 0:
            return False
        if node & 1 or node == rest:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not node & 1 and node:
                node >>= 1
                rest >>= 1
        else:
            from_new = node_hash(from_new, sibling)
        node >>= 1
        rest >>= 1
    return rest == 0 and from_old == old_root and from_new == new_root


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
