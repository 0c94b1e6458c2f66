"""What the shipped verifier computes by itself agrees with libraries that others wrote."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.casefile.shipped import verify
from gateway.model.merkle import Frontier, leaf_hash


@pytest.mark.parametrize("length", [0, 1, 100])
def test_ed25519_agrees_with_cryptography(length: int) -> None:
    key, text = Ed25519PrivateKey.generate(), os.urandom(length)
    public, signature = key.public_key().public_bytes_raw(), key.sign(text)
    assert verify.ed25519_verify(public, text, signature)
    assert not verify.ed25519_verify(public, text + b"x", signature)
    assert not verify.ed25519_verify(public, text, bytes([signature[0] ^ 1]) + signature[1:])
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert not verify.ed25519_verify(other, text, signature)


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64])
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert not verify.ed25519_verify(public, b"x", signature)
    assert not verify.ed25519_verify(b"short", b"x", signature)


class _Leaves(verify.Bundle):
    def __init__(self, lines: list[str]) -> None:
        self._content = "".join(f"{line}\n" for line in lines).encode()

    def read(self, name: str) -> bytes:
        return self._content


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 700, 1025])
def test_roots_agree_with_the_log(size: int) -> None:
    lines = [f"sekisho/1 {seq} 2026-01-01T00:00:00.000000Z mail.in {seq:064x}" for seq in range(size)]
    found = verify.Findings()
    log, frontier = verify.Log(_Leaves(lines), found), Frontier()
    for at, line in enumerate(lines, 1):
        frontier.append(leaf_hash(line.encode()))
        if at in (1, 2, 255, 256, 257, size):
            assert log.root(at) == frontier.root()
    assert found.faults == []
