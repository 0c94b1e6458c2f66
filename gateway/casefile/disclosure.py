"""Which records of the log a bundle shows, and the numbers that its readme tells."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.casefile.facts import Facts
from gateway.casefile.order import Order
from gateway.casefile.readme import Summary
from gateway.casefile.when import japanese_minute
from gateway.evidence.anchors import AnchorMaterial
from gateway.evidence.log_records import records
from gateway.evidence.sealed import SealedCheckpoint
from gateway.store.engine import Store

# What tells of the log itself and of nobody else.
_OF_THE_LOG = ("keys", "gateway", "rules")


async def shown_records(store: Store, facts: Facts, checkpoint: SealedCheckpoint, more: Iterable[int]) -> set[int]:
    """The numbers of the records to show: of what belongs to the bundle, of the log itself, and `more` where sealed.

    Left out is what has to be blacked out. Raises `StoreError`.
    """
    wanted = set(more)
    concerned = _concerned(facts)
    for record in (*facts.gathered.about, *facts.gathered.audit):
        if record.kind in _OF_THE_LOG or record.seq in concerned:
            wanted.add(record.seq)
    sealed = sorted(seq for seq in wanted if seq < checkpoint.checkpoint.size)
    found = await records(store, sealed)
    shown = {record.seq for record in found if not facts.redaction.touches(record.record or "")}
    return shown - {letter.seq for letter in facts.exhibits if facts.taken[letter.mark.name].touched}


def _concerned(facts: Facts) -> set[int]:
    found = facts.gathered
    touched = {letter.id for letter in facts.exhibits if facts.taken[letter.mark.name].touched}
    about = {record.seq for record in found.about if record.message not in touched}
    return about | {entry.seq for entry in found.blocks}


def summary(
    facts: Facts, order: Order, made: str, checkpoint: SealedCheckpoint, anchors: Iterable[AnchorMaterial], leaves: Path
) -> Summary:
    """What the readme tells of a bundle that was made at the time `made`."""
    stamps = [facts.taken[letter.mark.name].stamp for letter in facts.exhibits]
    kinds = [one.kind for one in anchors]
    with leaves.open(encoding="ascii") as lines:
        deleted = sum(line.startswith("deleted") for line in lines)
    return Summary(
        shop=order.shop,
        made=made,
        exhibits=len(stamps),
        first=stamps[0] if stamps else "",
        last=stamps[-1] if stamps else "",
        attachments=sum(len(one.attachments) for one in facts.taken.values()),
        calls=len(facts.gathered.calls),
        redacted=sum(one.touched for one in facts.taken.values()),
        stamped=kinds.count("rfc3161"),
        mailed=kinds.count("mail"),
        deleted=deleted,
        origin=checkpoint.checkpoint.origin,
        size=checkpoint.checkpoint.size,
        root=checkpoint.checkpoint.root.hex(),
    )


def told(checkpoint: SealedCheckpoint, facts: Facts) -> str:
    """The line about the checkpoint on every exhibit."""
    said = checkpoint.checkpoint
    at = japanese_minute(checkpoint.at, facts.zone)
    return f"ログ {said.origin} の先頭 {said.size:,} 件、ルートハッシュ {said.root.hex()}（{at} 署名）"
