"""The folder `verify` of a bundle: checkpoint, keys, anchors, all leaves of the log, disclosed records, proofs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from gateway.evidence.anchors import AnchorMaterial
from gateway.evidence.log_records import LogRecord, records_between
from gateway.evidence.proven import consistencies, proofs
from gateway.evidence.sealed import SealedCheckpoint
from gateway.store.engine import Store

SHIPPED: Final = ("verify.py", "verify.sh")


async def write_leaves(store: Store, size: int, file: Path, progress: Callable[[int], None]) -> None:
    """A line for each record of the log: its leaf's text, or of a deleted one the leaf's hash; nothing personal."""
    with file.open("w", encoding="ascii", newline="\n") as out:
        async for record in records_between(store, 0, size):
            out.write(leaf_line(record) + "\n")
            if record.seq % 1000 == 0:
                progress(record.seq)


def leaf_line(record: LogRecord) -> str:
    """A record as a line of `leaves.txt`."""
    text = record.text
    if text is not None:
        return text.decode("ascii")
    at = record.at.isoformat(timespec="microseconds")[:-6] + "Z"
    return f"deleted {record.seq} {at} {record.kind} {record.leaf.hex()}"


async def write_proofs(
    store: Store,
    folder: Path,
    checkpoint: SealedCheckpoint,
    disclosed: Iterable[int],
    anchors: Sequence[AnchorMaterial],
) -> None:
    """Everything of the folder but keys, leaves and `exhibits.txt`; `disclosed` are the numbers of records to show."""
    for name in ("anchors", "records", "proofs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint.txt").write_bytes(checkpoint.file)
    (folder / "checkpoint.ecdsa").write_bytes(checkpoint.ecdsa or b"")
    numbered = enumerate(anchors, 1)
    index = [_write_anchor(folder / "anchors", f"{number:03d}", anchor) for number, anchor in numbered]
    (folder / "anchors.txt").write_text("".join(index), "ascii", newline="\n")
    for proven in await proofs(store, sorted(set(disclosed)), checkpoint):
        record = proven.record
        if record.salt is None or record.record is None:
            continue
        (folder / "records" / f"{record.seq:08d}.bin").write_bytes(record.salt + record.record.encode())
        path = "".join(f"{hash.hex()}\n" for hash in proven.path)
        (folder / "proofs" / f"{record.seq:08d}.txt").write_text(path, "ascii", newline="\n")
    lines, sizes = [], [*(one.size for one in anchors), checkpoint.checkpoint.size]
    for old, new, path_between in await consistencies(store, sizes):
        lines.append(f"{old} {new} {' '.join(hash.hex() for hash in path_between)}".rstrip() + "\n")
    (folder / "consistency.txt").write_text("".join(lines), "ascii", newline="\n")
    for name in SHIPPED:
        (folder / name).write_bytes(files("gateway.casefile.shipped").joinpath(name).read_bytes())


def _write_anchor(folder: Path, name: str, anchor: AnchorMaterial) -> str:
    (folder / f"{name}.txt").write_text(anchor.note, "utf-8", newline="\n")
    parts = {".tsq": anchor.request, ".tsr": anchor.response, ".pem": (anchor.authority or "").encode() or None}
    for suffix, content in parts.items():
        if content is not None:
            (folder / f"{name}{suffix}").write_bytes(content)
    stamped = int(anchor.stamped_at.timestamp()) if anchor.stamped_at is not None else 0
    target = anchor.target.split()[0] if anchor.kind == "rfc3161" else "-"
    return f"{name} {anchor.kind} {anchor.size} {stamped} {target}\n"
