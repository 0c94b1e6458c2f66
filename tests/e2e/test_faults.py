"""What the world does to a gateway: mailbox away for days, database locked, disk full, DNS silent, server stopped.

Each time mail is deferred or waits, nobody hangs, nothing is lost, and afterwards everything drains by itself.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.testing.dns import Mode
from gateway.testing.mail import letter
from tests.e2e.client import Load, exchange_id, send
from tests.e2e.gateway import Gateway, below_trace, by_id, running, upgraded
from tests.e2e.outside import AUTHENTICATED, Outside
from tests.servers.process import free_port, wait_until

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgresqlServer

NewGateway = Callable[..., Gateway]
DAY = 86400
SOON = 20.0  # seconds: a peer gets its answer, also while nothing can be kept (twice 5 s are waited for a lock)
PROXIED = {"proxy_protocol_from": ["127.0.0.1/32"]}


def mail(number: int) -> tuple[bytes, str]:
    address = f"c{number}@customer.example"
    return letter(address, f"ご注文 {number}", f"番号 {number} です。\n" * 20), address


def taken(gateway: Gateway, number: int, *, proxy: str = "") -> tuple[str, bytes]:
    """Send a message that must be taken: its id and its bytes."""
    raw, address = mail(number)
    code, said = send(gateway.port, raw, address, proxy=proxy)
    assert code == 250, said
    return exchange_id(said), raw


def deferred(gateway: Gateway, number: int) -> str:
    """Send a message that must be answered by 4xx soon: the reply."""
    raw, address = mail(number)
    began = time.monotonic()
    code, said = send(gateway.port, raw, address)
    assert 400 <= code < 500, f"{code} {said}"
    assert time.monotonic() - began < SOON
    return f"{code} {said}"


def all_in(copies: dict[str, list[bytes]], sent: dict[str, bytes]) -> None:
    """Each message that was taken is there once, byte for byte, and nothing else."""
    assert set(copies) == set(sent)
    assert {identifier: [below_trace(raw) for raw in found] for identifier, found in copies.items()} == {
        identifier: [raw] for identifier, raw in sent.items()
    }


def test_a_mailbox_away_for_five_days_gets_everything_when_it_is_back(
    new_gateway: NewGateway, outside: Outside, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    port = free_port()
    outgoing = outside.sink()
    gateway = new_gateway(
        smtp=PROXIED,
        mailbox=f"smtp://127.0.0.1:{port}",
        outgoing=f"smtp://127.0.0.1:{outgoing.port}",
    )
    gateway.environ["SEKISHO_TEST_CLOCK"] = str(clock)
    sent: dict[str, bytes] = {}
    with running(gateway):
        hours = [0.0, 0.1, 0.5, 1.5, 4, 9, 16, 24, 30, 40, 48, 60, 72, 84, 96, 108, 119, 120.5]
        for number, hour in enumerate(hours):
            # time passes in one leap: what waits is due, the destination is looked at again, and is still away
            aside = tmp_path / "clock.new"
            aside.write_text(str(hour * 3600))
            os.replace(aside, clock)
            identifier, raw = taken(gateway, number, proxy=AUTHENTICATED)
            sent[identifier] = raw
            time.sleep(0.5)
        assert gateway.waiting() == len(sent)
        assert {row.state for row in gateway.messages()} == {"queued"}
        looks = len(gateway.events("destination_down"))
        assert looks >= len(hours) / 2, "nobody looked whether the mailbox is back"
        # customers have heard of receipts alone, the owner that the mailbox is away
        by_address = {one.recipients[0] for one in outgoing.taken}
        assert by_address == {f"c{number}@customer.example" for number in range(len(hours))} | {"owner@shop.example"}
        notices = [one for one in outgoing.taken if one.recipients[0] == "owner@shop.example"]
        assert len(notices) == 1
        sink = outside.sink(port)
        clock.write_text(str(120.5 * 3600 + 700))
        gateway.wait_drained()
        assert {row.state for row in gateway.messages()} == {"delivered"}
        all_in(by_id(one.raw for one in sink.taken), sent)
        assert gateway.events("destination_up")
        assert not [row for row in gateway.messages("out") if row.kind == "report"]
        assert gateway.verify().fault is None


def test_a_mailbox_that_refuses_for_five_days_is_given_up_and_everybody_is_told(
    new_gateway: NewGateway, outside: Outside, tmp_path: Path
) -> None:
    """4xx for one recipient is no outage: after five days its sender gets a report, and the owner a notice."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    outgoing, sink = outside.sink(), outside.sink()
    full = "full@order.shop.example"
    sink.refuse[full] = "452 4.2.2 Mailbox full"
    gateway = new_gateway(
        "version: 1\nrules:\n  - {name: x, when: {authenticated: false}, then: deliver}\ndefault: {then: deliver}\n",
        smtp=PROXIED,
        mailbox=f"smtp://127.0.0.1:{sink.port}",
        outgoing=f"smtp://127.0.0.1:{outgoing.port}",
    )
    gateway.environ["SEKISHO_TEST_CLOCK"] = str(clock)
    with running(gateway):
        raw, address = mail(1)
        code, said = send(gateway.port, raw, address, full, proxy=AUTHENTICATED)
        assert code == 250, said
        for hours in (0.01, 1, 6, 24, 48, 72, 96, 119):
            gateway.wait_event("not_delivered")
            clock.write_text(str(hours * 3600))
            time.sleep(0.5)
        assert gateway.waiting() == 1
        assert outgoing.taken == []
        other, _ = taken(gateway, 2, proxy=AUTHENTICATED)
        wait_until(lambda: len(sink.taken) == 1, "other mail passes")
        clock.write_text(str(126 * 3600))
        wait_until(lambda: len(outgoing.taken) == 2, "report and notice")
        gateway.wait_drained()
        states = {row.id: row.state for row in gateway.messages()}
        assert states == {exchange_id(said): "failed", other: "delivered"}
        report, notice = sorted(outgoing.taken, key=lambda one: one.recipients != (address,))
        assert report.recipients == (address,)
        assert report.mail_from == ""
        assert b"multipart/report" in report.raw
        assert b"Status: 4.4.7" in report.raw  # delivery time expired (RFC 3463)
        assert b"Mailbox full" not in report.raw  # what our own servers said stays inside
        assert notice.recipients == ("owner@shop.example",)
        told = email.message_from_bytes(notice.raw, policy=email.policy.default).get_body()
        assert told is not None
        assert "452 4.2.2 Mailbox full" in told.get_content()


def test_a_locked_database_defers_mail_and_everything_goes_on_when_it_is_free(
    new_gateway: NewGateway, outside: Outside
) -> None:
    port = free_port()
    gateway = new_gateway(mailbox=f"smtp://127.0.0.1:{port}")
    with running(gateway):
        sent = dict(taken(gateway, number) for number in range(3))
        other = sqlite3.connect(gateway.folder / "data" / "sekisho.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sink = outside.sink(port)
        assert deferred(gateway, 3) == "451 4.3.0 Mail system busy, please try again later"
        assert deferred(gateway, 4).startswith("451")
        assert gateway.process is not None
        assert gateway.process.poll() is None
        other.execute("ROLLBACK")
        other.close()
        sent |= dict(taken(gateway, number) for number in range(5, 8))
        gateway.wait_drained()
        all_in(by_id(one.raw for one in sink.taken), sent)
        assert gateway.verify().fault is None


def test_an_outcome_that_cannot_be_written_is_not_forgotten(new_gateway: NewGateway, outside: Outside) -> None:
    """The mailbox takes a message while the database is locked: the outcome is written later, nothing goes twice."""
    sink = outside.sink()
    port = free_port()
    gateway = new_gateway(mailbox=f"smtp://127.0.0.1:{port}")
    with running(gateway):
        sent = dict(taken(gateway, number) for number in range(5))
        outside.stop(sink)
        other = sqlite3.connect(gateway.folder / "data" / "sekisho.db", isolation_level=None)
        sink = outside.sink(port)
        wait_until(lambda: bool(sink.taken), "the first delivery")
        other.execute("BEGIN IMMEDIATE")
        time.sleep(7)  # longer than the gateway waits for a lock
        other.execute("ROLLBACK")
        other.close()
        gateway.wait_drained()
        all_in(by_id(one.raw for one in sink.taken), sent)
        assert gateway.verify().fault is None


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A file system of so many MB at `folder`; False where only root could make one."""
    folder.mkdir(parents=True)
    size = f"size={megabytes}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk_defers_mail_and_everything_goes_on_when_there_is_room(new_gateway: NewGateway) -> None:
    gateway = new_gateway(storage={"minimum_free": "1KB"})
    data = gateway.folder / "data"
    bulky = letter(body="\n".join(os.urandom(35).hex() for _ in range(4000)))
    with small_disk(data, 12) as full:
        if not full:  # a file that may not grow fails in the same place
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            gateway.preexec = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6 << 20, hard))
        ballast = data / "ballast"
        if full:
            ballast.write_bytes(bytes(4 << 20))
        with running(gateway):
            sent: dict[str, bytes] = {}
            said = ""
            for _ in range(100):
                began = time.monotonic()
                code, said = send(gateway.port, bulky)
                assert time.monotonic() - began < SOON
                if code != 250:
                    break
                sent[exchange_id(said)] = bulky
            assert (code, said) == (452, "4.3.1 Insufficient system storage, please try again later")
            assert sent
            assert send(gateway.port, bulky)[0] == 452
            if full:
                ballast.unlink()
            else:
                assert gateway.process is not None
                resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            for number in range(3):
                identifier, raw = taken(gateway, number)
                sent[identifier] = raw
            gateway.wait_drained()
            all_in(gateway.delivered(), sent)
            assert gateway.verify().fault is None


def test_below_the_least_free_disk_mail_is_deferred_before_it_is_sent(new_gateway: NewGateway, tmp_path: Path) -> None:
    free = tmp_path / "free"
    free.write_text(str(99 << 20))
    gateway = new_gateway(storage={"minimum_free": "100MB"})
    gateway.environ["SEKISHO_TEST_FREE"] = str(free)
    with running(gateway):
        assert deferred(gateway, 1) == "452 4.3.1 Insufficient system storage, please try again later"
        assert gateway.events("disk_low")
        free.write_text(str(101 << 20))
        gateway.wait_event("disk_recovered")
        sent = dict([taken(gateway, 2)])
        gateway.wait_drained()
        all_in(gateway.delivered(), sent)


def test_silent_dns_costs_facts_and_never_mail(new_gateway: NewGateway, outside: Outside) -> None:
    outgoing = outside.sink()
    gateway = new_gateway(
        smtp=PROXIED,
        outgoing=f"smtp://127.0.0.1:{outgoing.port}",
        dns={"timeout": "500ms", "budget": "2s"},
    )
    with running(gateway):
        outside.dns.mode = Mode.SILENT
        sent: dict[str, bytes] = {}
        for number in range(3):
            began = time.monotonic()
            identifier, raw = taken(gateway, number, proxy=AUTHENTICATED)
            sent[identifier] = raw
            assert time.monotonic() - began < 5
        gateway.wait_drained()
        for row in gateway.messages():
            assert row.facts["spf"].get("unknown") or row.facts["spf"]["value"] == "temperror"
            assert row.facts["authenticated"]["value"] is not True
            assert row.state == "delivered"
            assert not row.reply["would_send"]
        all_in(gateway.delivered(), sent)
        assert outgoing.taken == []
        outside.dns.mode = Mode.ANSWER

        def passes() -> bool:
            taken(gateway, 10, proxy=AUTHENTICATED)
            found: bool = gateway.messages()[-1].facts["spf"]["value"] == "pass"
            return found

        wait_until(passes, "DNS is asked again", timeout=60)
        wait_until(lambda: len(outgoing.taken) == 1, "the reply")


def test_postgresql_stopped_and_started_again(
    new_gateway: NewGateway, outside: Outside, postgresql: PostgresqlServer
) -> None:
    url = postgresql.new_database()
    upgraded(url)
    sink = outside.sink()
    gateway = new_gateway(storage={"database": url}, mailbox=f"smtp://127.0.0.1:{sink.port}")
    with running(gateway):
        sent = dict(taken(gateway, number) for number in range(3))
        postgresql.stop()
        try:
            assert deferred(gateway, 3).startswith("451")
            assert deferred(gateway, 4).startswith("451")
            time.sleep(1)
        finally:
            postgresql.start()
        sent |= dict(taken(gateway, number) for number in range(5, 8))
        with Load(lambda: gateway.port, 10) as load:
            load.wait_for(50)
            postgresql.stop()
            time.sleep(1)
            postgresql.start()
            load.wait_for(len(load.sent) + 50)
        assert load.refused == []
        gateway.wait_drained()
        sent |= {one.id: one.raw for one in load.sent}
        copies = by_id(one.raw for one in sink.taken)
        assert set(sent) <= set(copies)
        assert all(below_trace(copies[identifier][0]) == raw for identifier, raw in sent.items())
        assert {row.state for row in gateway.messages()} == {"delivered"}
        assert gateway.verify().fault is None
