"""`sekisho people erase`: erasing a person on request."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from gateway.cli.context import current, operator
from gateway.cli.output import confirm, emit, progress, say, warn
from gateway.cli.usage import WrongUsage
from gateway.errors import Refused
from gateway.store import erasure
from gateway.text import Text

_NO_REASON = Text("理由を --reason で書いてください。記録に残ります。", "Give a reason with --reason; it is kept.")
_FOUND = Text(
    "{messages:,} 通のメール・電話（うち {others:,} 通は、ほかの方とのやり取りの中でこの方に触れたもの）と"
    "{records:,} 件の記録を消去します。元に戻せません。",
    "{messages:,} messages and calls ({others:,} of them with others, which name this person) and {records:,} records"
    " will be erased. There is no way back.",
)
_BLOCKED = Text(
    "この方への取引停止（{count} 件）も消えるため、以後のメールは通るようになります。",
    "{count} entries of the blacklist go with it: mail from this person passes again afterwards.",
)
_SURE = Text("消去しますか？", "erase it?")
_NOT_DONE = Text("消去しませんでした。", "nothing was erased")
_NOT_DONE_MEND = Text("承知のうえで行うには --yes を付けてください。", "add --yes to go on knowingly")
_ERASED = Text(
    "消去しました（記録 {seqs}）。証拠ログの検証はこれまでどおり通ります。",
    "Erased (records {seqs}). The log verifies as before.",
)
_OUTSIDE = Text(
    "次のものは別に消去してください：データベースのバックアップ、店のメールボックス、書き出した証拠一式、"
    "プログラムの動作記録。",
    "Erase for yourself: backups of the database, the shop's mailbox, bundles that were exported, the program's log.",
)
_SEARCHING = Text("調べています", "searching")


async def erase(
    who: Annotated[
        str,
        Parameter(name="WHO"),
        Text("アドレス、電話番号、またはお名前か ID。", "Address, phone number, or a person's name or id."),
    ],
    /,
    *,
    reason: Annotated[
        str,
        Text(
            "理由（「本人の請求」など）。本人のアドレスなどは書かないでください。",
            "The reason, such as the person's request; leave their address out of it.",
        ),
    ],
    yes: Annotated[bool, Parameter(["--yes", "-y"]), Text("確認せずに進めます。", "Do not ask.")] = False,
) -> int:
    """Erase a person from mail, log, lists and free space; refused while a case holds any of it."""
    context = current()
    if not reason.strip():
        raise WrongUsage(_NO_REASON)
    async with context.store(create=False) as store:
        with progress() as bar:
            bar.add_task(_SEARCHING.in_(context.language), total=None)
            found = await erasure.find(store, await erasure.traces_of(store, who))
            rows = await erasure.rows_of(store, found.traces)
        if not found.anything and not rows:
            raise erasure.nobody(who)
        await erasure.refuse_held(store, found)
        if not yes:
            warn(_FOUND, messages=len(found.messages), others=found.others, records=len(found.records))
            if found.blocked:
                warn(_BLOCKED, count=found.blocked)
            if not confirm(_SURE):
                raise Refused(_NOT_DONE, _NOT_DONE_MEND)
        done = await erasure.erase(store, found, reason, operator())
    if context.json:
        emit({"records": list(done.seqs), "counts": done.counts})
    say(_ERASED, seqs=", ".join(map(str, done.seqs)) or "-")
    say(_OUTSIDE)
    return 0
