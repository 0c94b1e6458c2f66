"""The zip that is handed over, plain or encrypted.

Encrypted means AES-256 as WinZip defines it (AE-2): free programs that law offices have, such as 7-Zip, open it, where
age needs a command line. Explorer alone opens only the old zip password, which is broken with a few known bytes, and
papers of this kind deserve better. As the key derivation is weak by today's measure, the password is never chosen by a
person: it is made here, with about 99 bits.
"""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyzipper

from gateway.casefile.bag import files_below

_PACKED: Final = frozenset((".pdf", ".docx", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".zip", ".mp3", ".m4a"))
_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"  # none that are taken for one another


def write_zip(folder: Path, target: Path, name: str, at: datetime) -> None:
    """Everything below `folder` as a zip with `name` as its top folder; the same bytes for the same files and time."""
    local = at.astimezone(UTC)
    when = (max(local.year, 1980), local.month, local.day, local.hour, local.minute, local.second // 2 * 2)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for file in files_below(folder):
            info = zipfile.ZipInfo(f"{name}/{file.relative_to(folder).as_posix()}", when)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            if file.suffix == ".sh":
                info.external_attr = 0o100755 << 16
            stored = file.suffix.lower() in _PACKED
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            info.file_size = file.stat().st_size
            with file.open("rb") as source, made.open(info, "w") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def encrypt(plain: Path, target: Path, name: str) -> str:
    """Put the zip `plain` under `name` into an encrypted one, so that its list of files does not show; the password."""
    password = "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))
    with pyzipper.AESZipFile(target, "w", compression=zipfile.ZIP_STORED, encryption=pyzipper.WZ_AES) as made:
        made.setpassword(password.encode("ascii"))
        made.setencryption(pyzipper.WZ_AES, nbits=256)
        made.write(plain, name)
    return password


def put(made: Path, target: Path) -> None:
    """Move the finished file to its place, readable for its owner alone, whole or not at all."""
    made.chmod(0o600)
    with made.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(made, target)  # noqa: PTH105 - both are of one file system
