"""`sekisho verify`: walk the whole log, or check a bundle, and name what does not hold."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from gateway.casefile.shipped.verify import NoBundle, check
from gateway.cli.context import current
from gateway.cli.output import emit, fields, progress, say, warn
from gateway.cli.usage import WrongUsage
from gateway.errors import Refused, StoreError
from gateway.evidence.key_files import load_key
from gateway.evidence.note import split_notes
from gateway.evidence.verify import Verification
from gateway.evidence.verify import verify as walk
from gateway.ops.places import checkpoint_files
from gateway.store.engine import Store
from gateway.store.status import numbers
from gateway.text import Text, plain

_NO_BUNDLE = Text("{path} は、証拠一式として読めません: {why}", "{path} cannot be read as a bundle: {why}")
_NO_BUNDLE_MEND = Text(
    "暗号化したものは、先にパスワードで開いて、中の zip を指定してください。",
    "One that is encrypted has to be opened by its password first: name the zip inside.",
)
_NO_KEY = Text(
    "署名鍵 {path} がないため、チェックポイントの署名を確かめられません。",
    "The signing key {path} is missing: the signatures of the checkpoints cannot be checked.",
)
_NO_KEY_MEND = Text("バックアップから戻してください。", "Go back to a backup of it.")
_BAD_KEY = Text("鍵 {path} を使えません: {why}", "The key {path} cannot be used: {why}")
_NOTE = Text("・{said}", "- {said}")
_FAULT = Text("✗ [{code}] {said}", "✗ [{code}] {said}")
_BUNDLE_HOLDS = Text("証拠一式は、作成されたときのままです。", "The bundle is as it was made.")
_NO_NOTE = Text("{path} にチェックポイントがありません。", "There is no checkpoint in {path}.")
_WALKING = Text("検証中", "verifying")
_HOLDS = Text("記録はすべて、書き込まれたときのままです。", "Every record is as it was written.")
_BROKEN = Text("✗ {fault}", "✗ {fault}")
_BROKEN_MEND = Text(
    "  → データベースに手を加えず複製を取り、バックアップと比べてください。",
    "  → Leave the database as it is, copy it, and compare it with a backup.",
)
_EMPTY = Text("記録はまだありません。", "There are no records yet.")
_UNSEALED = Text(
    "最後の {count:,} 件は、次のチェックポイント（1時間ごと）で封印されます。",
    "The newest {count:,} records are sealed by the next checkpoint, made every hour.",
)


async def verify(
    case: Annotated[
        Path | None,
        Text(
            "証拠一式（zip、または展開したフォルダー）。省略時はこのゲートウェイのログ。",
            "A bundle (zip or folder); otherwise the log of this gateway.",
        ),
    ] = None,
    /,
    *,
    key: Annotated[
        tuple[Path, ...],
        Text(
            "ほかのゲートウェイの鍵（PEM）。データベースを共有しているときに。",
            "A key (PEM) of another gateway that shares the database.",
        ),
    ] = (),
    checkpoint: Annotated[
        tuple[Path, ...],
        Text(
            "外部で保管されていたチェックポイント（弁護士に送ったファイルなど）とも照合します。",
            "A checkpoint that was kept elsewhere, such as the one mailed to the lawyer, to compare with.",
        ),
    ] = (),
) -> int:
    """Verify the log against its messages and signed checkpoints, or a bundle; exit 1 where something does not hold."""
    if case is not None:
        return await _bundle(case)
    context = current()
    key_file, notes_file = checkpoint_files(context.settings)
    async with context.store(create=False) as store:
        keys = [*await _keys(store, key_file, notes_file), *(_public(file) for file in key)]
        kept = [note for file in checkpoint for note in await asyncio.to_thread(_notes, file)]
        with progress() as bar:
            task = bar.add_task(_WALKING.in_(context.language), total=None)
            found = await walk(
                store, keys, notes_file, lambda done, total: bar.update(task, completed=done, total=total), kept
            )
    if context.json:
        emit({"ok": found.holds, **asdict(found), "fault": found.fault})
    else:
        _show(found)
    return 0 if found.holds else 1


async def _bundle(case: Path) -> int:
    try:
        found = await asyncio.to_thread(check, case)
    except (NoBundle, OSError) as error:
        raise Refused(_NO_BUNDLE.with_(path=case, why=error), _NO_BUNDLE_MEND) from error
    if current().json:
        faults = [{"code": code, "ja": ja, "en": en} for code, ja, en in found.faults]
        emit({"ok": not faults, "faults": faults, "checked": [{"ja": ja, "en": en} for ja, en in found.notes]})
        return 1 if faults else 0
    for ja, en in found.notes:
        say(_NOTE.with_(said=Text(ja, en)))
    for code, ja, en in found.faults:
        warn(_FAULT.with_(code=code, said=Text(ja, en)))
    if not found.faults:
        say(_BUNDLE_HOLDS)
    return 1 if found.faults else 0


async def _keys(store: Store, key_file: Path, notes_file: Path) -> list[Ed25519PublicKey]:
    """The key that checkpoints are checked with; a missing one is never made here."""
    if await asyncio.to_thread(key_file.exists):
        return [(await asyncio.to_thread(load_key, key_file)).public_key()]
    if (await numbers(store)).checkpoint_at is not None or await asyncio.to_thread(notes_file.exists):
        raise StoreError(_NO_KEY.with_(path=key_file), _NO_KEY_MEND)
    return []


def _public(file: Path) -> Ed25519PublicKey:
    """A public key, or that of a signing key."""
    try:
        pem = file.read_bytes()
        found = load_pem_public_key(pem) if b"PUBLIC" in pem else load_pem_private_key(pem, None).public_key()
    except (OSError, ValueError, TypeError) as error:
        raise WrongUsage(_BAD_KEY.with_(path=file, why=str(error).partition("\n")[0][:200])) from error
    if not isinstance(found, Ed25519PublicKey):
        raise WrongUsage(_BAD_KEY.with_(path=file, why=type(found).__name__))
    return found


def _notes(file: Path) -> list[tuple[str, Text]]:
    """The checkpoints in a file that somebody kept, each with the file's name."""
    try:
        notes, _ = split_notes(file.read_text("utf-8").replace("\r\n", "\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(_NO_NOTE.with_(path=file)) from error
    if not notes:
        raise WrongUsage(_NO_NOTE.with_(path=file))
    return [(note, plain(file.name)) for note in notes]


def _show(found: Verification) -> None:
    if found.holds and not found.size:
        say(_EMPTY)
        return
    fields(
        [
            (RECORDS, NUMBER.with_(count=found.size)),
            (MESSAGES, NUMBER.with_(count=found.messages)),
            (DELETED, NUMBER.with_(count=found.deleted) if found.deleted else None),
            (CHECKPOINTS, NUMBER.with_(count=found.checkpoints)),
            (ANCHORS, NUMBER.with_(count=found.anchors)),
            (ROOT, found.root),
        ],
        indent=0,
    )
    if found.fault is not None:
        warn(_BROKEN.with_(fault=found.fault))
        warn(_BROKEN_MEND)
        return
    say(_HOLDS)
    if found.size > found.newest_checkpoint:
        say(_UNSEALED, count=found.size - found.newest_checkpoint)


RECORDS = Text("検証した記録", "records verified")
MESSAGES = Text("うちメール", "messages among them")
DELETED = Text("削除済み", "deleted")
CHECKPOINTS = Text("チェックポイント", "checkpoints")
ANCHORS = Text("外部の証明", "attested outside")
ROOT = Text("ルートハッシュ", "root hash")
NUMBER = Text("{count:,}", "{count:,}")
