"""The whole gateway before a watched mailbox: from arrival to reply, and killed again and again in the middle of it.

SEKISHO_KILLS sets how often it is killed (three by default, so that the suite stays quick).
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest
from sqlalchemy import select

from gateway.store.tables import imap_mail
from gateway.testing.dovecot import PASSWORD, DovecotServer
from gateway.testing.mail import letter
from tests.e2e.gateway import Gateway
from tests.e2e.outside import AUTHENTICATED, Outside
from tests.integration.imap_lab import subjects
from tests.integration.imap_proxy import Fault, KillingProxy
from tests.servers.process import wait_until

KILLS = int(os.environ.get("SEKISHO_KILLS", "3"))
RULES = """\
version: 1
rules:
  - {name: 脅迫, when: {subject: {contains: 脅迫}}, then: quarantine}
  - {name: 拒否, when: {subject: {contains: 拒否}}, then: reject}
default:
  then: deliver
  reply: {template: received, once_per: 1d}
"""
FAULTS = [
    Fault(b"UID MOVE"),
    Fault(b"UID MOVE", after=0, hold=0.2),
    Fault(b"UID MOVE", after=100_000, hold=0.02),
    Fault(b"BODY.PEEK", after=300, hold=0.05),
]


def arrived(number: int, subject: str) -> bytes:
    """A mail as the provider filed it: its own hops on top, the last of them from the customer's server."""
    sender = f"c{number}@customer.example"
    top = (
        f"Return-Path: <{sender}>\r\n"
        f"Received: from mx.provider.example (mx.provider.example [127.0.0.1]) by store.provider.example with LMTP\r\n"
        f"Received: from mail.customer.example (mail.customer.example [{AUTHENTICATED}])\r\n"
        f" by mx.provider.example (Postfix) with ESMTPS id 4X; {formatdate()}\r\n"
    )
    return top.encode() + letter(sender, f"{subject} {number}")


@pytest.fixture
def watched(
    new_gateway: Callable[..., Gateway], new_mailserver: Callable[..., DovecotServer], outside: Outside
) -> Iterator[tuple[Gateway, DovecotServer, KillingProxy]]:
    server = new_mailserver()
    proxy = KillingProxy(server)
    outside.do(proxy.__aenter__())
    gateway = new_gateway(
        RULES,
        imap=[
            {
                "name": "shop",
                "server": f"imap://127.0.0.1:{proxy.port}",
                "user": "shop",
                "password": PASSWORD,
                "sent": ["Sent"],
                "poll": "2s",
            }
        ],
        outgoing=f"smtp://127.0.0.1:{outside.sink().port}",
    )
    yield gateway, server, proxy
    outside.do(proxy.__aexit__(None, None, None))


def lying(server: DovecotServer, *folders: str) -> dict[str, list[str]]:
    """The subjects in each folder."""
    return {folder: subjects(server.mails("shop", folder)) for folder in folders}


def settled(gateway: Gateway, count: int) -> bool:
    here = len(gateway.messages())
    return here >= count and all(row.state == "done" for row in gateway.rows(select(imap_mail.c.state)))


def test_mail_in_the_mailbox_is_answered_held_and_recorded(
    watched: tuple[Gateway, DovecotServer, KillingProxy], outside: Outside
) -> None:
    gateway, server, _ = watched
    gateway.start()
    gateway.wait_event("imap_first_contact", 2)
    server.put("shop", arrived(1, "質問"), arrived(2, "脅迫"), arrived(3, "拒否"))
    wait_until(lambda: settled(gateway, 3), "three mails are settled", timeout=30)
    assert lying(server, "INBOX", "保留", "拒否") == {"INBOX": ["質問 1"], "保留": ["脅迫 2"], "拒否": ["拒否 3"]}
    gateway.wait_drained()
    (sink,) = outside._sinks
    assert [one.recipients for one in sink.taken] == [("c1@customer.example",)]
    row = next(row for row in gateway.messages() if row.sender == "c1@customer.example")
    assert row.facts["spf"]["value"] == "pass"  # by the hop before the provider's
    assert row.origin_ip == AUTHENTICATED
    assert row.facts["authenticated"]["value"] is True
    answer = letter("shop@shop.example", "Re: 質問", to="c1@customer.example")
    server.put("shop", answer, folder="Sent")
    wait_until(lambda: len([r for r in gateway.messages("out") if r.kind == "mail"]) == 1, "the answer is logged")
    assert next(r.about for r in gateway.messages("out") if r.kind == "mail") == row.id
    held = next(row.id for row in gateway.messages() if row.then == "quarantine")
    gateway.sekisho("quarantine", "release", held)
    wait_until(lambda: lying(server, "INBOX", "保留") == {"INBOX": ["脅迫 2", "質問 1"], "保留": []}, "it is back")
    time.sleep(0.5)
    assert len(gateway.messages()) == 3
    assert gateway.stop() == 0
    found = gateway.verify()
    assert found.fault is None, found.fault.en


@pytest.mark.timeout(120 + 20 * KILLS)
def test_killed_between_commit_and_move_every_mail_is_once_on_record_in_its_folder_and_answered_at_most_once(
    watched: tuple[Gateway, DovecotServer, KillingProxy], outside: Outside
) -> None:
    gateway, server, proxy = watched
    proxy.victim = gateway.kill
    gateway.start()
    gateway.wait_event("imap_first_contact", 2)
    number = 0
    wanted: dict[str, list[str]] = {"INBOX": [], "保留": [], "拒否": []}
    for turn in range(KILLS):
        proxy.fault = FAULTS[turn % len(FAULTS)]
        raws = []
        for folder, subject in (("INBOX", "質問"), ("保留", "脅迫"), ("拒否", "拒否"), ("INBOX", "注文")):
            number += 1
            raws.append(arrived(number, subject))
            wanted[folder].append(f"{subject} {number}")
        server.put("shop", *raws)
        wait_until(lambda wanted=turn: proxy.kills > wanted, "the gateway is killed", timeout=30)
        assert gateway.process is not None
        gateway.process.wait(10)
        time.sleep(random.uniform(0, 0.3))
        gateway.start()
    wait_until(lambda: settled(gateway, number), "everything is settled", timeout=60)
    gateway.wait_drained(60)
    assert lying(server, "INBOX", "保留", "拒否") == {folder: sorted(names) for folder, names in wanted.items()}
    rows = gateway.messages()
    assert len(rows) == number
    assert set(Counter(row.sha256 for row in rows).values()) == {1}
    (sink,) = outside._sinks
    replies = Counter(one.recipients for one in sink.taken)
    assert set(replies.values()) <= {1}, replies
    uncertain = [row for row in gateway.messages("out") if row.state == "uncertain"]
    assert len(replies) + len(uncertain) == 2 * KILLS
    assert gateway.stop() == 0
    found = gateway.verify()
    assert found.fault is None, found.fault.en
    figures = {"kills": proxy.kills, "mails": number, "replies": len(replies), "uncertain": len(uncertain)}
    sys.stdout.write(f"{figures}\n")
