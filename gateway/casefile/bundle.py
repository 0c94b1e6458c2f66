"""Making a bundle: read, take apart, log that it is made, seal, set the papers, prove, pack."""

from __future__ import annotations

import asyncio
import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.casefile import papers
from gateway.casefile.archive import encrypt, put, write_zip
from gateway.casefile.bag import digest_of, files_below, write_bag
from gateway.casefile.gather import EXPORT, Gathered, gather, load_raw, load_recording, message_times
from gateway.casefile.guard import refuse_leaks
from gateway.casefile.marks import file_suffix
from gateway.casefile.page import Frame
from gateway.casefile.proof_files import write_leaves, write_proofs
from gateway.casefile.readme import Summary, manual, readme
from gateway.casefile.redaction import Redaction
from gateway.casefile.tables import Facts, write_tables
from gateway.casefile.when import japanese_minute, utc_text
from gateway.casefile.workshop import Taken, Workshop, set_list, set_papers, take_apart
from gateway.errors import NotFound, Refused, StoreError
from gateway.evidence import export_material as material
from gateway.evidence.export_material import SealedCheckpoint
from gateway.evidence.key_files import load_keys, sign_ecdsa
from gateway.model.mail_record import clean
from gateway.store.audit import Custody
from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.failures import store_error
from gateway.store.selection import Selection
from gateway.text import Text

MOST_EXHIBITS: Final = 100_000
_NOTHING: Final = Text("該当する記録がありません。", "Nothing on record fits.")
_TOO_MANY: Final = Text("対象が {count} 件あり、多すぎます。", "That would be {count} exhibits: too many.")
_NARROW: Final = Text("--since や --until で絞ってください。", "Narrow it by --since or --until.")

READING, SETTING, SEALING, PACKING = "reading", "setting", "sealing", "packing"
# Told the step, how much of it is done, and of how much (0: not known).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a bundle is to be: what belongs to it, how exhibits are counted, and what is blacked out."""

    selections: tuple[Selection, ...]  # what fits any of them belongs to it
    query: Mapping[str, Any]  # as it was asked for, told in 07_settings.json
    operator: str
    shop: str
    zone: ZoneInfo
    party: str = "甲"
    start: int = 1
    redact: tuple[str, ...] = ()
    reason: str = ""  # why it is blacked out
    policy: Mapping[str, bytes] = field(default_factory=dict)  # files of 11_policy
    state: Mapping[str, Any] = field(default_factory=dict)  # of clock and gateway, told in 07_settings.json
    encrypted: bool = False
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that was made: its numbers, the SHA-256 (hex) of the file, and the password where it has one."""

    exhibits: int
    attachments: int
    calls: int
    redacted: int
    size: int
    sha256: str
    checkpoint: int  # records that its checkpoint seals
    password: str | None


@dataclass(frozen=True, slots=True)
class _Exported:
    """Unit: log that a bundle is made, with what fixes its tables; nothing of persons, for it stays for good."""

    record: Mapping[str, Any]

    async def apply(self, batch: Batch) -> int:
        """The number of the record."""
        return batch.append(EXPORT, dict(self.record))


async def make_bundle(store: Store, keys: tuple[Path, Path], order: Order, target: Path, progress: Progress) -> Made:
    """Make a bundle of what `order` selects and put it at `target`; `keys` are those of `checkpoint_files`.

    Raises `NotFound` where nothing fits, `Refused`, and `StoreError`.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".sekisho-", dir=target.parent) as folder:
            return await _Making(store, keys, order, Path(folder), progress).make(target)
    except OSError as error:
        raise store_error(error) from error


class _Making:
    def __init__(self, store: Store, keys: tuple[Path, Path], order: Order, folder: Path, progress: Progress) -> None:
        self.store = store
        self.key_file, self.notes_file = keys
        self.order = order
        self.at = (order.made_at or datetime.now(UTC)).replace(microsecond=0)
        self.progress = progress
        self.work, self.bag = folder / "work", folder / "bag"
        self.data = self.bag / "data"
        self.zip = folder / "case.zip"
        for made in (self.work, self.data / "verify", self.data / "03_exhibits", self.data / "eml"):
            made.mkdir(parents=True)

    async def make(self, target: Path) -> Made:
        order = self.order
        found = await gather(self.store, order.selections, order.party, order.start)
        if not found.letters and not found.calls:
            raise NotFound(_NOTHING)
        if len(found.letters) > MOST_EXHIBITS:
            raise Refused(_TOO_MANY.with_(count=len(found.letters)), _NARROW)
        missing = await self._originals(found)
        letters = [letter for letter in found.letters if letter.mark.name not in missing]
        frame = Frame(order.shop, order.zone, self.at, "", order.redact)
        with Workshop(len(letters)) as workshop:
            taken: dict[str, Taken] = {}
            jobs = ((letter, frame, self.work, self.data) for letter in letters)
            async for one in workshop.each(take_apart, jobs):
                taken[letters[len(taken)].mark.name] = one
                self.progress(READING, len(taken), len(letters))
            facts = await self._facts(found, taken, missing)
            checkpoint, export = await self._log(facts)
            frame = Frame(order.shop, order.zone, self.at, _told(checkpoint, order.zone), order.redact)
            done = 0
            async for _ in workshop.each(set_papers, ((one, frame, self.work, self.data) for one in letters)):
                done += 1
                self.progress(SETTING, done, len(letters))
            await self._lists(workshop, facts, frame)
        await self._prove(facts, checkpoint, export)
        return await self._pack(facts, checkpoint, target)

    async def _originals(self, found: Gathered) -> frozenset[str]:
        """Write every original beside the bag; the names of those that were deleted."""
        missing = set()
        for letter in found.letters:
            raw = await load_raw(self.store, letter.id)
            if raw is None:
                missing.add(letter.mark.name)
                continue
            if hashlib.sha256(raw).hexdigest() != letter.sha256:
                raise StoreError(_ALTERED.with_(seq=letter.seq), _VERIFY)
            await asyncio.to_thread((self.work / f"{letter.mark.name}.eml").write_bytes, raw)
        for number, call in enumerate(found.calls, 1):
            if call.recording and not Redaction(self.order.redact).touches(call.summary):
                content = await load_recording(self.store, call.id)
                (self.data / "recordings").mkdir(exist_ok=True)
                file = self.data / "recordings" / f"call-{number:03d}{file_suffix(call.recording)}"
                await asyncio.to_thread(file.write_bytes, content)
        return frozenset(missing)

    async def _facts(self, found: Gathered, taken: Mapping[str, Taken], missing: frozenset[str]) -> Facts:
        leaves = {record.seq: record.leaf for record in found.about}
        times = await message_times(self.store)
        redaction = Redaction(self.order.redact)
        order = self.order
        return Facts(found, taken, missing, leaves, times, order.zone, redaction, order.reason, order.shop)

    async def _log(self, facts: Facts) -> tuple[SealedCheckpoint, int]:
        """Write the tables, log their hashes, and seal the log with that record in it; its number."""
        tables = {**write_tables(facts), "01_shoko_setsumeisho.csv": papers.shoko_csv(facts)}
        for name, content in tables.items():
            await asyncio.to_thread((self.data / name).write_bytes, content)
        settings = {
            "query": dict(self.order.query),
            "operator": self.order.operator,
            "made_at": utc_text(self.at),
            "party": self.order.party,
            "first_number": self.order.start,
            "redacted_words": len(facts.redaction.words),
            "versions": {"sekisho": version("sekisho"), "python": platform.python_version()},
            **self.order.state,
        }
        told = facts.redaction.text(json.dumps(settings, ensure_ascii=False, indent=2, default=str))
        (self.data / "07_settings.json").write_text(f"{told}\n", "utf-8")
        (self.data / "11_policy").mkdir()
        for name, content in self.order.policy.items():
            text = facts.redaction.text(content.decode("utf-8", "replace"))
            (self.data / "11_policy" / name).write_text(text, "utf-8", newline="")
        fixed = {file.relative_to(self.data).as_posix(): digest_of(file) for file in self._fixed_files()}
        exhibits = [
            (letter.seq, letter.mark.name, "-" if facts.taken[letter.mark.name].touched else letter.sha256)
            for letter in facts.exhibits
        ]
        lines = "".join(f"{seq} {name} {digest}\n" for seq, name, digest in exhibits)
        record = {
            "operator": clean(self.order.operator),
            "party": self.order.party,
            "exhibits": len(exhibits),
            "redacted": sum(one.touched for one in facts.taken.values()),
            "list": hashlib.sha256(lines.encode()).hexdigest(),
            "files": fixed,
        }
        export = await self.store.committer.submit(_Exported(record))
        (self.data / "verify" / "exhibits.txt").write_text(f"export {export}\n{lines}", "ascii", newline="\n")
        return await material.checkpoint_now(self.store, self.key_file, self.notes_file), export

    def _fixed_files(self) -> list[Path]:
        """What is finished before the record is written, the originals left out: they have records of their own."""
        apart = ("eml", "verify", "03_exhibits")
        return [file for file in files_below(self.data) if file.relative_to(self.data).parts[0] not in apart]

    async def _lists(self, workshop: Workshop, facts: Facts, frame: Frame) -> None:
        """The draft 証拠説明書, the timeline on paper, and the memo for the police."""
        strict = await asyncio.to_thread(papers.lists, facts, frame, strict=True)
        for name, content in (await asyncio.to_thread(papers.lists, facts, frame)).items():
            (self.data / name).write_bytes(await workshop.one(set_list, content, strict[name], self.at))
        for name, made in (await asyncio.to_thread(papers.documents, facts, frame)).items():
            (self.data / name).write_bytes(made)

    async def _prove(self, facts: Facts, checkpoint: SealedCheckpoint, export: int) -> None:
        folder, size = self.data / "verify", checkpoint.checkpoint.size
        await write_leaves(self.store, size, folder / "leaves.txt", lambda done: self.progress(SEALING, done, size))
        anchors = await material.anchors(self.store)
        deletions = await material.deletions(self.store)
        disclosed = {export, *(one.seq for one in deletions), *(one.seq for one in anchors)}
        for record in (*facts.gathered.about, *facts.gathered.audit):
            own = record.kind in (EXPORT, "keys", "custody", "gateway", "rules")
            if own or record.seq in self._concerned(facts):
                disclosed.add(record.seq)
        shown = {
            record.seq
            for record in await material.records(self.store, sorted(seq for seq in disclosed if seq < size))
            if not facts.redaction.touches(record.record or "")
        }
        shown -= {letter.seq for letter in facts.exhibits if facts.taken[letter.mark.name].touched}
        terms = await material.public_keys(self.store, self.key_file)
        await write_proofs(self.store, folder, checkpoint, terms[-1].keys, shown, anchors)
        (folder / "tejunsho.txt").write_bytes(manual())
        self._readme(facts, checkpoint, len([one for one in anchors if one.size <= size]))

    def _concerned(self, facts: Facts) -> set[int]:
        found = facts.gathered
        touched = {letter.id for letter in facts.exhibits if facts.taken[letter.mark.name].touched}
        about = {record.seq for record in found.about if record.message not in touched}
        return about | {entry.seq for entry in found.blocks}

    def _readme(self, facts: Facts, checkpoint: SealedCheckpoint, anchors: int) -> None:
        stamps = [facts.taken[letter.mark.name].stamp for letter in facts.exhibits]
        with (self.data / "verify" / "leaves.txt").open(encoding="ascii") as leaves:
            deleted = sum(line.startswith("deleted") for line in leaves)
        summary = Summary(
            shop=self.order.shop,
            made=japanese_minute(self.at, self.order.zone),
            exhibits=len(stamps),
            first=stamps[0] if stamps else "",
            last=stamps[-1] if stamps else "",
            attachments=sum(len(one.attachments) for one in facts.taken.values()),
            calls=len(facts.gathered.calls),
            redacted=sum(one.touched for one in facts.taken.values()),
            anchors=anchors,
            deleted=deleted,
            origin=checkpoint.checkpoint.origin,
            size=checkpoint.checkpoint.size,
            root=checkpoint.checkpoint.root.hex(),
        )
        for language in ("ja", "en"):
            (self.data / f"00_readme_{language}.txt").write_bytes(readme(summary, language))

    async def _pack(self, facts: Facts, checkpoint: SealedCheckpoint, target: Path) -> Made:
        order = self.order
        await asyncio.to_thread(refuse_leaks, self.data, facts.redaction)
        keys = await asyncio.to_thread(load_keys, self.key_file)
        info = {
            "Source-Organization": order.shop,
            "External-Description": "Evidence bundle of a mail gateway",
            "Bagging-Date": self.at.astimezone(order.zone).date().isoformat(),
            "Bag-Software-Agent": f"sekisho {version('sekisho')}",
        }

        def sign(manifest: bytes) -> dict[str, bytes]:
            return {"ed25519": keys.ed25519.sign(manifest), "ecdsa": sign_ecdsa(keys.ecdsa, manifest.decode())}

        self.progress(PACKING, 0, 0)
        await asyncio.to_thread(write_bag, self.bag, info, sign)
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in target.stem)[:40] or "case"
        await asyncio.to_thread(write_zip, self.bag, self.zip, name, self.at)
        made, password = self.zip, None
        if order.encrypted:
            made = self.zip.with_name("encrypted.zip")
            password = await asyncio.to_thread(encrypt, self.zip, made, f"{name}.zip")
        digest, size = await asyncio.to_thread(digest_of, made), made.stat().st_size
        await asyncio.to_thread(put, made, target)
        sealed = checkpoint.checkpoint.size
        await self.store.committer.submit(
            Custody("made", clean(target.name), digest, size, order.operator, checkpoint=sealed)
        )
        shutil.rmtree(self.bag, ignore_errors=True)
        return Made(
            exhibits=len(facts.exhibits),
            attachments=sum(len(one.attachments) for one in facts.taken.values()),
            calls=len(facts.gathered.calls),
            redacted=sum(one.touched for one in facts.taken.values()),
            size=size,
            sha256=digest,
            checkpoint=sealed,
            password=password,
        )


def _told(checkpoint: SealedCheckpoint, zone: ZoneInfo) -> str:
    said = checkpoint.checkpoint
    at = japanese_minute(checkpoint.at, zone)
    return f"ログ {said.origin} の先頭 {said.size:,} 件、ルートハッシュ {said.root.hex()}（{at} 署名）"


_ALTERED = Text(
    "記録 {seq} の原本が、受信時の SHA-256 と一致しません。",
    "The original of record {seq} does not match its SHA-256 at receipt.",
)
_VERIFY = Text("`sekisho verify` で確認してください。", "Run `sekisho verify`.")
