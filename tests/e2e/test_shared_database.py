"""Two gateways on one PostgreSQL database share the work: nothing goes twice, the log stays whole, either may die."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.e2e.client import Load
from tests.e2e.gateway import Gateway, below_trace, by_id, running, upgraded
from tests.e2e.outside import AUTHENTICATED, Outside
from tests.servers.process import free_port

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgresqlServer

NewGateway = Callable[..., Gateway]


def pair(new_gateway: NewGateway, url: str, mailbox: int, outgoing: int) -> tuple[Gateway, Gateway]:
    settings = {
        "storage": {"database": url},
        "smtp": {"proxy_protocol_from": ["127.0.0.1/32"]},
        "mailbox": f"smtp://127.0.0.1:{mailbox}",
        "outgoing": f"smtp://127.0.0.1:{outgoing}",
    }
    return new_gateway(**settings), new_gateway(**settings)


def nodes(gateway: Gateway) -> set[str]:
    """The gateways that took part, by the records of their starts."""
    return {record["node"] for record in gateway.records("gateway")}


def test_two_gateways_take_and_deliver_side_by_side_without_a_double(
    new_gateway: NewGateway, outside: Outside, postgresql: PostgresqlServer
) -> None:
    mailbox, outgoing = outside.sink(), outside.sink()
    first, second = pair(new_gateway, upgraded(postgresql.new_database()), mailbox.port, outgoing.port)
    with running(first), running(second):
        ports = (first.port, second.port)
        turn = iter(range(1_000_000))
        with Load(lambda: ports[next(turn) % 2], 20, proxy=AUTHENTICATED, most=300) as load:
            load.wait_done()
        assert (load.refused, load.again) == ([], 0)
        first.wait_drained()
        rows = first.messages()
        assert len(rows) == 300
        assert {row.state for row in rows} == {"delivered"}
        arrived = by_id(one.raw for one in mailbox.taken)
        assert {one.id: [one.raw] for one in load.sent} == {
            identifier: [below_trace(raw) for raw in copies] for identifier, copies in arrived.items()
        }
        replies = Counter(one.recipients[0] for one in outgoing.taken)
        assert replies == Counter(one.address for one in load.sent)
        assert all(gateway.events("received") for gateway in (first, second))
        assert len(nodes(first)) == 2
        found = first.verify(second)
        assert found.fault is None, found.fault.en
    found = first.verify(second)
    assert found.fault is None, found.fault.en
    assert found.newest_checkpoint > 0


def test_what_waits_for_a_mailbox_is_shared_and_what_a_dead_gateway_held_goes_on(
    new_gateway: NewGateway, outside: Outside, postgresql: PostgresqlServer
) -> None:
    port, outgoing = free_port(), outside.sink()
    first, second = pair(new_gateway, upgraded(postgresql.new_database()), port, outgoing.port)
    with contextlib.ExitStack() as stack:
        stack.enter_context(running(first))
        second.start()
        with Load(lambda: second.port, 10, proxy=AUTHENTICATED, most=100) as load:
            load.wait_done()
        with Load(lambda: first.port, 10, proxy=AUTHENTICATED, most=100) as more:
            more.wait_done()
        assert first.waiting() >= 100
        second.kill()  # with mail in its queue, and nothing under way: the mailbox is away
        mailbox = outside.sink(port)
        began = time.monotonic()
        first.wait_drained(60)
        drained = time.monotonic() - began
        arrived = by_id(one.raw for one in mailbox.taken)
        sent = {one.id for one in (*load.sent, *more.sent)}
        assert {identifier: len(copies) for identifier, copies in arrived.items()} == dict.fromkeys(sent, 1), drained
        second.start()
        assert first.verify(second).fault is None
        assert second.stop() == 0


def test_what_a_gateway_held_when_it_was_killed_goes_on_when_it_is_started_again(
    new_gateway: NewGateway, outside: Outside, postgresql: PostgresqlServer
) -> None:
    """The new process has another name: it may not wait until the lease of the old one has run out."""
    outgoing = outside.sink()
    with socket.socket() as deaf:  # accepts connections and says nothing: the mail is in the gateway's hands
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(50)
        port = deaf.getsockname()[1]
        gateway, _ = pair(new_gateway, upgraded(postgresql.new_database()), port, outgoing.port)
        gateway.start()
        with Load(lambda: gateway.port, 5, proxy=AUTHENTICATED, most=20) as load:
            load.wait_done()
        assert gateway.waiting("leased") >= 20
        gateway.kill()
    mailbox = outside.sink(port)
    with running(gateway):
        gateway.wait_drained(40)
        arrived = by_id(one.raw for one in mailbox.taken)
        assert {identifier: len(copies) for identifier, copies in arrived.items()} == {one.id: 1 for one in load.sent}
        assert gateway.verify().fault is None
