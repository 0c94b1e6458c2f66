"""Delivery out of the queue: outcomes, retries, destinations that are away, crashes, stops."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.clients.transport import SendResult, Status, same_for_all
from gateway.delivery import service as service_module
from gateway.delivery.failures import NOTICES_AN_HOUR
from gateway.errors import StoreError
from gateway.mime.message import Message
from gateway.model.acceptance import Dispatch, Draft, Leased
from gateway.model.fact import Fact
from gateway.model.settings import Target
from gateway.replies import notices
from gateway.store.engine import Store
from gateway.store.gateway_events import SendDraft
from gateway.store.outcome import Sending
from gateway.store.queue import Cancel
from gateway.store.work import claim
from gateway.text import plain
from tests.integration.databases import store
from tests.integration.deliveries import Bench, Clock, accept_one, clock, settings
from tests.integration.scripted_server import Scripted
from tests.integration.stores import NODE, exchange, plan
from tests.servers.dovecot import Dovecot
from tests.servers.sink import Sink

__all__ = ["clock", "store"]

PROVEN = {"authenticated": Fact(True), "automatic": Fact("no")}


class Fake:
    """A transport that gives what it is told to, and remembers what it was given."""

    def __init__(self, *, code: int = 250, down: bool = False, uncertain: bool = False, wait: float = 0.0) -> None:
        self.code, self.down, self.uncertain, self.wait = code, down, uncertain, wait
        self.sent: list[Leased] = []
        self.at_once = self.most_at_once = 0

    async def send(self, leased: Leased) -> SendResult:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.wait)
            self.sent.append(leased)
        finally:
            self.at_once -= 1
        status = {2: Status.DELIVERED, 5: Status.FAILED}.get(self.code // 100, Status.DEFERRED)
        return SendResult(same_for_all(leased.recipients, status, self.code, "said"), "fake", self.uncertain, self.down)

    async def close(self) -> None:
        pass


def fakes(mailbox: Fake | None = None, outgoing: Fake | None = None) -> dict[str, Any]:
    return {"transports": {"mailbox": mailbox or Fake(), "outgoing": outgoing or Fake()}}


CONFIG = settings(Target("smtp", "mailbox.example", 25), Target("smtp", "smart.example", 587))


# what goes well


async def test_hot_work_is_delivered_byte_for_byte_and_recorded(store: Store, clock: Clock) -> None:
    async with Scripted() as server, Bench(store, clock, settings(server.target())) as bench:
        came = exchange()
        await bench.receive(came=came)
        await bench.drained(1)
        assert server.taken[0][2].endswith(came.raw)
        (kept,) = await bench.messages("mail")
        assert kept.state == "delivered"
        assert await bench.records("delivery") == 1


async def test_what_waits_in_the_queue_is_found_by_itself(store: Store, clock: Clock) -> None:
    mailbox = Fake()
    for _ in range(3):
        await accept_one(store)
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:  # leased by an earlier run of this node
        await bench.drained(3)
    assert len(mailbox.sent) == 3


async def test_delivery_to_dovecot_and_maildir_and_sink(
    store: Store, clock: Clock, dovecot: Dovecot, smtp_sink: Sink, tmp_path: Path
) -> None:
    came = exchange("日本語の本文\r\n.\r\n..x")
    user = f"delivery-{came.id}@shop.example"
    targets = [
        Target("lmtp", "127.0.0.1", dovecot.lmtp_port),
        Target("maildir", path=tmp_path / "Maildir"),
        Target("smtp", "127.0.0.1", smtp_sink.port),
    ]
    for number, target in enumerate(targets):
        one = exchange("日本語の本文\r\n.\r\n..x")
        async with Bench(store, clock, settings(target)) as bench:
            await bench.receive(
                came=one, dispatches=(Dispatch("deliver", "mailbox", one.id, "taro@example.com", (user,)),)
            )
            await bench.drained(number + 1)
    (kept,) = await asyncio.to_thread(dovecot.wait_for, user)
    assert kept.endswith(came.raw)
    (file,) = (tmp_path / "Maildir/new").iterdir()
    assert file.read_bytes().endswith(came.raw)
    smtp_sink.wait_for(1)
    assert smtp_sink.messages()[0].endswith(came.raw)


async def test_so_many_at_a_time_and_no_more(store: Store, clock: Clock) -> None:
    mailbox = Fake(wait=0.01)
    config = settings(Target("smtp", "x", 25), concurrency=3)
    async with Bench(store, clock, config, **fakes(mailbox)) as bench:
        await bench.receive(40)
        await bench.drained(40)
    assert mailbox.most_at_once == 3


# trying again


async def test_a_deferred_entry_is_tried_again_later_and_later(store: Store, clock: Clock) -> None:
    mailbox = Fake(code=451)
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:
        await bench.receive()
        waits = []
        for attempt in range(4):
            await bench.until(lambda s, n=attempt + 1: len(mailbox.sent) == n and s == {"waiting": 1})  # type: ignore[misc]
            (row,) = await bench.rows()
            assert row.attempts == attempt + 1
            assert row.last_error == "451 said"
            waits.append((row.next_at - clock()).total_seconds())
            await asyncio.sleep(0.1)
            assert len(mailbox.sent) == attempt + 1  # nothing before its time
            mailbox.code = 250 if attempt == 3 else 451
            clock.turn(seconds=waits[-1] + 1)
        await bench.drained(1)
    assert all(60 * 2**n * 0.75 < wait < 60 * 2**n * 1.25 for n, wait in enumerate(waits))
    assert len(mailbox.sent) == 5


async def test_each_recipient_goes_its_own_way(store: Store, clock: Clock) -> None:
    said = {"ok@shop.example": "250 ok", "busy@shop.example": "450 4.2.1 busy", "gone@shop.example": "550 5.1.1 gone"}
    one = exchange()
    async with Scripted() as server, Bench(store, clock, settings(server.target())) as bench:
        server.replies["RCPT"] = lambda rest: said[rest.removeprefix("TO:").strip("<>")]
        dispatch = Dispatch("deliver", "mailbox", one.id, "taro@example.com", tuple(said))
        said["shop@shop.example"] = "250 ok"  # the notice about the failed one
        await bench.receive(came=one, dispatches=(dispatch,))
        await bench.until(lambda s: s.get("waiting") == 1 and s.get("failed") == 1)
        said["busy@shop.example"] = "250 ok"
        clock.turn(minutes=5)
        await bench.until(lambda s: s == {"done": 2, "failed": 1})
    taken = [to for _, recipients, raw in server.taken for to in recipients if raw.endswith(one.raw)]
    assert sorted(taken) == ["busy@shop.example", "ok@shop.example"]


async def test_a_permanent_failure_is_reported_to_the_sender_and_told_to_the_owner(store: Store, clock: Clock) -> None:
    mailbox, outgoing = Fake(code=550), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.receive(facts=PROVEN)
        await bench.until(lambda s: s == {"failed": 1, "done": 2})
        (kept,) = await bench.messages("mail")
        assert kept.state == "failed"
        report, notice = (await bench.messages("report"))[0], (await bench.messages("notice"))[0]
    assert report.about == notice.about == kept.id
    by_kind = {leased.kind: leased for leased in outgoing.sent}
    assert by_kind["report"].recipients == ("taro@example.com",)
    assert by_kind["report"].mail_from == ""
    assert by_kind["notice"].recipients == ("owner@shop.example",)
    told = Message(by_kind["notice"].raw).body()
    assert "550 said" in told
    assert f"sekisho log show {kept.id}" in told
    assert "差出人には、届かなかったことをお知らせしています" in told


@pytest.mark.parametrize(
    "facts", [{}, {**PROVEN, "authenticated": Fact(False)}, {**PROVEN, "automatic": Fact("auto_reply")}]
)
async def test_no_report_goes_to_a_sender_that_is_not_proven_and_the_owner_hears_of_it(
    store: Store, clock: Clock, facts: dict[str, Fact]
) -> None:
    mailbox, outgoing = Fake(code=550), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.receive(facts=facts)
        await bench.until(lambda s: s == {"failed": 1, "done": 1})
    assert [leased.kind for leased in outgoing.sent] == ["notice"]
    assert "差出人にはお知らせしていません" in Message(outgoing.sent[0].raw).body()


async def test_after_the_last_try_it_is_given_up(store: Store, clock: Clock) -> None:
    mailbox, outgoing = Fake(code=451), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.receive(facts=PROVEN)
        await bench.until(lambda s: s.get("waiting") == 1)
        clock.turn(days=5)
        await bench.until(lambda s: s == {"failed": 1, "done": 2})
    assert len(mailbox.sent) == 2
    report = next(leased for leased in outgoing.sent if leased.kind == "report")
    assert b"Status: 4.4.7" in report.raw


async def test_nobody_is_told_about_notices_and_reports_that_fail(store: Store, clock: Clock) -> None:
    mailbox, outgoing = Fake(code=550), Fake(code=550)
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.receive(facts=PROVEN)
        await bench.until(lambda s: s == {"failed": 3})
        await asyncio.sleep(0.1)
        assert await bench.states() == {"failed": 3}


async def test_many_failures_are_told_as_a_number(store: Store, clock: Clock) -> None:
    mailbox, outgoing = Fake(code=550), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.receive(NOTICES_AN_HOUR + 30)
        await bench.until(lambda s: s == {"failed": NOTICES_AN_HOUR + 30, "done": NOTICES_AN_HOUR})
        clock.turn(hours=1, minutes=1)
        await bench.until(lambda s: s.get("done") == NOTICES_AN_HOUR + 1)
    assert "ほかにも配送できなかったメールが 30 通" in Message(outgoing.sent[-1].raw).subject


# destinations that are away


async def test_five_days_without_the_mailbox_lose_nothing_and_it_drains_by_itself(store: Store, clock: Clock) -> None:
    port = Scripted()
    await port.listen()
    await port.close()
    config = settings(port.target())
    count = 0
    async with Bench(store, clock, config) as bench:
        for _ in range(5 * 24 // 6):
            await bench.receive(10)
            count += 10
            await bench.until(lambda s: set(s) == {"waiting"})
            clock.turn(hours=6)
            await asyncio.sleep(0.05)
        await bench.until(lambda s: set(s) == {"waiting"})
        async with Scripted(port=port.port) as server:
            clock.turn(minutes=10)
            await bench.drained(count)
            ids = [raw for _, _, raw in server.taken]
    assert len(ids) == count
    assert {kept.state for kept in await bench.messages("mail")} == {"delivered"}


async def test_a_destination_that_is_down_is_looked_at_by_one_and_not_hammered(store: Store, clock: Clock) -> None:
    mailbox = Fake(code=0, down=True)
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:
        await bench.receive(600)
        await bench.until(lambda s: s == {"waiting": 600})
        first = len(mailbox.sent)
        assert first <= 10  # those that were under way at that moment
        for _ in range(5):
            seen = len(mailbox.sent)
            clock.turn(minutes=8)
            await bench.until(lambda s, seen=seen: len(mailbox.sent) > seen and s == {"waiting": 600})  # type: ignore[misc]
            await asyncio.sleep(0.05)
            assert len(mailbox.sent) - seen <= 2
        mailbox.code, mailbox.down = 250, False
        clock.turn(minutes=8)
        await bench.drained(600)
        assert (await bench.rows())[0].crashes == 0


async def test_new_mail_for_a_destination_that_is_down_waits_untried(store: Store, clock: Clock) -> None:
    mailbox = Fake(code=0, down=True)
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:
        await bench.receive()
        await bench.until(lambda s: s == {"waiting": 1})
        await bench.receive(20)
        await bench.until(lambda s: s == {"waiting": 21})
        assert len(mailbox.sent) == 1
        attempts = sorted(row.attempts for row in await bench.rows(30))
        assert attempts == [0] * 20 + [1]


async def test_one_destination_that_is_down_does_not_stop_the_other(store: Store, clock: Clock) -> None:
    mailbox, outgoing = Fake(code=0, down=True), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.receive(10, reply=None)
        await bench.receive(reply=plan())
        await bench.until(lambda s: s == {"waiting": 11, "done": 1})
    assert len(outgoing.sent) == 1


async def test_the_owner_hears_once_of_a_destination_that_is_down_for_long(store: Store, clock: Clock) -> None:
    mailbox, outgoing = Fake(code=0, down=True), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.receive()
        for _ in range(10):
            clock.turn(minutes=20)
            seen = len(mailbox.sent)
            await bench.until(lambda s, seen=seen: len(mailbox.sent) > seen and s.get("waiting") == 1)  # type: ignore[misc]
        await bench.until(lambda s: s == {"waiting": 1, "done": 1})
    (told,) = outgoing.sent
    assert "smtp://mailbox.example:25" in Message(told.raw).subject


# replies at most once


async def test_a_reply_is_noted_before_it_leaves_and_sent_once(store: Store, clock: Clock) -> None:
    outgoing = Fake()
    states: list[str] = []
    send = outgoing.send

    async def look(leased: Leased) -> SendResult:
        async with store.read() as connection:
            row = await connection.execute(text("SELECT state FROM queue WHERE id = :id"), {"id": leased.id})
            states.append(row.scalar_one())
        return await send(leased)

    outgoing.send = look  # type: ignore[method-assign]
    async with Bench(store, clock, CONFIG, **fakes(outgoing=outgoing)) as bench:
        await bench.receive(reply=plan())
        await bench.drained(2)
    assert states == ["sending"]
    assert [leased.kind for leased in outgoing.sent] == ["reply"]
    assert [kept.state for kept in await bench.messages("reply")] == ["sent"]


async def test_a_reply_that_broke_after_the_dot_is_never_sent_again(store: Store, clock: Clock) -> None:
    mailbox = Fake()
    async with Scripted(end="break") as server:
        config = settings(Target("smtp", "x", 25), server.target())
        ways = DeliveryTransports(config, mailbox)
        async with Bench(store, clock, config, transports=ways.transports) as bench:
            await bench.receive(reply=plan())
            await bench.until(lambda s: s == {"done": 1, "uncertain": 1})
            server.end = "250 ok"
            clock.turn(days=6)
            await asyncio.sleep(0.2)
        async with Bench(store, clock, config, transports=DeliveryTransports(config, mailbox).transports) as bench:
            clock.turn(days=1)
            await asyncio.sleep(0.2)
            assert await bench.states() == {"done": 1, "uncertain": 1}
    assert len(server.taken) == 1


async def test_a_reply_that_was_refused_for_now_is_tried_again(store: Store, clock: Clock) -> None:
    outgoing = Fake(code=451)
    async with Bench(store, clock, CONFIG, **fakes(outgoing=outgoing)) as bench:
        await bench.receive(reply=plan())
        await bench.until(lambda s: s == {"done": 1, "waiting": 1})
        outgoing.code = 250
        clock.turn(minutes=5)
        await bench.drained(2)
    assert len(outgoing.sent) == 2


async def test_a_reply_that_was_being_sent_at_a_crash_is_never_sent_again(store: Store, clock: Clock) -> None:
    accepted = await accept_one(store, reply=plan())
    reply = next(leased for leased in accepted.leased if leased.kind == "reply")
    assert await store.committer.submit(Sending(reply.id, NODE))  # and now the machine loses power
    mailbox, outgoing = Fake(), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.until(lambda s: s == {"done": 1, "uncertain": 1})
        clock.turn(days=1)
        await asyncio.sleep(0.1)
    assert not outgoing.sent
    assert len(mailbox.sent) == 1  # the customer's mail itself is delivered


async def test_a_reply_that_was_cancelled_meanwhile_does_not_leave(store: Store, clock: Clock) -> None:
    accepted = await accept_one(store, reply=plan())
    outgoing = Fake()
    async with Bench(store, clock, CONFIG, **fakes(outgoing=outgoing)) as bench:
        outgoing.code = 451
        await bench.until(lambda s: s.get("waiting") == 1)
        reply = next(leased for leased in accepted.leased if leased.kind == "reply")
        sent = len(outgoing.sent)
        await store.committer.submit(Cancel((reply.id,)))
        bench.service.hand_over([reply])  # a hand-over that is out of date
        await asyncio.sleep(0.1)
        assert len(outgoing.sent) == sent


async def test_a_fault_of_ours_while_a_reply_leaves_counts_as_uncertain(store: Store, clock: Clock) -> None:
    outgoing = Fake()

    async def broken(leased: Leased) -> SendResult:
        raise RuntimeError("defect")

    outgoing.send = broken  # type: ignore[method-assign]
    async with Bench(store, clock, CONFIG, **fakes(outgoing=outgoing)) as bench:
        await bench.receive(reply=plan())
        await bench.until(lambda s: s == {"done": 1, "uncertain": 1})


async def test_a_fault_of_ours_while_mail_is_delivered_is_a_try_like_another(store: Store, clock: Clock) -> None:
    mailbox = Fake()
    send = mailbox.send

    async def broken(leased: Leased) -> SendResult:
        mailbox.send = send  # type: ignore[method-assign]
        raise RuntimeError("defect")

    mailbox.send = broken  # type: ignore[method-assign]
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:
        await bench.receive()
        await bench.until(lambda s: s == {"waiting": 1})
        clock.turn(minutes=5)
        await bench.drained(1)


# crashes, stops, the database away


async def test_three_crashes_set_an_entry_aside_and_the_owner_is_told(store: Store, clock: Clock) -> None:
    await accept_one(store)
    lease = timedelta(minutes=5)
    clock.turn(minutes=6)
    for _ in range(3):
        taken = await claim(store, NODE, 10, clock(), lease=lease)
        assert len(taken.leased) == 1  # and the process dies while it sends
        clock.turn(minutes=6)
    mailbox, outgoing = Fake(), Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox, outgoing)) as bench:
        await bench.until(lambda s: s == {"aside": 1, "done": 1})
        (row,) = [row for row in await bench.rows() if row.state == "aside"]
    assert not mailbox.sent
    told = Message(outgoing.sent[0].raw)
    assert "送信を止めたメール" in told.subject
    assert f"sekisho queue retry {row.id}" in told.body()


async def test_crashes_soon_after_a_start_are_not_blamed_on_what_crashed_before(store: Store, clock: Clock) -> None:
    await accept_one(store)
    lease = timedelta(minutes=5)
    clock.turn(minutes=6)
    assert len((await claim(store, NODE, 10, clock(), lease=lease)).leased) == 1  # and the process dies
    clock.turn(minutes=6)
    mailbox = Fake()
    for _ in range(5):  # it dies again and again, at once after its start
        async with Bench(store, clock, CONFIG, suspects_after=60.0, **fakes(mailbox)) as bench:
            await asyncio.sleep(0.1)
            assert [row.crashes for row in await bench.rows()] == [1]
    assert not mailbox.sent
    async with Bench(store, clock, CONFIG, suspects_after=0.2, **fakes(mailbox)) as bench:
        await bench.drained(1)
    assert len(mailbox.sent) == 1


async def test_a_stop_waits_for_what_is_under_way_and_gives_the_rest_back(store: Store, clock: Clock) -> None:
    mailbox = Fake(wait=0.2)
    config = settings(Target("smtp", "x", 25), concurrency=2)
    bench = Bench(store, clock, config, **fakes(mailbox))
    async with bench:
        await bench.receive(50)
        await asyncio.sleep(0.05)
        await bench.service.stop(0.5)
        states = await bench.states()
        assert states["done"] + states["waiting"] == 50
        assert 2 <= states["done"] <= 8
    assert all(row.crashes == 0 and row.attempts == 0 for row in await bench.rows(60) if row.state == "waiting")
    mailbox.wait = 0.0
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as again:
        await again.drained(50)


async def test_a_stop_does_not_wait_for_a_server_that_hangs(store: Store, clock: Clock) -> None:
    async with Scripted() as server:
        server.replies["MAIL"] = "hang"
        bench = Bench(store, clock, settings(server.target(), timeout=60.0))
        async with bench:
            await bench.receive(3)
            await asyncio.sleep(0.2)
            async with asyncio.timeout(8):
                await bench.service.stop(0.2)
        assert await bench.states() == {"waiting": 3}


async def test_an_outcome_is_written_as_soon_as_the_database_is_back(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:
        done = await accept_one(store)
        submit, away = store.committer.submit, 3

        async def failing(unit: Any) -> Any:
            nonlocal away
            if away:
                away -= 1
                raise StoreError(plain("the database is locked"))
            return await submit(unit)

        monkeypatch.setattr(store.committer, "submit", failing)
        bench.service.hand_over(done.leased)
        await bench.drained(1)
    assert len(mailbox.sent) == 1


async def test_leases_are_renewed_while_work_is_in_our_hands(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "LEASE", timedelta(seconds=0.3))
    mailbox = Fake(wait=1.0)
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:
        await accept_one(store)
        clock.turn(minutes=6)  # its hand-over lease is over: it is claimed, for 0.3 s
        await bench.drained(1)
    assert len(mailbox.sent) == 1


async def test_a_lost_entry_is_found_again_when_its_lease_is_over(store: Store, clock: Clock) -> None:
    mailbox = Fake()
    async with Bench(store, clock, CONFIG, **fakes(mailbox)) as bench:
        await accept_one(store)  # and its hand-over never happens
        await asyncio.sleep(0.1)
        assert not mailbox.sent
        clock.turn(minutes=6)
        await bench.drained(1)


async def test_a_notice_without_a_smarthost_lies_in_the_mailbox(store: Store, clock: Clock) -> None:
    mailbox = Fake()
    config = settings(Target("smtp", "x", 25))
    async with Bench(store, clock, config, transports={"mailbox": mailbox, "outgoing": Fake(code=550)}) as bench:
        await store.committer.submit(SendDraft(notices.set_aside("e", "件名", config, clock())))
        await bench.drained(1)
    assert mailbox.sent[0].recipients == ("shop@shop.example",)


async def test_a_smarthost_that_is_no_longer_configured_keeps_its_mail_waiting(store: Store, clock: Clock) -> None:
    async with Scripted() as server, Bench(store, clock, settings(server.target())) as bench:
        draft = Draft("notice", b"Subject: x\r\n\r\n", "", ("owner@shop.example",), "x")
        await store.committer.submit(SendDraft(draft))
        while not await bench.records("delivery"):
            await asyncio.sleep(0.01)
        (row,) = await bench.rows()
        assert (row.state, row.last_error) == ("waiting", "not configured")


class DeliveryTransports:
    """The real way out beside a mailbox that is none."""

    def __init__(self, config: Any, mailbox: Fake) -> None:
        from gateway.delivery.targets import transports

        self.transports = {**transports(config), "mailbox": mailbox}
