"""Stop, reload and claim: SIGTERM drains, SIGHUP and a changed file reload, a faulty file changes nothing."""

from __future__ import annotations

import itertools
import os
import re
import signal
import smtplib
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.daemon import DRAIN, LEAST_DRAIN
from gateway.store.committer import TIMEOUT as COMMIT
from gateway.testing.mail import letter
from tests.e2e.client import Load, Peer, send
from tests.e2e.gateway import START, Gateway, running
from tests.e2e.outside import Outside
from tests.servers.process import wait_until

NewGateway = Callable[..., Gateway]

DELIVER = "version: 1\nrules: []\ndefault: {then: deliver}\n"
HOLD = "version: 1\nrules:\n  - {name: all, when: {size: {at_least: 1}}, then: quarantine}\ndefault: {then: deliver}\n"
FAULTY = (
    "version: 1\nrules:\n  - {name: all, when: {sizes: {at_least: 1}}, then: quarantine}\ndefault: {then: deliver}\n"
)


def test_sigterm_lets_mail_on_its_way_end_and_takes_no_more(new_gateway: NewGateway) -> None:
    gateway = new_gateway(DELIVER)
    gateway.start()
    busy, idle = Peer(gateway.port), Peer(gateway.port)
    busy.begin()
    raw = letter(subject="停止のときに送信中")
    busy.write(raw[:100])
    gateway.signal(signal.SIGTERM)
    gateway.wait_event("stopping")
    assert idle.reply().startswith("421 4.3.2")
    with pytest.raises(ConnectionRefusedError):
        Peer(gateway.port)
    busy.write(raw[100:] + b".\r\n")
    assert busy.reply().startswith("250 2.0.0 Ok: accepted as ")
    assert busy.reply().startswith(("421", ""))
    assert gateway.stop(30) == 0
    assert gateway.events("stopped")
    (row,) = gateway.messages()
    assert row.state == "delivered"  # the drain includes what was just taken
    assert len(gateway.delivered()) == 1
    assert [record["what"] for record in gateway.records("gateway")][-1] == "stop"
    assert gateway.verify().newest_checkpoint == gateway.verify().size  # sealed to its last record


def test_sigterm_does_not_wait_for_a_peer_that_never_ends_nor_for_a_mailbox_that_never_answers(
    new_gateway: NewGateway, outside: Outside
) -> None:
    with socket.socket() as deaf:  # accepts connections and says nothing
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(50)
        gateway = new_gateway(DELIVER, mailbox=f"smtp://127.0.0.1:{deaf.getsockname()[1]}")
        gateway.environ["SEKISHO_TEST_DRAIN"] = "2"
        gateway.start()
        assert send(gateway.port, letter())[0] == 250
        dawdler = Peer(gateway.port)
        dawdler.begin()
        dawdler.write(b"Subject: never")
        gateway.signal(signal.SIGTERM)
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 15
    assert gateway.waiting() == 1
    gateway.set(mailbox="maildir:maildir")
    with running(gateway):
        gateway.wait_drained()
    assert len(gateway.delivered()) == 1


def test_a_stop_ends_well_before_systemd_would_kill_it() -> None:
    unit = (Path(__file__).parents[2] / "docs" / "sekisho.service").read_text()
    (granted,) = re.findall(r"^TimeoutStopSec=(\d+)s?$", unit, re.MULTILINE)
    close = 2 * 5  # seconds for the connections of two targets
    assert DRAIN + LEAST_DRAIN + close + COMMIT < float(granted)


def test_sighup_takes_good_rules_and_keeps_the_old_ones_where_the_new_have_a_fault(
    new_gateway: NewGateway, outside: Outside
) -> None:
    sink = outside.sink()
    gateway = new_gateway(DELIVER, outgoing=f"smtp://127.0.0.1:{sink.port}")
    with running(gateway):

        def verdict() -> str:
            assert send(gateway.port, letter(subject=str(time.time_ns())))[0] == 250
            found: str = gateway.messages()[-1].then
            return found

        assert verdict() == "deliver"
        gateway.rules.write_text(HOLD)
        gateway.signal(signal.SIGHUP)
        gateway.wait_event("rules_changed")
        assert verdict() == "quarantine"

        gateway.rules.write_text(FAULTY)
        gateway.signal(signal.SIGHUP)
        faults = gateway.wait_event("rules_kept")[0]["faults"]
        assert "rules.yaml:3:" in faults
        assert "sizes" in faults
        assert verdict() == "quarantine"
        wait_until(lambda: bool(sink.taken), "the owner's notice")
        notice = sink.taken[0]
        assert notice.recipients == ("owner@shop.example",)
        assert b"Auto-Submitted: auto-generated" in notice.raw
        assert notice.mail_from == ""

        gateway.rules.write_text(DELIVER)
        gateway.signal(signal.SIGHUP)
        gateway.wait_event("rules_changed", 2)
        assert verdict() == "deliver"
        changes = [record["ruleset"] for record in gateway.records("rules")]
        assert len(changes) == 2
        assert changes[-1] == gateway.messages()[-1].verdict["ruleset"]
        time.sleep(1.5)  # the watcher of the files has looked as well by now
        assert len(sink.taken) == 1, "the owner hears of a fault once"


def test_sighup_with_a_faulty_config_keeps_the_old_settings(new_gateway: NewGateway) -> None:
    gateway = new_gateway(DELIVER)
    with running(gateway):
        text = gateway.config.read_text()
        gateway.config.write_text(text.replace("addresses:", "adresses:"))
        gateway.signal(signal.SIGHUP)
        assert "adresses" in gateway.wait_event("reload_kept_old")[0]["faults"]
        assert send(gateway.port, letter())[0] == 250
        gateway.config.write_text(text.replace("shop@shop.example", "new@shop.example"))
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: send(gateway.port, letter(), recipient="new@shop.example")[0] == 250, "the new address")
        assert send(gateway.port, letter())[0] == 550


def test_changed_rules_take_effect_between_two_messages_under_load(new_gateway: NewGateway) -> None:
    gateway = new_gateway(DELIVER)
    with running(gateway):
        with Load(lambda: gateway.port, 10) as load:
            for number, rules in enumerate((HOLD, DELIVER, HOLD), 1):
                load.wait_for(len(load.sent) + 50)
                new = gateway.folder / "rules.new"
                new.write_text(rules)
                os.replace(new, gateway.rules)
                gateway.wait_event("rules_changed", number)
                load.wait_for(len(load.sent) + 50)
        assert load.refused == []
        assert load.again == 0
        gateway.wait_drained()
        rows = gateway.messages()
        assert len(rows) == len(load.sent)
        hashes = [event["ruleset"] for event in gateway.events("rules_changed")]
        first = gateway.events("ready")[0]["ruleset"]
        hold, deliver = hashes[0], hashes[1]
        assert hashes == [hold, deliver, hold]
        assert first == deliver
        # one ruleset a message, wholly; in the log each change is one step, but for those that were being screened
        assert {(row.verdict["ruleset"], row.then) for row in rows} == {(deliver, "deliver"), (hold, "quarantine")}
        steps = sum(a.verdict["ruleset"] != b.verdict["ruleset"] for a, b in itertools.pairwise(rows))
        assert 3 <= steps <= 3 + 2 * 3 * 10
        changed = {record["ruleset"] for record in gateway.records("rules")}
        assert changed == {hold, deliver}
        assert len(gateway.delivered()) == sum(row.then == "deliver" for row in rows)


def test_signals_during_the_start_neither_kill_it_nor_get_lost(new_gateway: NewGateway) -> None:
    gateway = new_gateway(DELIVER)
    gateway.start(wait=False)
    database = gateway.folder / "data" / "sekisho.db.gateway"
    wait_until(database.exists, "the claim on the database", timeout=START)
    gateway.signal(signal.SIGHUP)
    gateway.wait_ready()
    assert send(gateway.port, letter())[0] == 250
    assert gateway.stop() == 0
    database.unlink()
    gateway.start(wait=False)
    wait_until(database.exists, "the claim on the database", timeout=START)
    gateway.signal(signal.SIGTERM)
    assert gateway.process is not None
    assert gateway.process.wait(30) == 0
    assert gateway.events("stopped")
    assert gateway.records("gateway")[-1]["what"] == "stop"


def test_a_second_gateway_on_one_sqlite_database_is_refused(new_gateway: NewGateway) -> None:
    first = new_gateway(DELIVER)
    second = new_gateway(DELIVER, storage={"database": f"sqlite:///{first.folder}/data/sekisho.db"})
    with running(first):
        second.start(wait=False)
        assert second.process is not None
        assert second.process.wait(30) == 1
        said = second.said()
        assert str(first.process.pid if first.process else "") in said
        assert "PostgreSQL" in said
        assert "Traceback" not in said
        assert send(first.port, letter())[0] == 250
        first.kill()
        second.start()  # the claim ends with the process
        assert send(second.port, letter())[0] == 250
        assert second.stop() == 0
        first.start()


def test_a_port_that_is_taken_is_said_and_nothing_is_left_running(new_gateway: NewGateway) -> None:
    first = new_gateway(DELIVER)
    with running(first):
        second = new_gateway(DELIVER, smtp={"listen": [f"127.0.0.1:{first.port}"]})
        second.start(wait=False)
        assert second.process is not None
        assert second.process.wait(30) == 1
        assert f"127.0.0.1:{first.port}" in second.said()
        assert "Traceback" not in second.said()


def test_a_certificate_that_changes_is_used_at_once(new_gateway: NewGateway, trust: object) -> None:
    import ssl

    from tests.servers.trust import Trust

    assert isinstance(trust, Trust)
    gateway = new_gateway(DELIVER, smtp={"tls": {"certificate": "fullchain.pem", "key": "key.pem"}})
    trust.issue(gateway.folder, "localhost")

    def serial() -> str:
        with smtplib.SMTP("localhost", gateway.port) as client:
            client.starttls(context=trust.client_context())
            assert isinstance(client.sock, ssl.SSLSocket)
            found = client.sock.getpeercert()
            assert found
            return str(found["serialNumber"])

    with running(gateway):
        old = serial()
        trust.issue(gateway.folder, "localhost")
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: serial() != old, "the new certificate")
