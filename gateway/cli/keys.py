"""`sekisho keys` and `sekisho checkpoint`: the signing keys, seals on demand, and who attests them outside."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Annotated

from gateway.cli.context import current
from gateway.cli.output import confirm, emit, fields, say, warn
from gateway.cli.verbs import Verb
from gateway.errors import Refused, SekishoError
from gateway.evidence import checkpoint as seals
from gateway.evidence.key_files import load_keys
from gateway.evidence.sealed import checkpoint_now, key_files, public_keys
from gateway.ops.anchoring import anchor
from gateway.ops.places import checkpoint_files
from gateway.text import Text

_ROTATED = Text(
    "署名鍵を交代しました（記録 {seq}）。古い鍵は消去され、古いチェックポイントは新しい鍵からたどって検証されます。",
    "The signing keys were exchanged (record {seq}). The old ones are gone; what they signed is verified by the chain.",
)
_SURE = Text(
    "署名鍵を新しくします。鍵を写してお持ちの方（弁護士など）へ、新しい指紋をお知らせください。続けますか？",
    "The signing keys are replaced. Tell whoever keeps a copy of them, such as your lawyer. Go on?",
)
_NOT_DONE = Text("交代しませんでした。", "nothing was changed")
_NOT_DONE_MEND = Text("承知のうえで行うには --yes を付けてください。", "add --yes to go on knowingly")
_SEALED = Text("{size:,} 件の記録を封印しました。", "{size:,} records are sealed.")
_NO_TARGET = Text(
    "外部の証明先がありません。設定の evidence.anchors に時刻認証局やメールアドレスを書いてください。",
    "Nobody outside is named: write authorities or addresses under evidence.anchors in the config.",
)
_ATTESTED = Text("{count} か所で外部に証明しました。", "Attested outside by {count}.")
_TERM = Text("{first:,} ～ {last}", "{first:,} to {last}")
_NOW = Text("（使用中）", "(in use)")


async def show(
    folder: Annotated[
        Path | None, Text("公開鍵を書き出すフォルダー。", "A folder to write the public keys to.")
    ] = None,
    /,
) -> int:
    """The public keys with their fingerprints, and the records that each may seal."""
    context = current()
    key_file, _ = checkpoint_files(context.settings)
    async with context.store() as store:
        terms = await public_keys(store, key_file)
        files = await key_files(store, terms[-1].keys)
    if folder is not None:
        await asyncio.to_thread(_write, folder, files)
    for term in terms:
        told = {"first": term.first, "last": term.last, **term.keys.told}
        prints = {
            "ed25519": hashlib.sha256(term.keys.ed25519.public_bytes_raw()).hexdigest(),
            "ecdsa": hashlib.sha256(term.keys.ecdsa_pem).hexdigest() if term.keys.ecdsa else "",
        }
        if context.json:
            emit({**told, "fingerprints": prints})
            continue
        last = f"{term.last:,}" if term.last is not None else _NOW
        fields(
            [
                (RECORDS, _TERM.with_(first=term.first + 1, last=last)),
                (ED25519, prints["ed25519"]),
                (ECDSA, prints["ecdsa"]),
            ],
            indent=0,
        )
        say("")
    return 0


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        if raw:
            (folder / name).write_bytes(raw)


async def rotate(*, yes: Annotated[bool, Text("確認せずに進めます。", "Do not ask.")] = False) -> int:
    """New signing keys, which the old ones sign; put on record."""
    context = current()
    key_file, notes_file = checkpoint_files(context.settings)
    if not yes and not confirm(_SURE):
        raise Refused(_NOT_DONE, _NOT_DONE_MEND)
    async with context.store() as store:
        seq = await seals.rotate(store, key_file, notes_file)
    if context.json:
        emit({"seq": seq})
    say(_ROTATED, seq=seq)
    return 0


async def checkpoint(
    *,
    attest: Annotated[
        bool,
        Text(
            "設定した時刻認証局とメールの宛先すべてに、いま証明してもらいます。",
            "Have it attested now by every authority and address that the config names.",
        ),
    ] = False,
) -> int:
    """Seal what is on record now; exit 1 where an attestation failed."""
    context = current()
    key_file, notes_file = checkpoint_files(context.settings)
    wanted = context.settings.evidence.anchors
    if attest and not (wanted.tsa or wanted.mail):
        raise Refused(_NO_TARGET)
    done, failed = 0, list[SekishoError]()
    async with context.store(create=False) as store:
        made = await checkpoint_now(store, key_file, notes_file)
        if attest:
            keys = await asyncio.to_thread(load_keys, key_file)
            done, failed = await anchor(store, context.settings, keys.public, now=True)
    said = made.checkpoint
    if context.json:
        emit(
            {
                "size": said.size,
                "root": said.root,
                "at": made.at,
                "note": made.note,
                "attested": done,
                "failed": [str(error) for error in failed],
            }
        )
    say(_SEALED, size=said.size)
    if not context.json:
        fields([(ROOT, said.root.hex()), (AT, made.at)], indent=0)
    if attest:
        say(_ATTESTED, count=done)
    for error in failed:
        warn(error.in_(context.language))
    return 1 if failed else 0


VERBS = (
    Verb("show", show, Text("公開鍵と指紋を表示します。", "Show the public keys and their fingerprints.")),
    Verb("rotate", rotate, Text("署名鍵を新しくします（記録に残ります）。", "Exchange the signing keys, on record.")),
)

RECORDS = Text("記録", "records")
ED25519 = Text("Ed25519 の指紋", "Ed25519 fingerprint")
ECDSA = Text("ECDSA の指紋", "ECDSA fingerprint")
ROOT = Text("ルートハッシュ", "root hash")
AT = Text("日時", "time")
