"""`sekisho log`: find mail on record, show all that is known about one, and get its original bytes."""

from __future__ import annotations

import base64
import re
import sys
from dataclasses import asdict, replace
from typing import Annotated, Literal

from cyclopts import Parameter

from gateway.cli.context import current
from gateway.cli.mail import ID, as_json, show_list, show_mail
from gateway.cli.output import emit, say
from gateway.cli.reading import mentions
from gateway.cli.usage import WrongUsage
from gateway.cli.verbs import Verb
from gateway.cli.when import ago
from gateway.errors import Refused
from gateway.model.entry import Who, parse_entry
from gateway.store import search as records
from gateway.text import Text

_NOTHING = Text("該当する記録はありません。", "Nothing on record fits.")
_MORE = Text(
    "ほかにもあります。--limit を増やすか、条件を絞ってください。",
    "There are more: raise --limit or narrow the search.",
)
_LIMIT = Text("--limit は 1 以上にしてください。", "--limit must be 1 or more.")
_BOTH = Text("{what} が二重に指定されています。", "{what} is given twice.")
_TERMINAL = Text(
    "原文は端末を乱すおそれがあるため、画面には表示しません。",
    "The original bytes may upset your terminal and are not shown on it.",
)
_TERMINAL_MEND = Text(
    "「sekisho log raw {id} > mail.eml」のようにファイルへ書き出すか、--force を付けてください。",
    "Write them to a file, `sekisho log raw {id} > mail.eml`, or add --force.",
)

# an exchange id; for centuries to come its first characters, the time, hold a digit
_ID = re.compile(r"(?=[a-z]{0,3}[2-7])[a-z2-7]{16}")
_When = Parameter(metavar="WHEN")


async def search(
    text: Annotated[
        str,
        Text(
            "探す言葉: アドレスや IP ならその相手、ID ならその記録、ほかは件名の一部。",
            "What to look for: an address or IP for its mail, an id, or else a part of the subject.",
        ),
    ] = "",
    /,
    *,
    person: Annotated[
        str, Parameter(metavar="NAME"), Text("登録したお客様のお名前。", "A person, as named to `block`.")
    ] = "",
    address: Annotated[
        str,
        Parameter(metavar="ADDRESS"),
        Text("差出人か宛先。@ドメイン も可。", "Sender or recipient; also @domain, *.domain."),
    ] = "",
    ip: Annotated[
        str,
        Parameter(metavar="IP"),
        Text("発信元の IP。CIDR や 121.84.241.* も可。", "Origin IP; also CIDR, 121.84.241.*."),
    ] = "",
    order: Annotated[
        str,
        Parameter(metavar="NUMBER"),
        Text(
            "注文番号。設定した形式にない番号は本文を1通ずつ調べるため、--since と併せると速くなります。",
            "Order number. One of no known format is looked for in each mail's text: give --since as well.",
        ),
    ] = "",
    subject: Annotated[str, Text("件名の一部。", "Part of the subject.")] = "",
    since: Annotated[
        str,
        _When,
        Text("これ以降: 2026-11-01、2026-11-01T10:00、7d、24h。", "From: 2026-11-01, 2026-11-01T10:00, 7d, 24h."),
    ] = "",
    until: Annotated[str, _When, Text("これ以前（日付はその日を含みます）。", "Until; a day is included.")] = "",
    verdict: Annotated[
        Literal["", "deliver", "quarantine", "reject", "discard", "sent"],
        Parameter(metavar="VERDICT"),
        Text("判定。", "The verdict."),
    ] = "",
    state: Annotated[
        Literal["", "queued", "delivered", "failed", "held", "released", "refused", "sent", "uncertain"],
        Parameter(metavar="STATE"),
        Text("今の状態。", "What has become of it."),
    ] = "",
    rule: Annotated[str, Parameter(metavar="NAME"), Text("判定したルールの名前。", "The rule that decided.")] = "",
    watched: Annotated[
        str,
        Parameter(metavar="RULE"),
        Text("様子見（mode: watch）で当てはまったルールの名前。", "A rule in mode watch that would have decided."),
    ] = "",
    direction: Annotated[
        Literal["", "in", "out"], Parameter(metavar="WAY"), Text("受信か送信か。", "Incoming or outgoing mail.")
    ] = "",
    limit: Annotated[int, Text("最大件数（既定 50）。", "At most so many (50).")] = 50,
) -> int:
    """List mail, newest first; exit 1 where nothing fits."""
    context = current()
    if limit < 1:
        raise WrongUsage(_LIMIT)
    meant = _meant(text)
    given = {"address": address, "ip": ip, "subject": subject}
    for name in meant.keys() & given.keys():
        if given[name]:
            raise WrongUsage(_BOTH.with_(what=f"--{name}"))
    query = records.Query(
        **{**given, **meant},
        since=ago(since),
        until=ago(until, whole_day=True),
        person=person,
        then=verdict,
        state=state,
        rule=rule,
        watched=watched,
        direction=direction,
    )
    async with context.store(create=False) as store:
        hits = await records.search(store, replace(query, order=order), limit=limit + 1)
        if order and not hits:
            hits = await mentions(store, query, order, limit + 1)
    if context.json:
        for hit in hits[:limit]:
            emit(as_json(hit))
    elif hits:
        show_list(hits[:limit])
    if not hits:
        say(_NOTHING)
    elif len(hits) > limit:
        say(_MORE)
    return 0 if hits else 1


def _meant(text: str) -> dict[str, str]:
    """What a bare word on the command line stands for."""
    said = text.strip()
    if not said:
        return {}
    if _ID.fullmatch(said.lower()):
        return {"id": said}
    if said.startswith("<") and said.endswith(">") and "@" in said:
        return {"message_id": said}
    entry = parse_entry(said)
    if entry is not None and entry.who in (Who.ADDRESS, Who.DOMAIN, Who.SUBDOMAINS):
        return {"address": said}
    if entry is not None and entry.who is Who.NETWORK:
        return {"ip": said}
    return {"subject": said}


async def show(id: Annotated[str, ID], /) -> int:
    """Everything on record about one message."""
    context = current()
    async with context.store(create=False) as store:
        shown = await records.show(store, id)
    if context.json:
        emit(as_json(shown))
    else:
        show_mail(shown)
    return 0


async def raw(
    id: Annotated[str, ID],
    /,
    *,
    force: Annotated[bool, Text("端末にもそのまま表示します。", "Write to a terminal all the same.")] = False,
) -> int:
    """The original bytes on standard output, checked against the SHA-256 on record."""
    context = current()
    if sys.stdout.isatty() and not force and not context.json:
        raise Refused(_TERMINAL, _TERMINAL_MEND.with_(id=id))
    async with context.store(create=False) as store:
        hit = await records.find(store, id)
        original = await records.raw(store, hit.id)
    if context.json:
        emit({**asdict(hit), "raw": base64.b64encode(original).decode("ascii")})
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(original)
    sys.stdout.buffer.flush()
    return 0


VERBS = (
    Verb("search", search, Text("記録されたメールを探します。", "Find mail on record.")),
    Verb(
        "show",
        show,
        Text(
            "1通のすべて（判定の理由、返信、配送、記録）を表示します。",
            "Show one message: why it was judged so, replies, deliveries, records.",
        ),
    ),
    Verb("raw", raw, Text("1通の原文をそのまま出力します。", "Write the original bytes of one message.")),
)
