"""Checkpoints as text: the C2SP tlog-checkpoint body in a C2SP signed note with an Ed25519 signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"  # the signature type of the C2SP signed-note format

TORN = 1024  # bytes: what is left of a note that a crash cut short is shorter than this

_NOTE = re.compile(r"((?:[^\n]+\n){3,20})\n((?:— [^\n]+\n){1,20})")
_SIGNATURE = re.compile(r"— (\S+) (\S+)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint says: the log's name, its number of records, and their root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode('ascii')}\n"


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a signed note; the log's name is the key's name, too."""
    signature = key.sign(checkpoint.body.encode())
    told = base64.b64encode(key_id(checkpoint.origin, key.public_key()) + signature).decode("ascii")
    return f"{checkpoint.body}\n— {checkpoint.origin} {told}\n"


def parse(note: str) -> Checkpoint:
    """What a note says, its signature unseen; ValueError where it is no checkpoint."""
    found = _NOTE.fullmatch(note)
    if found is None:
        raise ValueError("not a signed note")
    origin, size, root = found[1].split("\n")[:3]
    if not (size.isascii() and size.isdigit() and len(size) <= 18):
        raise ValueError("not a size")
    try:
        digest = base64.b64decode(root, validate=True)
    except binascii.Error as error:
        raise ValueError("not a root hash") from error
    if len(digest) != 32:
        raise ValueError("not a root hash")
    return Checkpoint(origin, int(size), digest)


def signed_by(note: str, key: Ed25519PublicKey) -> bool:
    """Whether the note bears a good signature by this key under the log's name."""
    body, _, signatures = note.partition("\n\n")
    origin = body.partition("\n")[0]
    for line in signatures.splitlines():
        found = _SIGNATURE.fullmatch(line)
        if found is None or found[1] != origin:
            continue
        try:
            raw = base64.b64decode(found[2], validate=True)
            if raw[:4] == key_id(origin, key):
                key.verify(raw[4:], f"{body}\n".encode())
                return True
        except (binascii.Error, InvalidSignature):
            continue
    return False


def key_id(name: str, key: Ed25519PublicKey) -> bytes:
    """The four bytes by which a signature names its key."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + key.public_bytes_raw()).digest()[:4]


def verifier_key(name: str, key: Ed25519PublicKey) -> str:
    """The public key as C2SP tools take it: `name+id+base64`."""
    told = base64.b64encode(ED25519 + key.public_bytes_raw()).decode("ascii")
    return f"{name}+{key_id(name, key).hex()}+{told}"


def split_notes(text: str) -> tuple[list[str], str]:
    """The notes that a file holds one after the other with empty lines between, and what is left at the end unread."""
    notes: list[str] = []
    at = 0
    while (found := _NOTE.match(text, at)) is not None:
        notes.append(found[0])
        at = found.end()
        while text.startswith("\n", at):
            at += 1
    return notes, text[at:]
