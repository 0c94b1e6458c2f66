"""`sekisho db`: upgrade, check and back up the database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from gateway.cli.context import current
from gateway.cli.output import emit, say, warn
from gateway.cli.verbs import Verb
from gateway.store import maintenance
from gateway.text import Text

_UPGRADED = Text("データベースの形式: {before} → {after}", "schema {before} → {after}")
_CURRENT = Text("データベースの形式は最新です（{after}）。", "the schema is up to date ({after})")
_SOUND = Text("データベースに問題は見つかりませんでした。", "the database is sound")
_COPIED = Text("{target} に保存しました（{size:,} バイト）。", "written to {target} ({size:,} bytes)")


async def upgrade() -> int:
    """Make the database, or bring it to this version's schema."""
    context = current()
    before, after = await maintenance.upgrade(context.settings.storage.database)
    if context.json:
        emit({"before": before, "after": after})
    say(_CURRENT if before == after else _UPGRADED, before=before or "-", after=after)
    return 0


async def check() -> int:
    """Check schema and file; exit 1 where something is wrong."""
    context = current()
    faults = await maintenance.check(context.settings.storage.database)
    if context.json:
        emit({"ok": not faults, "faults": list(faults)})
    elif not faults:
        say(_SOUND)
    for fault in () if context.json else faults:
        warn(fault)
    return 1 if faults else 0


async def backup(
    target: Annotated[
        Path | None,
        Text(
            "書き出すファイル。省略時は今のフォルダーに日時の名前で作ります。",
            "The file to write; otherwise one named by date and time, here.",
        ),
    ] = None,
    /,
) -> int:
    """Copy it safely, also while the gateway runs."""
    context = current()
    now = datetime.now(context.settings.shop.timezone)
    target = target or Path(f"sekisho-{now:%Y%m%d-%H%M%S}.db")
    size = await maintenance.backup(context.settings.storage.database, target)
    if context.json:
        emit({"target": str(target), "size": size})
    say(_COPIED, target=target, size=size)
    return 0


VERBS = (
    Verb(
        "upgrade",
        upgrade,
        Text(
            "データベースを作成、または最新の形式にします。", "Make the database, or bring it to this version's schema."
        ),
    ),
    Verb("check", check, Text("データベースの形式とファイルを調べます。", "Check the database's schema and file.")),
    Verb(
        "backup",
        backup,
        Text("動作中でも安全に複製を作ります。", "Copy the database safely, also while the gateway runs."),
    ),
)
