"""A BagIt 1.0 bag (RFC 8493) in a folder: payload under `data`, manifests, and the shop's signature on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST: Final = "manifest-sha256.txt"
TAG_MANIFEST: Final = "tagmanifest-sha256.txt"
SIGNED: Final = (MANIFEST, "bag-info.txt")  # by signature/NAME.ALGORITHM


def write_bag(root: Path, info: Mapping[str, str], sign: Callable[[bytes], Mapping[str, bytes]]) -> str:
    """Make a bag of `root`, whose payload lies under `data`; gives the SHA-256 (hex) of its manifest.

    `sign` gives signatures on the manifest, and on `bag-info.txt`, by the names of their algorithms.
    """
    payload = files_below(root / "data")
    octets = sum(file.stat().st_size for file in payload)
    manifest = "".join(f"{digest_of(file)}  {file.relative_to(root).as_posix()}\n" for file in payload).encode()
    said = {**info, "Payload-Oxum": f"{octets}.{len(payload)}"}
    tags = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": "".join(f"{name}: {' '.join(value.split())}\n" for name, value in said.items()).encode(),
        MANIFEST: manifest,
    }
    for signed in SIGNED:
        tags |= {f"signature/{signed}.{algorithm}": made for algorithm, made in sign(tags[signed]).items()}
    for name, content in tags.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(tags.items()))
    (root / TAG_MANIFEST).write_text("".join(lines), "utf-8")
    return hashlib.sha256(manifest).hexdigest()


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, in the order of their paths."""
    return sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.as_posix())


def digest_of(file: Path) -> str:
    """SHA-256 of a file, hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
