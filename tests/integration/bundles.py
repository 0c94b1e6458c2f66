"""What the tests of bundles share: exports, a time stamping authority, and how to lie in a bundle and a database."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import zstandard
from cryptography import x509

from gateway.casefile.bag import digest_of, files_below
from gateway.casefile.bundle import make_bundle
from gateway.casefile.order import Made, Order
from gateway.evidence.sealed import checkpoint_now
from gateway.evidence.timestamp import judge
from gateway.model.merkle import BLOCK, Frontier, leaf_hash
from gateway.model.record import canonical_json, leaf_text
from gateway.store.anchors import KeepStamp
from gateway.store.body import pack_now
from gateway.store.deletion import RETENTION, Delete
from gateway.store.selection import Selection
from gateway.store.types import from_micros
from tests.integration.cli_shop import Shop
from tests.servers.process import program, want

EVERYTHING = Selection(since=datetime(2020, 1, 1, tzinfo=UTC))
ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "gateway" / "casefile" / "shipped"


def keys(shop: Shop) -> tuple[Path, Path]:
    """The shop's key and its list of checkpoints."""
    return shop.folder / "data" / "checkpoint.key", shop.folder / "data" / "checkpoints.txt"


def order(*selections: Selection, **more: Any) -> Order:
    """A bundle of everything, unless told otherwise."""
    fields: dict[str, Any] = {
        "query": {},
        "operator": "taro",
        "shop": "和み工房",
        "zone": ZoneInfo("Asia/Tokyo"),
        **more,
    }
    return Order(selections=selections or (EVERYTHING,), **fields)


def export(shop: Shop, name: str, what: Order | None = None) -> tuple[Path, Made]:
    """Write a bundle."""
    target = shop.folder / name
    made = shop.with_store(
        lambda store: make_bundle(store, keys(shop), what or order(), target, lambda step, done, total: None)
    )
    return target, made


def unpack(bundle: Path, folder: Path) -> Path:
    """The bag of a bundle in a folder."""
    with zipfile.ZipFile(bundle) as packed:
        packed.extractall(folder)
    (bag,) = folder.iterdir()
    return bag


@dataclass(frozen=True)
class Said:
    """What a verifier on a machine without Sekisho said."""

    code: int
    out: str

    @property
    def codes(self) -> set[str]:
        """The codes of the faults that it named."""
        return {line.partition("]")[0].removeprefix("✗ [") for line in self.out.splitlines() if line.startswith("✗ [")}


def by_python(bag: Path, *more: str) -> Said:
    """`verify.py` as it lies in a bundle, by a Python that sees no installed package."""
    return _run([sys.executable, "-I", "-S", str(SHIPPED / "verify.py"), str(bag), *more])


def by_shell(bag: Path) -> Said:
    """`verify.sh` as it lies in a bundle, by a shell with openssl."""
    tool("openssl")
    return _run(["sh", str(SHIPPED / "verify.sh"), str(bag)])


def _run(command: Sequence[str]) -> Said:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    ran = subprocess.run(command, capture_output=True, timeout=60, env=environment, cwd="/")
    return Said(ran.returncode, (ran.stdout + ran.stderr).decode())


def manifests_anew(bag: Path) -> None:
    """The lists of files as a forger writes them who can compute SHA-256."""
    lines = [f"{digest_of(file)}  {file.relative_to(bag).as_posix()}\n" for file in files_below(bag / "data")]
    (bag / "manifest-sha256.txt").write_text("".join(lines))
    names = [line.split("  ")[1] for line in (bag / "tagmanifest-sha256.txt").read_text().splitlines()]
    tags = [f"{digest_of(bag / name)}  {name}\n" for name in names]
    (bag / "tagmanifest-sha256.txt").write_text("".join(tags))


def tool(name: str) -> str:
    """The path of a program that judges what we made; the test is given up where it is missing."""
    return program(name) or want(name, "a tool that judges bundles")


# --- the time stamping authority -------------------------------------------------------------------------------------

_CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


class Authority:
    """A time stamping authority (RFC 3161) of the test's own, by `openssl ts`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        (folder / "config").write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Test TSA", "-days", "2"),
            *("-addext", "extendedKeyUsage=critical,timeStamping", "-addext", "keyUsage=critical,digitalSignature"),
            *("-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"),
        )

    @property
    def certificate(self) -> str:
        """Its certificate, PEM."""
        return (self._folder / "cert.pem").read_text()

    def stamp(self, note: str) -> tuple[bytes, bytes]:
        """Request and response over a note."""
        folder = self._folder
        (folder / "note").write_bytes(note.encode())
        _openssl("ts", "-query", "-data", f"{folder}/note", "-sha256", "-cert", "-out", f"{folder}/tsq")
        _openssl(
            *("ts", "-reply", "-config", f"{folder}/config", "-queryfile", f"{folder}/tsq", "-out", f"{folder}/tsr"),
            *("-signer", f"{folder}/cert.pem", "-inkey", f"{folder}/key.pem"),
        )
        return (folder / "tsq").read_bytes(), (folder / "tsr").read_bytes()


def _openssl(*arguments: str) -> None:
    subprocess.run([tool("openssl"), *arguments], check=True, capture_output=True, timeout=60)


def anchor_now(shop: Shop, authority: Authority) -> str:
    """Seal the log and have the checkpoint stamped; gives its note."""

    async def work(store: Any) -> str:
        sealed = await checkpoint_now(store, *keys(shop))
        request, response = authority.stamp(sealed.note)
        found = judge(sealed.file, request, response, x509.load_pem_x509_certificates(authority.certificate.encode()))
        said = sealed.checkpoint
        kept = KeepStamp(
            *(said.size, said.root, sealed.note, "http://127.0.0.1/tsa", request, response),
            *(found.at, found.serial, found.policy, found.authority),
        )
        await store.committer.submit(kept)
        return sealed.note

    note: str = shop.with_store(work)
    return note


# --- lies in the database --------------------------------------------------------------------------------------------


def delete_message(shop: Shop, id: str, *, on_record: bool) -> None:
    """Delete a message as the end of its retention does; without a record of it, as somebody with the database can."""
    if on_record:
        unit = Delete((id,), RETENTION, "")
        shop.with_store(lambda store: store.committer.submit(unit))
        return
    database = sqlite3.connect(shop.folder / "data" / "sekisho.db")
    with database:
        for table in ("body", "message_order", "queue"):
            database.execute(f"DELETE FROM {table} WHERE message = ?", (id,))
        database.execute("DELETE FROM message WHERE id = ?", (id,))
        database.execute("UPDATE log SET record = NULL, salt = NULL, message = NULL WHERE message = ?", (id,))
    database.close()


def rewrite(shop: Shop, id: str, words: tuple[bytes, bytes]) -> None:
    """Rewrite a message and the whole log after it, as somebody can who has database and key."""
    database = sqlite3.connect(shop.folder / "data" / "sekisho.db")
    raw = _raw(database, id).replace(*words)
    digest = hashlib.sha256(raw).digest()
    frontier, blocks = Frontier(), []
    with database:
        rows = database.execute("SELECT seq, at, kind, salt, record, message FROM log ORDER BY seq").fetchall()
        for seq, at, kind, salt, record, message in rows:
            if message == id and kind == "mail.in":
                record = canonical_json({**json.loads(record), "sha256": digest.hex(), "size": len(raw)})
            leaf = leaf_hash(leaf_text(seq, from_micros(at), kind, salt, record))
            database.execute("UPDATE log SET leaf = ?, record = ? WHERE seq = ?", (leaf, record, seq))
            block = frontier.append(leaf)
            if block is not None:
                blocks.append((block, seq // BLOCK))
        database.executemany("UPDATE log_block SET hash = ? WHERE block = ?", blocks)
        database.execute("UPDATE log_state SET frontier = ?", (frontier.pack(),))
        database.execute("DELETE FROM checkpoint")
        database.execute("UPDATE body SET zstd = ? WHERE message = ?", (pack_now(raw), id))
        database.execute("UPDATE message SET sha256 = ?, size = ? WHERE id = ?", (digest, len(raw), id))
    database.close()
    keys(shop)[1].unlink()


def _raw(database: sqlite3.Connection, id: str) -> bytes:
    ((packed, size),) = database.execute(
        "SELECT zstd, size FROM body JOIN message ON message.id = body.message WHERE message.id = ?", (id,)
    )
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)


def copy(bag: Path, folder: Path) -> Path:
    """A bag to be tampered with."""
    return Path(shutil.copytree(bag, folder / "bag"))
