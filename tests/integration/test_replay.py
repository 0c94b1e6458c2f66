"""Rules tried on mail on record, on both databases: facts of their own time, changes, operators, watched rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from filters.api import Lookups
from filters.offline import InLine, NoDns
from filters.registry import FILTERS, SPECS
from gateway.config import load_ruleset
from gateway.intake.receive import _sender as sender_key
from gateway.model.acceptance import Acceptance
from gateway.model.entry import parse_entry
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact
from gateway.model.origin import Origin, Trust
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.screening.replay import Replay
from gateway.screening.replay_tally import Tally
from gateway.screening.screener import Screener
from gateway.store import past
from gateway.store.blocks import Block, Unblock
from gateway.store.engine import Store
from gateway.store.quarantine import Refuse, Release
from gateway.store.records import StoreRecords
from gateway.store.tables import body, log, message
from gateway.testing.mail import letter, samples
from tests.integration.databases import store as store
from tests.integration.stores import Work, accept

TARO = "taro@example.com"
START = datetime(2026, 11, 1, 3, tzinfo=UTC)
BEFORE = "  - {name: 停止, when: {blocked: true}, then: quarantine}\n"


class Desk:
    """Receives mail by the rules in force, and tries others on it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self._folder = folder
        self._settings = Settings()

    def rules(self, text: str) -> RuleSet:
        path = self._folder / "rules.yaml"
        path.write_text(f"version: 1\nrules:\n{text}default: {{then: deliver}}\n", encoding="utf-8")
        return load_ruleset(path, SPECS, settings=self._settings)

    async def receive(
        self, raw: bytes, rules: str = BEFORE, sender: str = TARO, at: datetime = START, **facts: Fact
    ) -> Exchange:
        """Screen as the daemon does, `facts` standing in for what DNS would have said, and remember."""
        came = Exchange(raw, Envelope(sender, ("shop@shop.example",), Peer("198.51.100.9", helo="m.example")))
        came = replace(came, received_at=at)
        lookups = Lookups(StoreRecords(self.store), NoDns(), InLine())
        screening = await Screener(self._settings, FILTERS, lookups).screen(came, self.rules(rules))
        taken = Acceptance(
            came,
            sender=sender_key(came, screening.facts.get("sender")),
            origin=Origin(came.envelope.peer.ip, "peer", Trust.PEER),
            facts={**screening.facts, **facts},
            verdict=screening.verdict,
            trace=b"",
            subject=screening.message.subject,
            evidence=screening.evidence,
        )
        await self.store.committer.submit(accept(taken))
        return came

    async def replay(self, rules: str, **more: object) -> Tally:
        tally = Tally()
        engine = Replay(self._settings, self.rules(rules), FILTERS, self.store)
        await engine.run(await past.span(self.store, **more), tally)  # type: ignore[arg-type]
        return tally


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path)


def entry(text: str) -> object:
    found = parse_entry(text)
    assert found is not None
    return found


async def test_the_rules_that_judged_would_judge_the_same_again(desk: Desk) -> None:
    rules = "  - {name: 殺, when: {text: {contains: 火をつけ}}, then: quarantine}\n"
    for sample in samples():
        await desk.receive(sample.raw, rules, sample.mail_from)
    tally = await desk.replay(rules)
    assert (tally.mails, tally.changed, tally.same_verdict_other_rule, tally.failed) == (len(samples()), 0, 0, 0)
    assert tally.before == tally.after == {"deliver": len(samples()) - 1, "quarantine": 1}


async def test_a_change_is_shown_with_the_conditions_that_decide(desk: Desk) -> None:
    came = await desk.receive(letter(TARO, "返金のお願い", "返金してください。\n"))
    await desk.receive(letter(TARO, "お礼", "ありがとうございました。\n"))
    tally = await desk.replay(
        "  - {name: 返金, when: {subject: {contains: 返金}, size: {at_least: 1}}, then: quarantine}\n"
    )
    assert tally.moves == {("deliver", "quarantine"): 1}
    (sample,) = tally.samples[("deliver", "quarantine")]
    assert (sample.id, sample.sender, sample.subject) == (came.id, TARO, "返金のお願い")
    assert (sample.before_rule, sample.after_rule) == ("default", "返金")
    assert [(c.fact, c.holds) for c in sample.conditions] == [("subject", True), ("size", True)]


async def test_where_no_rule_decides_any_more_the_condition_that_fails_is_shown(desk: Desk) -> None:
    old = "  - {name: 長い, when: {size: {at_least: 10}}, unless: [{subject: 急ぎ}], then: quarantine}\n"
    await desk.receive(letter(TARO, "x", "y\n"), old)
    tally = await desk.replay(old.replace("10", "10000000"))
    (sample,) = tally.samples[("quarantine", "deliver")]
    assert [(c.fact, c.operator, c.holds) for c in sample.conditions] == [("size", "at_least", False)]


async def test_whether_somebody_was_blocked_is_as_it_was_then(desk: Desk) -> None:
    await desk.receive(letter(TARO, "1"), at=START)
    await desk.store.committer.submit(Block((entry(TARO),), "迷惑行為"))  # type: ignore[arg-type]
    await desk.receive(letter(TARO, "2"), at=START + timedelta(hours=1))
    await desk.store.committer.submit(Unblock((entry(TARO),), "和解"))  # type: ignore[arg-type]
    tally = await desk.replay("  - {name: 停止, when: {blocked: true}, then: reject}\n")
    assert tally.moves == {("quarantine", "reject"): 1}
    assert tally.after == {"deliver": 1, "reject": 1}
    assert not tally.not_recorded


async def test_authentication_is_as_it_was_then(desk: Desk) -> None:
    await desk.receive(letter(TARO, "1"), authenticated=Fact(True), spf=Fact("pass"))
    await desk.receive(letter(TARO, "2"), authenticated=Fact(False), spf=Fact("fail"))
    tally = await desk.replay("  - {name: SPF, when: {authenticated: false, spf: fail}, then: quarantine}\n")
    assert tally.after == {"deliver": 1, "quarantine": 1}


async def test_what_was_not_looked_at_is_unknown_and_counted(desk: Desk) -> None:
    await desk.receive(letter(TARO, "1"))
    rules = "  - {name: 同じ, when: {arc: none}, then: quarantine}\n"
    rules += "  - {name: 発信元, when: {ip_seen_with_blocked: false}, then: quarantine}\n"
    rules += "  - {name: 除く, when: {size: {at_least: 1}}, unless: [{virus: none}], then: reject}\n"
    tally = await desk.replay(rules)
    assert tally.after == {"reject": 1}
    assert tally.not_recorded == {"arc": 1, "ip_seen_with_blocked": 1, "virus": 1}


async def test_how_much_somebody_had_written_is_counted_as_of_then(desk: Desk) -> None:
    for number in range(5):
        await desk.receive(letter(TARO, str(number)), at=START + timedelta(minutes=20 * number))
    tally = await desk.replay(
        "  - {name: 多い, when: {mails_from_sender: {at_least: 3, within: 1h}}, then: quarantine}\n"
    )
    assert tally.after == {"deliver": 2, "quarantine": 3}
    samples = tally.samples[("deliver", "quarantine")]
    # the hour before each holds the mails 0 to 40 minutes (and, to the second, 60 minutes) older
    assert [(s.subject, [c.observed for c in s.conditions]) for s in samples] == [("2", [3]), ("3", [4]), ("4", [4])]


async def test_since_when_somebody_writes_from_there_is_told_as_of_then(desk: Desk) -> None:
    for day in (0, 3, 10):
        await desk.receive(letter(TARO, str(day)), at=START + timedelta(days=day))
    tally = await desk.replay("  - {name: 新顔, when: {ip_seen_days: none}, then: quarantine}\n")
    assert tally.after == {"quarantine": 1, "deliver": 2}
    tally = await desk.replay("  - {name: 古い, when: {ip_seen_days: {at_least: 4}}, then: quarantine}\n")
    assert [s.subject for s in tally.samples[("deliver", "quarantine")]] == ["10"]


async def test_complaints_are_counted_as_of_then(desk: Desk) -> None:
    for number, text in enumerate(
        ("皿が割れていました", "返事が遅すぎます。最悪です", "いい加減にしてください。不良品です")
    ):
        await desk.receive(letter(TARO, "苦情", f"注文番号：1001 です。{text}。\n"), at=START + timedelta(days=number))
    tally = await desk.replay("  - {name: 三度目, when: {complaints_on_order: {at_least: 3}}, then: quarantine}\n")
    (sample,) = tally.samples[("deliver", "quarantine")]
    assert sample.received_at == START + timedelta(days=2)


async def test_a_name_of_the_shop_is_told_afterwards_and_a_person_s_is_not(desk: Desk) -> None:
    await desk.receive(letter(TARO, "1", name="山田太郎"), authenticated=Fact(False))
    tally = await desk.replay("  - {name: なりすまし, when: {impersonation: true}, then: quarantine}\n")
    assert tally.not_recorded == {"impersonation": 1}


async def test_what_an_operator_decided_is_called_out_whatever_became_of_the_mail(desk: Desk) -> None:
    hold = "  - {name: 全部, when: {size: {at_least: 1}}, then: quarantine}\n"
    freed, refused = [await desk.receive(letter(TARO, subject), hold) for subject in ("解除", "断り")]
    await desk.store.committer.submit(Release(freed.id, "店長", "誤判定"))
    await desk.store.committer.submit(Refuse(refused.id, "店長", "脅迫"))

    async def delivered(batch: object) -> None:
        await batch.execute(update(message).where(message.c.id == freed.id).values(state="delivered"))  # type: ignore[attr-defined]

    await desk.store.committer.submit(Work(delivered))
    tally = await desk.replay(hold)
    assert tally.decisions == {("release", "quarantine"): 1, ("refuse", "quarantine"): 1}
    (sample,) = tally.decision_samples[("release", "quarantine")]
    assert (sample.id, sample.decided) == (freed.id, "release")
    tally = await desk.replay("  - {name: 断り, when: {subject: 解除}, then: reject}\n")
    assert tally.decisions == {("release", "reject"): 1, ("refuse", "deliver"): 1}


async def test_watched_rules_are_counted_as_recorded_and_as_they_would_be(desk: Desk) -> None:
    watch = "  - {name: 様子見, mode: watch, when: {subject: {contains: 返金}}, then: quarantine}\n"
    await desk.receive(letter(TARO, "返金"), watch)
    await desk.receive(letter(TARO, "キャンセル"), watch)
    tally = await desk.replay(watch.replace("返金", "キャン"))
    watched = tally.watched["様子見"]
    assert (watched.recorded, watched.now, watched.otherwise) == ({"quarantine": 1}, {"quarantine": 1}, 1)
    assert [(s.subject, s.after, s.after_rule) for s in watched.samples] == [("キャンセル", "quarantine", "様子見")]
    assert tally.changed == 0


async def test_mail_that_is_gone_or_damaged_is_counted_and_the_rest_goes_on(desk: Desk) -> None:
    came = [await desk.receive(letter(TARO, str(number))) for number in range(5)]

    async def harm(batch: object) -> None:
        execute = batch.execute  # type: ignore[attr-defined]
        await execute(delete(body).where(body.c.message == came[0].id))
        await execute(update(log).where(log.c.message == came[1].id).values(record=None, salt=None))
        await execute(update(body).where(body.c.message == came[2].id).values(zstd=b"not zstd"))

    await desk.store.committer.submit(Work(harm))
    tally = await desk.replay(BEFORE)
    assert (tally.mails, tally.gone, tally.failed, tally.seen) == (2, 2, 1, 5)
    assert [id for id, _ in tally.losses] == [came[2].id]


async def test_a_span_is_the_incoming_mail_of_a_time_and_its_parts_are_all_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past, "MOST", 2)
    monkeypatch.setattr(past, "PAGE", 5)
    for day in range(9):
        await desk.receive(letter(TARO, str(day)), at=START + timedelta(days=day))
    span = await past.span(desk.store, START + timedelta(days=2), START + timedelta(days=7))
    assert span.mails == 5
    found = [m.received_at for part in span.parts(3) async for group in past.mails(desk.store, part) for m in group]
    assert found == [START + timedelta(days=day) for day in range(2, 7)]
    assert (await past.span(desk.store, START + timedelta(days=99))).mails == 0
    assert (await desk.replay(BEFORE, since=START + timedelta(days=99))).seen == 0


async def test_bytes_are_held_for_few_messages_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MOST_BYTES", 3000)
    for number in range(8):
        await desk.receive(letter(TARO, str(number), "あ" * 300 + "\n"))
    groups = [group async for group in past.mails(desk.store, await past.span(desk.store))]
    assert sum(map(len, groups)) == 8
    assert len(groups) > 2
    assert all(sum(mail.size for mail in group) <= 3000 for group in groups)


async def test_tallies_of_parts_are_as_one(desk: Desk) -> None:
    watch = "  - {name: 様子見, mode: watch, when: {size: {at_least: 1}}, then: reject}\n"
    for number in range(6):
        await desk.receive(letter(TARO, f"返金{number}" if number % 2 else "x"), watch)
    rules = watch + "  - {name: 返金, when: {subject: {contains: 返金}}, then: quarantine}\n"
    whole = await desk.replay(rules)
    engine = Replay(Settings(), desk.rules(rules), FILTERS, desk.store)
    sum_ = Tally()
    for part in (await past.span(desk.store)).parts(2):
        tally = Tally()
        await engine.run(part, tally)
        sum_.merge(tally)
    assert sum_ == whole
    assert whole.moves == {("deliver", "quarantine"): 3}


async def test_nothing_is_written(desk: Desk) -> None:
    await desk.receive(letter(TARO, "x"))

    async def size() -> int:
        async with desk.store.read() as connection:
            return len((await connection.execute(log.select())).all())

    before = await size()
    await desk.replay("  - {name: 全部, when: {size: {at_least: 1}}, then: quarantine, notify: owner}\n")
    assert await size() == before
