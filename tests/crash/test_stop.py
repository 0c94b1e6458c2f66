"""Orderly stops under load: what was accepted is delivered once and answered once, as if nothing had happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tests.e2e.client import Load
from tests.e2e.gateway import Gateway, below_trace, by_id
from tests.e2e.outside import AUTHENTICATED, Outside


def test_sigterm_under_load_neither_loses_nor_doubles_anything(
    new_gateway: Callable[..., Gateway], outside: Outside
) -> None:
    mailbox, outgoing = outside.sink(), outside.sink()
    gateway = new_gateway(
        smtp={"proxy_protocol_from": ["127.0.0.1/32"]},
        mailbox=f"smtp://127.0.0.1:{mailbox.port}",
        outgoing=f"smtp://127.0.0.1:{outgoing.port}",
    )
    gateway.start()
    with Load(lambda: gateway.port, 20, proxy=AUTHENTICATED) as load:
        for _ in range(3):
            load.wait_for(len(load.sent) + 40)
            assert gateway.stop() == 0
            assert gateway.events("stopped")
            assert gateway.waiting("leased", "sending") == 0
            found = gateway.verify()
            assert found.fault is None
            assert found.newest_checkpoint == found.size
            gateway.start()
        load.wait_for(len(load.sent) + 40)
    gateway.wait_drained()
    assert gateway.stop() == 0
    assert load.refused == []
    rows = gateway.messages()
    assert {row.id for row in rows} == {one.id for one in load.sent}, "answered otherwise than recorded"
    arrived = by_id(one.raw for one in mailbox.taken)
    assert {identifier: [below_trace(raw) for raw in copies] for identifier, copies in arrived.items()} == {
        one.id: [one.raw] for one in load.sent
    }
    assert Counter(one.recipients[0] for one in outgoing.taken) == Counter(one.address for one in load.sent)
    assert {row.state for row in gateway.messages("out")} == {"sent"}
