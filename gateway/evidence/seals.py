"""The checkpoints that a log must agree with, from the database and from the file beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.evidence import faults
from gateway.evidence.faults import Broken
from gateway.evidence.key_chain import KeyRing
from gateway.evidence.key_files import signed_ecdsa
from gateway.evidence.note import TORN, Checkpoint, parse, split_notes
from gateway.model.merkle import Frontier
from gateway.store.tables import checkpoint as checkpoints
from gateway.text import Text, plain


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint whose signature is good, and where it is kept."""

    size: int
    root: bytes
    where: Text


class Seals:
    """Checkpoints in the order of their sizes; the walk passes by each."""

    def __init__(self, seals: Iterable[Seal]) -> None:
        self._seals = sorted(seals, key=lambda seal: seal.size)
        self._next = 0

    @property
    def passed(self) -> int:
        """How many checkpoints the log agreed with so far; one that is kept in two places counts twice."""
        return self._next

    @property
    def newest(self) -> int:
        """The number of records that the newest checkpoint seals, 0 where there is none."""
        return self._seals[-1].size if self._seals else 0

    def at(self, frontier: Frontier) -> None:
        """Compare those checkpoints that seal exactly the records so far."""
        while self._next < len(self._seals) and self._seals[self._next].size <= frontier.size:
            seal = self._seals[self._next]
            if seal.size != frontier.size or seal.root != frontier.root():
                raise Broken(faults.CHECKPOINT.with_(size=seal.size, where=seal.where))
            self._next += 1

    def end(self, size: int) -> None:
        """No checkpoint may seal more records than the log has."""
        if self.newest > size:
            newest = self._seals[-1]
            raise Broken(faults.CUT_OFF.with_(size=size, sealed=newest.size, where=newest.where))


async def read_seals(
    connection: AsyncConnection, origin: str, keys: KeyRing, more: Sequence[tuple[str, Text]] = ()
) -> Seals:
    """The checkpoints of the database, and the notes in `more`, each with the name of its place.

    Raises `Broken` where one cannot be read, is another log's, or bears no good signature of a key in its term.
    """
    rows = (await connection.execute(select(checkpoints).order_by(checkpoints.c.size))).all()
    notes = [(row.note, faults.IN_DATABASE) for row in rows]
    seals = Seals(await asyncio.to_thread(_check, [*notes, *more], origin, keys))
    for row in rows:
        said = parse(row.note)
        if (said.size, said.root) != (row.size, row.root):
            raise Broken(faults.CHECKPOINT_ROW.with_(size=row.size))
        signer = keys.signer(row.note, row.size) if row.ecdsa is not None else None
        if signer is not None and signer.ecdsa is not None and not signed_ecdsa(signer.ecdsa, row.note, row.ecdsa):
            raise Broken(faults.ECDSA.with_(size=row.size))
    return seals


async def read_notes(file: Path) -> list[tuple[str, Text]]:
    """The notes in a file, each with the file's name; none where there is no file. Raises `Broken`."""
    return [(note, plain(file.name)) for note in await asyncio.to_thread(_read_file, file)]


def _read_file(file: Path) -> list[str]:
    try:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return []
    notes, rest = split_notes(text)
    if len(rest.encode("utf-8", "surrogateescape")) > TORN:
        raise Broken(faults.CHECKPOINT_UNREADABLE.with_(where=file.name, number=len(notes) + 1))
    return notes


def _check(notes: Sequence[tuple[str, Text]], origin: str, keys: KeyRing) -> list[Seal]:
    seals: list[Seal] = []
    good: dict[str, Checkpoint] = {}  # most notes are kept twice
    for number, (note, where) in enumerate(notes, 1):
        said = good.get(note)
        if said is None:
            try:
                said = parse(note)
            except ValueError as error:
                raise Broken(faults.CHECKPOINT_UNREADABLE.with_(where=where, number=number)) from error
            if said.origin != origin:
                raise Broken(faults.OTHER_LOG.with_(where=where, size=said.size, origin=said.origin))
            if keys.signer(note, said.size) is None:
                raise Broken(faults.SIGNATURE.with_(where=where, size=said.size))
            good[note] = said
        seals.append(Seal(said.size, said.root, where))
    return seals
