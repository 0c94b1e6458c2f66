"""What the record of a bundle's making fixes for good: tables, settings, letters and rules, keys, list of exhibits."""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gateway.casefile import papers
from gateway.casefile.bag import digest_of, files_below
from gateway.casefile.facts import Facts
from gateway.casefile.gather import EXPORT
from gateway.casefile.order import Order
from gateway.casefile.tables import write_tables
from gateway.casefile.when import utc_text
from gateway.model.mail_record import clean
from gateway.store.batch import Batch
from gateway.store.engine import Store


@dataclass(frozen=True, slots=True)
class _Exported:
    """Unit: log that a bundle is made, with what fixes its tables; nothing of persons, for it stays for good."""

    record: Mapping[str, Any]

    async def apply(self, batch: Batch) -> int:
        """The number of the record."""
        return batch.append(EXPORT, dict(self.record))


async def log_making(
    store: Store, facts: Facts, order: Order, data: Path, at: datetime, keys: Mapping[str, bytes]
) -> int:
    """Write the files that the record fixes below `data`, `keys` by their names among them, and log the making.

    Gives the number of the record. Raises `StoreError`.
    """
    (data / "verify" / "keys").mkdir()
    (data / "11_policy").mkdir()
    files = {
        **write_tables(facts),
        "01_shoko_setsumeisho.csv": papers.shoko_csv(facts),
        "07_settings.json": _settings(facts, order, at),
        **{f"11_policy/{name}": _policy(facts, content) for name, content in order.policy.items()},
        **{f"verify/keys/{name}": content for name, content in keys.items()},
    }
    for name, content in files.items():
        await asyncio.to_thread((data / name).write_bytes, content)
    exhibits = [
        (letter.seq, letter.mark.name, "-" if facts.taken[letter.mark.name].touched else letter.sha256)
        for letter in facts.exhibits
    ]
    lines = "".join(f"{seq} {name} {digest}\n" for seq, name, digest in exhibits)
    record = {
        "operator": clean(order.operator),
        "party": order.party,
        "exhibits": len(exhibits),
        "redacted": sum(one.touched for one in facts.taken.values()),
        "counted": facts.counted,
        "list": hashlib.sha256(lines.encode()).hexdigest(),
        "files": await asyncio.to_thread(_digests, data),
    }
    number = await store.committer.submit(_Exported(record))
    (data / "verify" / "exhibits.txt").write_text(f"export {number}\n{lines}", "ascii", newline="\n")
    return number


def _settings(facts: Facts, order: Order, at: datetime) -> bytes:
    said = {
        "query": dict(order.query),
        "operator": order.operator,
        "made_at": utc_text(at),
        "party": order.party,
        "first_number": order.start,
        "redacted_words": len(facts.redaction.words),
        "versions": {"sekisho": version("sekisho"), "python": platform.python_version()},
        **order.state,
    }
    return f"{facts.redaction.text(json.dumps(said, ensure_ascii=False, indent=2, default=str))}\n".encode()


def _policy(facts: Facts, content: bytes) -> bytes:
    return facts.redaction.text(content.decode("utf-8", "replace")).encode()


def _digests(data: Path) -> dict[str, str]:
    """Of all that is there by now; the originals are left out, which have records of their own."""
    there = {file.relative_to(data).as_posix(): file for file in files_below(data)}
    return {name: digest_of(file) for name, file in there.items() if not name.startswith(("eml/", "03_exhibits/"))}
