"""Edits while the gateway runs: lists, phrases and templates are taken by themselves, faulty rules never."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from gateway.testing.mail import letter
from tests.e2e.client import Load, send
from tests.e2e.gateway import Gateway, running
from tests.e2e.outside import Outside
from tests.e2e.test_signals import DELIVER, FAULTY, HOLD
from tests.servers.process import wait_until

NewGateway = Callable[..., Gateway]

RULES = """\
version: 1
lists: {friends: lists/friends.txt}
phrases: [words.yaml]
rules:
  - {name: 友人, when: {sender: {in: friends}}, then: discard}
  - {name: 言葉, when: {abuse: {at_least: 1}}, then: quarantine}
default: {then: deliver, reply: {template: received, once_per: 1m, only_if: any}}
"""
PHRASES = "version: 1\ncategories:\n  試し: {weight: 1, entries: [WORD]}\n"


def replace(path: Path, text: str) -> None:
    """As an editor does that cares: the file is never seen half written."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def test_a_faulty_edit_under_load_changes_no_verdict_and_the_owner_hears_of_it_once(
    new_gateway: NewGateway, outside: Outside
) -> None:
    sink = outside.sink()
    gateway = new_gateway(DELIVER, outgoing=f"smtp://127.0.0.1:{sink.port}")
    with running(gateway):
        with Load(lambda: gateway.port, 6) as load:
            load.wait_for(30)
            replace(gateway.rules, FAULTY)
            gateway.wait_event("rules_kept")
            load.wait_for(len(load.sent) + 60)
            kept = len(gateway.messages())
            replace(gateway.rules, HOLD)
            gateway.wait_event("rules_changed")
            load.wait_for(len(load.sent) + 60)
        assert (load.refused, load.again) == ([], 0)
        gateway.wait_drained()
        rows = gateway.messages()
        assert len(rows) == len(load.sent)
        old = gateway.events("ready")[0]["ruleset"]
        new = gateway.events("rules_changed")[0]["ruleset"]
        assert {(row.verdict["ruleset"], row.then) for row in rows[:kept]} == {(old, "deliver")}
        assert {(row.verdict["ruleset"], row.then) for row in rows} == {(old, "deliver"), (new, "quarantine")}
        wait_until(lambda: bool(sink.taken), "the owner's notice")
        time.sleep(1.5)  # the watcher has looked again by now
        (notice,) = sink.taken
        assert notice.recipients == ("owner@shop.example",)
        assert len(gateway.events("rules_kept")) == 1


def test_edits_of_lists_phrases_and_templates_are_taken_by_themselves(
    new_gateway: NewGateway, outside: Outside
) -> None:
    sink = outside.sink()
    gateway = new_gateway(None, outgoing=f"smtp://127.0.0.1:{sink.port}")
    words, friends = gateway.folder / "words.yaml", gateway.folder / "lists" / "friends.txt"
    words.write_text(PHRASES.replace("WORD", "でたらめ"), encoding="utf-8")
    friends.write_text("# まだいません\n", encoding="utf-8")
    gateway.rules.write_text(RULES, encoding="utf-8")
    with running(gateway):

        def verdict(word: str, sender: str = "hanako@customer.example") -> str:
            raw = letter(sender, str(time.time_ns()), f"{word}\n")
            assert send(gateway.port, raw, sender)[0] == 250
            found: str = gateway.messages()[-1].then
            return found

        assert (verdict("でたらめ"), verdict("いかさま")) == ("quarantine", "deliver")
        replace(words, PHRASES.replace("WORD", "いかさま"))
        gateway.wait_event("rules_changed")
        assert (verdict("でたらめ"), verdict("いかさま")) == ("deliver", "quarantine")
        replace(friends, "hanako@customer.example\n")
        gateway.wait_event("rules_changed", 2)
        assert verdict("でたらめ") == "discard"
        replace(friends, "")
        gateway.wait_event("rules_changed", 3)

        template = gateway.folder / "templates" / "received.ja.txt"
        replace(template, "新しい文面です\n承りました。\n")
        gateway.wait_event("templates_changed")
        replies = len(gateway.messages("out"))
        assert verdict("最後", "taro@customer.example") == "deliver"
        wait_until(lambda: len(gateway.messages("out")) > replies, "the reply")
        assert gateway.messages("out")[-1].subject == "新しい文面です"
        replace(template, "{{ nobody }}\n承りました。\n")
        gateway.wait_event("templates_kept")
        time.sleep(2.5)
        assert len(gateway.events("templates_kept")) == 1
