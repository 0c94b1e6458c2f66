"""kill -9 at random moments under load: what was accepted is delivered and on record once, and no reply goes twice.

SEKISHO_KILLS sets how often (five by default, so that the suite stays quick); with `-s` the figures are shown.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.delivery.service import UNSETTLED
from tests.e2e.client import Load
from tests.e2e.gateway import Gateway, below_trace, by_id
from tests.e2e.outside import AUTHENTICATED, Outside

KILLS = int(os.environ.get("SEKISHO_KILLS", "5"))
SENDERS = 20


@pytest.mark.timeout(120 + 30 * KILLS)
def test_nothing_is_lost_and_no_reply_goes_twice_when_the_gateway_is_killed_again_and_again(
    new_gateway: Callable[..., Gateway], outside: Outside
) -> None:
    mailbox, outgoing = outside.sink(), outside.sink()
    gateway = new_gateway(
        smtp={"proxy_protocol_from": ["127.0.0.1/32"]},  # a private address is never authenticated, so never answered
        mailbox=f"smtp://127.0.0.1:{mailbox.port}",
        outgoing=f"smtp://127.0.0.1:{outgoing.port}",
    )
    gateway.start()
    starts: list[float] = []
    sealed = 0
    with Load(lambda: gateway.port, SENDERS, proxy=AUTHENTICATED) as load:
        for _ in range(KILLS):
            load.wait_for(len(load.sent) + 1)  # mail flows again
            time.sleep(random.uniform(0.0, 1.2))
            gateway.kill()
            began = time.monotonic()
            gateway.start()
            starts.append(time.monotonic() - began)
            found = gateway.verify()
            assert found.fault is None, found.fault.en
            assert found.size >= sealed, "the log became shorter"
            sealed = found.size
        load.wait_for(len(load.sent) + 50)
    began = time.monotonic()
    gateway.wait_drained(60 + 5 * KILLS, aside=True)
    drained = time.monotonic() - began
    # a message at work in three kills is set aside, and the owner's command sends it
    aside = gateway.waiting("aside")
    assert aside <= KILLS // 10
    if aside:
        gateway.sekisho("queue", "retry", "--failed")
        gateway.wait_drained()
    assert gateway.stop() == 0
    assert load.refused == []
    found = gateway.verify()
    assert found.fault is None, found.fault.en
    gateway.sekisho("verify")

    # on record: each message that has its 250 exactly once, under the id that the reply named
    records = Counter(record["id"] for record in gateway.records("mail.in"))
    assert set(records.values()) == {1}
    rows = {row.id: row for row in gateway.messages()}
    assert set(rows) == set(records)
    accepted = {one.id: one for one in load.sent}
    assert len(accepted) == len(load.sent)
    assert set(accepted) <= set(rows), "accepted and not on record"
    assert {rows[one].mail_from for one in accepted} == {one.address for one in load.sent}

    # delivered: all that is on record, byte for byte; a second copy only of what was under way in a kill
    arrived = by_id(one.raw for one in mailbox.taken)
    assert set(arrived) == set(rows), "on record and not delivered, or the other way round"
    assert all(
        below_trace(raw) == accepted[id].raw for id, copies in arrived.items() if id in accepted for raw in copies
    )
    copies = sum(len(found) - 1 for found in arrived.values())
    assert copies <= KILLS * UNSETTLED
    assert {row.state for row in rows.values()} == {"delivered"}

    # replies: none twice, whether by the same reply sent again or by a second one to the same customer
    to = Counter(one.recipients for one in outgoing.taken)
    assert to
    assert set(to.values()) == {1}, to.most_common(3)
    uncertain = [row for row in gateway.messages("out") if row.state == "uncertain"]
    assert len(uncertain) <= KILLS * UNSETTLED
    answered = {one.recipients[0] for one in outgoing.taken} | {row.recipients[0] for row in uncertain}
    assert answered == {one.address for one in load.sent}, "customers without their reply"
    figures = {
        "kills": KILLS,
        "accepted": len(accepted),
        "on record": len(rows),
        "tries without a 250": load.again,
        "delivered twice": copies,
        "set aside": aside,
        "replies": len(outgoing.taken),
        "replies uncertain": len(uncertain),
        "log records": found.size,
        "slowest start s": round(max(starts), 1),
        "drained after s": round(drained, 1),
    }
    sys.stdout.write(f"{figures}\n")
