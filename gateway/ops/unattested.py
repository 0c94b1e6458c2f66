"""Whether those who are to attest checkpoints outside still do: told by `status` where one has not for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.model.settings import Settings
from gateway.ops.health import Problem, span
from gateway.store.anchors import MAIL, STAMP, newest
from gateway.store.engine import Store
from gateway.store.status import Numbers
from gateway.text import Text

MISSED = 3  # rounds

LATE = Text(
    "{target} による外部の証明が{ago}前から得られていません。ゲートウェイのログを確認してください。",
    "{target} has attested no checkpoint for {ago}. Look at the gateway's log.",
)
NEVER = Text(
    "{target} による外部の証明がまだ一度も得られていません。「sekisho checkpoint --attest」で試せます。",
    "{target} has not attested any checkpoint yet. `sekisho checkpoint --attest` tries it.",
)


async def unattested(store: Store, settings: Settings, numbers: Numbers, now: datetime) -> tuple[Problem, ...]:
    """A problem for each authority or address that is `MISSED` rounds late. Raises `StoreError`."""
    if numbers.checkpoint_at is None:
        return ()
    wanted, found = settings.evidence.anchors, []
    targets = [(STAMP, one.url, wanted.every) for one in wanted.tsa]
    targets += [(MAIL, address, wanted.mail_every) for address in wanted.mail]
    for kind, target, every in targets:
        last = await newest(store, kind, target)
        if last is None:
            found.append(Problem("anchor", NEVER.with_(target=target)))
        elif now - last.at > timedelta(seconds=MISSED * every):
            found.append(Problem("anchor", LATE.with_(target=target, ago=span(now - last.at))))
    return tuple(found)
