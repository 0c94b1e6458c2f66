"""Anchoring: now and then the newest checkpoint is stamped by an authority and mailed to whom the owner names."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import structlog

from gateway.errors import SekishoError
from gateway.evidence.anchors import stamp
from gateway.evidence.key_files import PublicKeys
from gateway.evidence.sealed import SealedCheckpoint, key_files, newest_checkpoint
from gateway.model.acceptance import Draft
from gateway.model.exchange import new_id
from gateway.model.settings import Settings
from gateway.replies.compose import machine_fields, text_part
from gateway.store import anchors
from gateway.store.anchors import MAIL, STAMP, KeepMail
from gateway.store.engine import Store
from gateway.text import Text

logger = structlog.get_logger()

_BOUNDARY = "sekisho-checkpoint"  # no line of base64 begins with a hyphen

SUBJECT = Text(
    "【証拠保全】{shop}：チェックポイント（記録 {size} 件、{at}）",
    "[evidence] {shop}: checkpoint of {size} records, {at}",
)
BODY = Text(
    """{shop} のメール記録の「封印」をお送りします。このメールを、届いたままの形で保管してください。

・記録の件数: {size} 件（{at} 現在）
・ルートハッシュ: {root}

{shop} が後から記録を書き換えると、その記録からはこの値が出なくなります。つまり、このメールが第三者である
あなたのお手元にあること自体が、この日時より前の記録が変わっていないことの証明になります。
内容（お客様のお名前や本文）は含まれていません。返信は不要です。

添付の checkpoint-{size}.txt が封印の本体です。次のように確かめられます。
  openssl dgst -sha256 -verify ecdsa.pem -signature checkpoint-{size}.sig checkpoint-{size}.txt
記録との照合は、証拠一式の手順書、または「sekisho verify --checkpoint checkpoint-{size}.txt」で行えます。
""",
    """This is the seal of the mail records of {shop}. Please keep this mail as it came.

- records: {size} (on {at})
- root hash: {root}

Should {shop} ever rewrite its records, this value no longer comes out of them. That this mail lies with you, and not
with the shop, is what proves that no record before this time was changed.
It holds no content: no customer's name, no text. No answer is needed.

The attached checkpoint-{size}.txt is the seal itself. To check it:
  openssl dgst -sha256 -verify ecdsa.pem -signature checkpoint-{size}.sig checkpoint-{size}.txt
It is compared with the records as a bundle's instructions say, or by
  sekisho verify --checkpoint checkpoint-{size}.txt
""",
)


async def anchor(
    store: Store, settings: Settings, keys: PublicKeys, *, now: bool = False
) -> tuple[int, list[SekishoError]]:
    """Have the newest checkpoint attested by every target that is due (all of them: `now`).

    Gives how many attested it, and what went wrong with others; these are tried again the next time. Raises
    `StoreError`.
    """
    checkpoint = await newest_checkpoint(store)
    if checkpoint is None:
        return 0, []
    wanted, size, clock = settings.evidence.anchors, checkpoint.checkpoint.size, datetime.now(UTC)
    done, failed = 0, list[SekishoError]()
    for authority in wanted.tsa:
        every = timedelta(seconds=wanted.every)
        if not now and not await anchors.due(store, STAMP, authority.url, every, size, clock):
            continue
        try:
            await stamp(store, checkpoint, authority.url, authority.ca)
            done += 1
        except SekishoError as error:
            logger.warning("anchor_failed", target=authority.url, why=str(error))
            failed.append(error)
    for address in wanted.mail:
        every = timedelta(seconds=wanted.mail_every)
        if now or await anchors.due(store, MAIL, address, every, size, clock):
            draft = await letter(store, checkpoint, keys, address, settings)
            said = checkpoint.checkpoint
            await store.committer.submit(KeepMail(said.size, said.root, checkpoint.note, draft))
            done += 1
    return done, failed


async def letter(
    store: Store, checkpoint: SealedCheckpoint, keys: PublicKeys, address: str, settings: Settings
) -> Draft:
    """The mail that carries a checkpoint: the note, its ECDSA signature and the public keys, each as a file."""
    said, shop = checkpoint.checkpoint, settings.shop
    at = f"{checkpoint.at.astimezone(shop.timezone):%Y-%m-%d %H:%M %Z}"
    values = {"shop": shop.name, "size": said.size, "root": said.root.hex(), "at": at}
    title, identifier = SUBJECT.with_(**values).in_(shop.language), new_id()
    fields = machine_fields(
        settings,
        identifier=identifier,
        now=datetime.now(UTC),
        to=address,
        subject=title,
        submitted="auto-generated",
    )
    files = {f"checkpoint-{said.size}.txt": checkpoint.file}
    if checkpoint.ecdsa is not None:
        files[f"checkpoint-{said.size}.sig"] = checkpoint.ecdsa
    files |= await key_files(store, keys)
    parts = [
        text_part(BODY.with_(**values).in_(shop.language)),
        *(_file(name, raw) for name, raw in files.items() if raw),
    ]
    kind = f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{_BOUNDARY}"\r\n\r\n'.encode()
    body = b"".join(b"--%s\r\n%s\r\n" % (_BOUNDARY.encode(), part.rstrip(b"\r\n")) for part in parts)
    raw = b"".join([*fields, kind, body, b"--%s--\r\n" % _BOUNDARY.encode()])
    outgoing = settings.outgoing
    sender = outgoing.return_path if outgoing else ""
    return Draft("notice", raw, sender, (address,), title, identifier, "outgoing" if outgoing else "mailbox")


def _file(name: str, raw: bytes) -> bytes:
    head = (
        f'Content-Type: application/octet-stream; name="{name}"\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    )
    return head.encode() + base64.encodebytes(raw).replace(b"\n", b"\r\n")
