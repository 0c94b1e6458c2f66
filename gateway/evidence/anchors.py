"""Anchors: a checkpoint is stamped by somebody outside, and what was attested is compared with the log."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.evidence import faults, timestamp
from gateway.evidence.faults import Broken
from gateway.evidence.note import parse
from gateway.evidence.sealed import SealedCheckpoint
from gateway.store.anchors import KIND, MAIL, STAMP, KeepStamp
from gateway.store.engine import Store
from gateway.store.tables import anchor, log
from gateway.text import Text


@dataclass(frozen=True, slots=True)
class AnchorMaterial:
    """What somebody outside said about a checkpoint.

    `kind` rfc3161: `target` is the authority's URL, `request` and `response` are DER as sent and received, `authority`
    the certificates (PEM) that it was judged by, `stamped_at` its time: check with
    `openssl ts -verify -data NOTE -in RESPONSE -CAfile AUTHORITY -attime SECONDS`, because without `-attime` the check
    fails once the authority's certificate has expired. `kind` mail: `target` are the addresses, `message` is the id
    of the mail. `seq` is its record in the log.
    """

    id: str
    seq: int
    kind: str
    size: int
    at: datetime
    target: str
    note: str
    request: bytes | None
    response: bytes | None
    stamped_at: datetime | None
    authority: str | None
    message: str | None


async def stamp(store: Store, checkpoint: SealedCheckpoint, url: str, ca: Path | None) -> int:
    """Have an authority stamp a checkpoint, and keep its answer where it is good; gives the record's number.

    Raises `StampRefused`, `StoreError`: then nothing is kept.
    """
    roots = await asyncio.to_thread(timestamp.read_roots, ca)
    request = await asyncio.to_thread(timestamp.make_request, checkpoint.file)
    response = await timestamp.ask(url, request)
    found = await asyncio.to_thread(timestamp.judge, checkpoint.file, request, response, roots)
    said = checkpoint.checkpoint
    return await store.committer.submit(
        KeepStamp(
            said.size,
            said.root,
            checkpoint.note,
            url,
            request,
            response,
            found.at,
            found.serial,
            found.policy,
            found.authority,
        )
    )


async def anchors(store: Store) -> tuple[AnchorMaterial, ...]:
    """Every anchor, smallest checkpoint first."""
    async with store.read() as connection:
        rows = await connection.execute(select(anchor).order_by(anchor.c.size, anchor.c.at, anchor.c.id))
        return tuple(AnchorMaterial(**row._mapping) for row in rows)


async def attested(connection: AsyncConnection) -> list[tuple[str, Text]]:
    """The notes that somebody outside attested, each with who; raises `Broken` where an attestation does not hold."""
    rows = (await connection.execute(select(anchor).order_by(anchor.c.seq))).mappings().all()
    statement = select(log.c.seq, log.c.record).where(log.c.kind == KIND).order_by(log.c.seq)
    records = {row.seq: row.record for row in await connection.execute(statement)}
    for row in rows:
        _compare(row, records.pop(row["seq"], None))
    for seq, record in records.items():
        if record is not None:
            raise Broken(faults.NO_ANCHOR.with_(seq=seq))
    await asyncio.to_thread(_judge, rows)
    return [(row["note"], _WHERE[row["kind"]].with_(target=row["target"])) for row in rows]


_WHERE = {STAMP: faults.STAMPED, MAIL: faults.MAILED}


def _compare(row: Any, record: str | None) -> None:
    """The row is what its record names."""
    said = json.loads(record) if record is not None else {}
    is_what = {
        "anchor": row["id"],
        "kind": row["kind"],
        "size": row["size"],
        "note_sha256": _sha256(row["note"].encode()),
    }
    if row["kind"] == STAMP:
        is_what |= {"request_sha256": _sha256(row["request"]), "response_sha256": _sha256(row["response"])}
    if row["kind"] not in _WHERE or any(said.get(name) != value for name, value in is_what.items()):
        raise Broken(faults.ANCHOR_ROW.with_(seq=row["seq"]))


def _judge(rows: Sequence[Any]) -> None:
    """Every time stamp is good for its checkpoint, at its own time."""
    roots: dict[str, list[x509.Certificate]] = {}
    for row in rows:
        if parse(row["note"]).size != row["size"]:
            raise Broken(faults.ANCHOR_ROW.with_(seq=row["seq"]))
        if row["kind"] != STAMP:
            continue
        pem = row["authority"]
        if pem not in roots:
            roots[pem] = x509.load_pem_x509_certificates(pem.encode())
        try:
            timestamp.judge(row["note"].encode(), row["request"], row["response"], roots[pem])
        except timestamp.StampRefused as refused:
            said = {"size": row["size"], "target": row["target"], "why": refused.text}
            raise Broken(faults.ANCHOR.with_(**said)) from refused


def _sha256(raw: bytes | None) -> str:
    return hashlib.sha256(raw or b"").hexdigest()
