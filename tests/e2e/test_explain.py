"""`explain` and `run` are one judge: the same verdict for the same reasons, the same facts, the same reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.context import Context, enter
from gateway.cli.explain import explain
from gateway.model.mail_record import LONGEST_OBSERVED
from gateway.testing.customers import BLOCKED, BLOCKED_RANGE, before_the_block, customers, zone
from gateway.testing.mail import SHOP, DkimKey, letter, samples
from tests.e2e.client import exchange_id, send
from tests.e2e.gateway import Gateway, running
from tests.e2e.outside import Outside

# Every fact of the first filters is asked for, and rules of all modes and outcomes can decide.
RULES = r"""
version: 1
lists:
  partners: lists/partners.txt
rules:
  - {name: 取引先, when: {sender: {in: partners}}, then: deliver}
  - {name: 取引停止, when: {blocked: true}, then: quarantine, tag: 停止, reply: {template: suspended, once_per: 7d}}
  - {name: 様子見, mode: watch, when: {spf: [fail, softfail]}, then: reject}
  - {name: 同じ発信元, when: {ip_seen_with_blocked: true, free_mail: true}, then: quarantine, notify: owner}
  - name: 脅迫
    any:
      - text: {matches: '火を(つけ|付け)|殺(す|し)'}
      - subject: {contains: [脅迫, 最後の警告]}
    unless:
      - sender: {ends_with: "@docomo.ne.jp"}
    then: quarantine
    tag: [脅迫]
  - {name: 広告, when: {subject: {starts_with: "[広告]"}}, then: reject, smtp_text: no advertisements please}
  - {name: 捨てる, when: {header.x-junk: {contains: "yes"}, size: {at_most: 100000}}, then: discard}
  - {name: 自動, when: {automatic: [bounce, auto_reply, list, report]}, then: deliver}
  - name: 様子見の色々
    mode: watch
    when: {mails_from_sender: {at_least: 2}, ip_seen_days: {at_least: 0}, dkim: none, dmarc: none}
    any:
      - peer_ip: {in: [203.0.113.0/24]}
      - origin_ip: {in: ["121.84.241.*"]}
      - from_name: {contains: 山田}
      - attachment: {ends_with: .exe}
      - body: {contains: 返金}
      - address_typo: {contains: "@"}
      - disposable: true
      - watched: true
    then: quarantine
default:
  then: deliver
  reply: {template: received, once_per: 1d}
"""


@dataclass(frozen=True)
class Mail:
    """A sample with the envelope it comes in."""

    name: str
    mail_from: str
    raw: bytes
    ip: str = "203.0.113.10"
    helo: str = "mail.customer.example"
    rcpt: str = SHOP


def mails(key: DkimKey) -> list[Mail]:
    hanako = "hanako@customer.example"
    odd = letter(hanako, "添付ファイルつき").replace(
        b"Content-Type: text/plain; charset=utf-8", b'Content-Type: multipart/mixed; boundary="b"'
    )
    odd = odd.partition(b"\r\n\r\n")[0] + (
        b"\r\n\r\n--b\r\nContent-Type: text/html; charset=shift_jis\r\n\r\n<p>\x95\xd4\x8b\xe0<br>please</p>\r\n"
        b"--b\r\nContent-Type: application/octet-stream; name=run.exe\r\n\r\nMZ\r\n--b--\r\n"
    )
    return [
        *(Mail(f"sample {s.name}", s.mail_from, s.raw, s.ip, s.helo, s.recipient) for s in samples()),
        *(Mail(c.about.en, c.mail_from, c.raw, c.ip, c.helo, c.recipient) for c in customers(key)),
        Mail("advertisement", hanako, letter(hanako, "[広告] 激安のお知らせ")),
        Mail("junk", hanako, letter(hanako, "いつもの", headers={"X-Junk": "yes"})),
        Mail("odd mime", hanako, odd),
        Mail("answered before", hanako, letter(hanako, "もう一度")),
        Mail("two From", hanako, b"From: ikari@isp.example\r\n" + letter(hanako, "差出人が二人")),
        Mail("not MIME at all", hanako, b"no header here\r\n\r\n\x1b$B\xff\xfe broken\r\n"),
        Mail("nothing", "", b"\r\n"),
        Mail(
            "order address",
            hanako,
            letter(hanako, "注文", to="1024@order.shop.example"),
            rcpt="1024@order.shop.example",
        ),
        Mail("typo", "taro@gmial.com", letter("taro@gmial.com", "宛先の間違い"), "192.0.2.9", "host.gmial.com"),
    ]


@pytest.fixture
def gateway(new_gateway: Callable[..., Gateway], outside: Outside) -> Iterator[Gateway]:
    made = new_gateway(
        RULES,
        smtp={"proxy_protocol_from": ["127.0.0.1/32"]},
        outgoing=f"smtp://127.0.0.1:{outside.sink().port}",
    )
    (made.folder / "lists" / "partners.txt").write_text("@partner.example\n")
    with running(made):
        yield made


def explained(gateway: Gateway, mail: Mail, file: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `sekisho explain --json` prints, run in this process for speed."""
    file.write_bytes(mail.raw)
    enter(Context(gateway.config, "ja", True))
    capsys.readouterr()
    code = asyncio.run(explain(str(file), ip=mail.ip, helo=mail.helo, mail_from=mail.mail_from, rcpt=(mail.rcpt,)))
    assert code == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def condition(made: dict[str, Any]) -> tuple[Any, ...]:
    """A condition as both show it; records cut long values short."""
    observed = made["observed"]
    if isinstance(observed, str) and len(observed) > LONGEST_OBSERVED:
        observed = observed[:LONGEST_OBSERVED] + "…"
    words = ("group", "fact", "operator", "expected", "holds")
    return (*(made[word] for word in words), observed, bool(made.get("unknown")))


def trail(rules: list[dict[str, Any]]) -> list[Any]:
    return [(r["name"], r["at"], r["mode"], r["matched"], [condition(c) for c in r["conditions"]]) for r in rules]


def test_explain_and_run_agree_on_every_sample(
    gateway: Gateway, outside: Outside, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = DkimKey.make("customer.example")
    outside.dns.add(zone(key))
    outside.dns.zone["customer.example"]["TXT"] = ["v=spf1 ip4:203.0.113.10 -all"]
    before = before_the_block()[0]
    send(gateway.port, before.raw, before.mail_from, helo=before.helo, proxy=before.ip)
    gateway.sekisho("block", BLOCKED, BLOCKED_RANGE, "--reason", "見本", "--person", "碇 源太")
    gateway.wait_event("received")

    rules: set[str] = set()
    outcomes: set[str] = set()
    replies: set[bool] = set()
    tried = mails(key)
    assert len(tried) >= 20
    # the running gateway looks for new entries every second: until it has them, this one differs
    probe = Mail("blocked", BLOCKED, letter(BLOCKED, "届いていますか"), "198.51.100.23", "smtp.isp.example")
    for _ in range(50):
        send(gateway.port, probe.raw, probe.mail_from, helo=probe.helo, proxy=probe.ip)
        if gateway.messages()[-1].rule == "取引停止":
            break
    for mail in tried:
        said = explained(gateway, mail, tmp_path / "mail.eml", capsys)
        code, reply = send(gateway.port, mail.raw, mail.mail_from, mail.rcpt, helo=mail.helo, proxy=mail.ip)
        row = gateway.messages()[-1]
        assert row.mail_from == mail.mail_from
        if code == 250:
            assert row.id == exchange_id(reply)
        else:
            assert (row.then, reply) == ("reject", "5.7.1 no advertisements please")
        kept = row.verdict
        for word in ("then", "rule", "at", "ruleset", "tags"):
            assert said["verdict"][word] == kept[word], (mail.name, word)
        assert [[w["rule"], w["then"]] for w in said["verdict"]["watched"]] == kept["watched"], mail.name
        assert trail(said["rules"]) == trail(kept["trail"]), mail.name
        facts = {name: fact["value"] for name, fact in row.facts.items()}
        notes = {name: fact["note"] for name, fact in row.facts.items() if fact.get("note")}
        assert said["facts"] == facts, mail.name
        assert said["notes"] == notes, mail.name
        assert said["unknown"] == sorted(name for name, fact in row.facts.items() if fact.get("unknown")), mail.name
        sent = row.reply or {"template": None, "would_send": False, "why": said["reply"]["why"]}
        assert said["reply"] == {word: sent[word] for word in ("template", "would_send", "why")}, mail.name
        rules.add(kept["rule"])
        outcomes.add(kept["then"])
        replies.add(sent["would_send"])
    # the samples reach into every corner, so that agreement means something
    assert {"取引先", "取引停止", "同じ発信元", "脅迫", "広告", "捨てる", "自動", "default"} == rules
    assert {"deliver", "quarantine", "reject", "discard"} == outcomes
    assert {True, False} == replies


def test_explain_leaves_no_trace(gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(letter())
    before = (gateway.messages(), gateway.verify().size)
    said = json.loads(gateway.sekisho("--json", "explain", str(file), "--ip", "203.0.113.10"))
    assert said["verdict"]["then"] == "deliver"
    assert (gateway.messages(), gateway.verify().size) == before
    assert gateway.waiting() == 0
