"""Making a bundle: read, take apart, log that it is made, seal, set the papers, prove, pack."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from gateway.casefile import papers
from gateway.casefile.archive import encrypt, put, write_zip
from gateway.casefile.bag import digest_of, write_bag
from gateway.casefile.disclosure import shown_records, summary, told
from gateway.casefile.facts import Facts
from gateway.casefile.frame import Frame
from gateway.casefile.gather import Gathered, gather, load_raw, load_recording, message_times
from gateway.casefile.guard import refuse_leaks
from gateway.casefile.making_record import log_making
from gateway.casefile.marks import file_suffix
from gateway.casefile.order import PACKING, READING, SEALING, SETTING, Made, Order, Progress
from gateway.casefile.proof_files import write_leaves, write_proofs
from gateway.casefile.readme import manual, readme
from gateway.casefile.redaction import Redaction
from gateway.casefile.when import japanese_minute
from gateway.casefile.workshop import Taken, Workshop, set_list, set_papers, take_apart
from gateway.errors import NotFound, Refused, StoreError
from gateway.evidence.anchors import anchors
from gateway.evidence.deletions import deletions
from gateway.evidence.key_files import load_keys, sign_ecdsa
from gateway.evidence.sealed import SealedCheckpoint, checkpoint_now, key_files, public_keys
from gateway.model.mail_record import clean
from gateway.store.audit import Custody
from gateway.store.engine import Store
from gateway.store.failures import store_error
from gateway.text import Text

MOST_EXHIBITS: Final = 100_000
_NOTHING: Final = Text("該当する記録がありません。", "Nothing on record fits.")
_TOO_MANY: Final = Text("対象が {count} 件あり、多すぎます。", "That would be {count} exhibits: too many.")
_NARROW: Final = Text("--since や --until で絞ってください。", "Narrow it by --since or --until.")
_ALTERED: Final = Text(
    "記録 {seq} の原本が、受信時の SHA-256 と一致しません。",
    "The original of record {seq} does not match its SHA-256 at receipt.",
)
_VERIFY: Final = Text("`sekisho verify` で確認してください。", "Run `sekisho verify`.")


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
            keys = await key_files(self.store, (await public_keys(self.store, self.key_file))[-1].keys)
            export = await log_making(self.store, facts, order, self.data, self.at, keys)
            checkpoint = await checkpoint_now(self.store, self.key_file, self.notes_file)
            frame = Frame(order.shop, order.zone, self.at, told(checkpoint, facts), order.redact)
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
        counted, times = await message_times(self.store)
        order = self.order
        return Facts(
            gathered=found,
            taken=taken,
            missing=missing,
            leaves=leaves,
            counted=counted,
            times=times,
            zone=order.zone,
            redaction=Redaction(order.redact),
            reason=order.reason,
            shop=order.shop,
            operator=order.operator,
            cases=None if order.query.get("hold") else frozenset(order.query.get("case", ())),
            made_at=self.at,
        )

    async def _lists(self, workshop: Workshop, facts: Facts, frame: Frame) -> None:
        """The draft 証拠説明書, the timeline on paper, and the memo for the police."""
        strict = await asyncio.to_thread(papers.lists, facts, frame, strict=True)
        for name, content in (await asyncio.to_thread(papers.lists, facts, frame)).items():
            (self.data / name).write_bytes(await workshop.one(set_list, content, strict[name], self.at))
        for name, made in (await asyncio.to_thread(papers.documents, facts, frame)).items():
            (self.data / name).write_bytes(made)

    async def _prove(self, facts: Facts, checkpoint: SealedCheckpoint, export: int) -> None:
        folder, size = self.data / "verify", checkpoint.checkpoint.size
        leaves = folder / "leaves.txt"
        await write_leaves(self.store, size, leaves, lambda done: self.progress(SEALING, done, size))
        fixed = [one for one in await anchors(self.store) if one.seq < size]
        more = {export, *(one.seq for one in await deletions(self.store)), *(one.seq for one in fixed)}
        shown = await shown_records(self.store, facts, checkpoint, more)
        await write_proofs(self.store, folder, checkpoint, shown, fixed)
        (folder / "tejunsho.txt").write_bytes(manual())
        said = summary(facts, self.order, japanese_minute(self.at, self.order.zone), checkpoint, fixed, leaves)
        for language in ("ja", "en"):
            (self.data / f"00_readme_{language}.txt").write_bytes(readme(said, language))

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
