"""`sekisho export`: write the evidence bundle for a lawyer."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from gateway.casefile.bundle import make_bundle
from gateway.casefile.marks import LONGEST_NAME
from gateway.casefile.order import PACKING, READING, SEALING, SETTING, Made, Order
from gateway.cli.context import Context, current, operator
from gateway.cli.output import emit, fields, progress, say, warn
from gateway.cli.usage import WrongUsage
from gateway.cli.when import ago
from gateway.errors import NotFound, Refused, SekishoError
from gateway.ops.places import checkpoint_files
from gateway.store.cases import find_case, list_cases
from gateway.store.engine import Store
from gateway.store.selection import Selection, canonical, person_id
from gateway.store.status import numbers
from gateway.text import Text

_WHAT = Text("何を書き出すか指定してください。", "Say what to export.")
_WHAT_MEND = Text(
    "--person、--address、--order、--since、--until、--case、--hold のどれかを付けてください。",
    "Give one of --person, --address, --order, --since, --until, --case and --hold.",
)
_THERE = Text("ファイルはすでにあります: {path}", "The file is there already: {path}")
_NO_FOLDER = Text("フォルダーがありません: {path}", "There is no folder {path}.")
_BAD = Text("「{value}」は{kind}として読み取れません。", "{value!r} cannot be read as {kind}.")
_ADDRESS = Text("アドレス", "an address")
_ORDER = Text("注文番号", "an order number")
_START = Text("--start は 1 以上にしてください。", "--start must be 1 or more.")
_NO_HOLD = Text("保全中の案件はありません。", "No case holds anything.")
_DONE = Text("{path} を作成しました。", "{path} is written.")
_TELL = Text(
    "パスワードは、ファイルとは別の手段（電話など）でお伝えください。この画面のほかには残りません。"
    "開くには、AES に対応したソフト（7-Zip など、無料）が要ります。Windows のエクスプローラーだけでは開けません。",
    "Tell the password by another way than the file, such as by telephone. It is kept nowhere but here."
    " It opens in programs that know AES, such as 7-Zip; Explorer alone does not open it.",
)
_LOOK = Text(
    "画像・PDF・Word などの添付ファイルの中は、墨消しの対象として調べられません。"
    "渡す前に attachments フォルダーをご確認ください。",
    "Pictures, PDF and Word files are not looked into for words to black out: look at the folder attachments yourself.",
)
_STEPS = {
    READING: Text("メールを読み取り中", "reading mail"),
    SETTING: Text("書証を作成中", "setting exhibits"),
    SEALING: Text("証明を作成中", "proving"),
    PACKING: Text("まとめています", "packing"),
}
_PARTIES = {"ko": "甲", "otsu": "乙", "hei": "丙", "ben": "弁"}

_Name = Parameter(metavar="NAME")
_When = Parameter(metavar="WHEN")


async def export(
    *,
    output: Annotated[
        Path, Parameter(["--output", "-o"], metavar="FILE"), Text("書き出すファイル（zip）。", "The zip to write.")
    ],
    person: Annotated[tuple[str, ...], _Name, Text("お客様のお名前。", "A person, as named to `block`.")] = (),
    address: Annotated[
        tuple[str, ...],
        Parameter(metavar="ADDRESS"),
        Text("差出人か宛先。@ドメイン も可。", "Sender or recipient; also @domain, *.domain."),
    ] = (),
    order: Annotated[tuple[str, ...], Parameter(metavar="NUMBER"), Text("注文番号。", "An order number.")] = (),
    since: Annotated[str, _When, Text("この日時から（例: 2026-11-01、90d）。", "From: 2026-11-01, 90d.")] = "",
    until: Annotated[str, _When, Text("この日時まで（その日を含む）。", "Until; a day is included.")] = "",
    case: Annotated[tuple[str, ...], _Name, Text("案件の名前。", "A case, by its name.")] = (),
    hold: Annotated[bool, Text("保全中の案件すべて。", "Everything that cases hold.")] = False,
    redact: Annotated[
        tuple[str, ...],
        Parameter(metavar="TEXT"),
        Text(
            "墨消しする言葉（何度でも）。該当する原本は除かれます。",
            "Words to black out; originals with them are left out.",
        ),
    ] = (),
    reason: Annotated[str, Text("墨消しの理由。", "Why they are blacked out.")] = "",
    party: Annotated[
        Literal["甲", "乙", "丙", "弁", "ko", "otsu", "hei", "ben"],
        Parameter(show_choices=False, metavar="LETTER"),
        Text("号証の符号（甲・乙・丙・弁）。", "The party's letter: ko, otsu, hei or ben."),
    ] = "甲",
    start: Annotated[int, Text("最初の号証の番号。", "Number of the first exhibit.")] = 1,
    encrypt: Annotated[
        bool,
        Text(
            "AES-256 で暗号化した zip にします（パスワードは自動で作ります）。",
            "Encrypt the zip with AES-256; the password is made.",
        ),
    ] = False,
) -> int:
    """Write the evidence bundle of what fits any person, address or order, within the period."""
    context = current()
    if start < 1:
        raise WrongUsage(_START)
    period = (ago(since), ago(until, whole_day=True))
    if not (person or address or order or case or hold or any(period)):
        raise WrongUsage(_WHAT, _WHAT_MEND)
    target = output.absolute()
    if await asyncio.to_thread(target.exists):
        raise Refused(_THERE.with_(path=output))
    if not await asyncio.to_thread(target.parent.is_dir):
        raise Refused(_NO_FOLDER.with_(path=output.parent))
    async with context.store(create=False) as store:
        wanted = await _selections(store, person, address, order, case, hold=hold, since=period[0], until=period[1])
        asked = {"person": person, "address": address, "order": order, "since": since, "until": until, "case": case}
        shop = context.settings.shop
        what = Order(
            selections=wanted,
            query={**{name: value for name, value in asked.items() if value}, **({"hold": True} if hold else {})},
            operator=operator(),
            shop=shop.name,
            zone=shop.timezone,
            party=_PARTIES.get(party, party),
            start=start,
            redact=redact,
            reason=reason,
            policy=await asyncio.to_thread(_policy, context),
            state={"clock": await _clock(store)},
            encrypted=encrypt,
        )
        with progress() as bar:
            task = bar.add_task(_STEPS[READING].in_(context.language), total=None)

            def show(step: str, done: int, total: int) -> None:
                bar.update(task, description=_STEPS[step].in_(context.language), completed=done, total=total or None)

            made = await make_bundle(store, checkpoint_files(context.settings), what, target, show)
    _show(made, output)
    if redact and made.attachments:
        warn(_LOOK)
    return 0


async def _selections(
    store: Store,
    persons: tuple[str, ...],
    addresses: tuple[str, ...],
    orders: tuple[str, ...],
    cases: tuple[str, ...],
    *,
    hold: bool,
    since: datetime | None,
    until: datetime | None,
) -> tuple[Selection, ...]:
    found = []
    if persons or addresses or orders or not (cases or hold):
        found.append(
            Selection(
                persons=tuple([await person_id(store, name) for name in persons]),
                addresses=tuple(_canonical("address", value, _ADDRESS) for value in addresses),
                orders=tuple(_canonical("order", value, _ORDER) for value in orders),
                since=_utc(since),
                until=_utc(until),
            )
        )
    named = [await find_case(store, name) for name in cases]
    if hold:
        held = [one for one in await list_cases(store) if one.hold]
        if not held:
            raise NotFound(_NO_HOLD)
        named += held
    for one in named:
        own = one.selection
        first = max((at for at in (own.since, _utc(since)) if at is not None), default=None)
        last = min((at for at in (own.until, _utc(until)) if at is not None), default=None)
        found.append(replace(own, since=first, until=last))
    return tuple(found)


def _canonical(kind: str, value: str, name: Text) -> str:
    try:
        return canonical(kind, value)
    except ValueError:
        raise WrongUsage(_BAD.with_(value=value[:100], kind=name)) from None


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at is not None else None


def _policy(context: Context) -> dict[str, bytes]:
    """The letters and rules as they stand now, and the hash by which the records name the rules."""
    settings = context.settings
    files = [settings.rules, *sorted(settings.templates.glob("*.txt"))]
    found = {_plain(file.name): file.read_bytes() for file in files if file.is_file()}
    with suppress(SekishoError):  # rules with faults still stand there to be read
        found["rules-hash.txt"] = f"{context.rules().hash}\n".encode()
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[-LONGEST_NAME:]


async def _clock(store: Store) -> dict[str, Any]:
    """What this machine's clock says, beside the newest time of the log."""
    newest = (await numbers(store)).log_at
    synchronised = await asyncio.to_thread(os.path.exists, "/run/systemd/timesync/synchronized")
    return {
        "system_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "log_utc": newest.isoformat(timespec="seconds") if newest else None,
        "synchronised": "yes" if synchronised else "unknown",
    }


def _show(made: Made, output: Path) -> None:
    if current().json:
        emit({"ok": True, "file": str(output), **{name: getattr(made, name) for name in Made.__slots__}})
        return
    fields(
        [
            (Text("書証", "exhibits"), made.exhibits),
            (Text("添付ファイル", "attachments"), made.attachments),
            (Text("電話", "telephone calls"), made.calls or None),
            (Text("うち墨消し", "redacted among them"), made.redacted or None),
            (Text("大きさ", "size"), Text("{size:,} バイト", "{size:,} bytes").with_(size=made.size)),
            ("SHA-256", made.sha256),
            (Text("パスワード", "password"), made.password),
        ],
        indent=0,
    )
    if made.password:
        warn(_TELL)
    say(_DONE, path=output)
