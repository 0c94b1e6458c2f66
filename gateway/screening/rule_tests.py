"""The examples under `tests:` of a rules file, each screened by the real engine and held against what it expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

from filters.api import Filter
from filters.offline import offline
from gateway.errors import Fault
from gateway.model.address import domain_of
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.fact import Fact, FactSpec, Kind, Value
from gateway.model.rule import RuleSet, RuleTest
from gateway.model.settings import Settings
from gateway.model.verdict import Verdict
from gateway.screening.rules import decide
from gateway.screening.screener import Screener
from gateway.text import Text

_UNMET = Text(
    "テストの期待と違います。{what} は「{wanted}」のはずですが、「{got}」でした（決めたルール: {rule}）。",
    "a test is not met: {what} should be {wanted!r} but is {got!r} (decided by rule {rule!r})",
)
_MEND = Text(
    "ルールか、このテストの expect を直してください。詳しくは sekisho explain で確かめられます。",
    "change the rule or this test's `expect`; `sekisho explain` shows each step",
)


async def run_rule_tests(ruleset: RuleSet, settings: Settings, filters: Sequence[Filter]) -> list[Fault]:
    """A fault for every test that is not met; records and DNS are left out, `facts:` of a test stand in for them."""
    screener = Screener(settings, filters, offline())
    specs = {spec.name: spec for filter_ in filters for spec in filter_.facts}
    faults: list[Fault] = []
    for test in ruleset.tests:
        screening = await screener.screen(exchange_of(test, settings), ruleset)
        verdict = decide(ruleset, {**screening.facts, **_given(test.facts, specs)})
        faults.extend(_compare(test, verdict))
    return faults


def exchange_of(test: RuleTest, settings: Settings) -> Exchange:
    """The message that a test describes: its file, or a plain one made of its fields."""
    fields = test.fields
    sender = fields.get("mail_from") or fields.get("from") or "customer@example.com"
    shop = next((a for a in settings.shop.addresses if not a.startswith("@")), settings.shop.contact)
    recipient = fields.get("to") or shop
    raw = Path(test.file).read_bytes() if test.file else _compose(fields, recipient)
    peer = Peer(
        fields.get("ip") or "192.0.2.1", helo=fields.get("helo") or f"mail.{domain_of(sender) or 'example.com'}"
    )
    return Exchange(crlf(raw), Envelope(_bare(sender), (_bare(recipient),), peer), source="explain")


def crlf(raw: bytes) -> bytes:
    """Lines ended by CRLF, as SMTP carries them; what already is stays untouched."""
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if b"\n" in raw.replace(b"\r\n", b"") else raw


def _compose(fields: Mapping[str, str], recipient: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = fields.get("subject") or ""
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = "<test@example.com>"
    message.set_content(fields.get("body") or "")
    # From and To are written as they stand, in UTF-8 (RFC 6532): the library refuses a carrier's `a..b@docomo.ne.jp`.
    head = f"From: {fields.get('from') or 'customer@example.com'}\r\nTo: {recipient}\r\n"
    return head.encode() + message.as_bytes().replace(b"\n", b"\r\n")


def _bare(mailbox: str) -> str:
    """The address out of `name <address>`."""
    before, bracket, rest = mailbox.rpartition("<")
    return rest.partition(">")[0].strip() if bracket else before.strip() or mailbox.strip()


def _given(facts: Mapping[str, str], specs: Mapping[str, FactSpec]) -> dict[str, Fact]:
    """Facts that a test states, typed by their declaration."""
    given: dict[str, Fact] = {}
    for key, text in facts.items():
        spec = specs.get(key.partition("[")[0].partition(".")[0])
        given[key] = Fact(_typed(text, spec.kind if spec else Kind.TEXT, bool(spec and spec.many)))
    return given


def _typed(text: str, kind: Kind, many: bool) -> Value:
    if text.strip().lower() in {"none", "null", ""}:
        return None
    if kind is Kind.YES_NO:
        return text.strip().lower() in {"true", "yes", "on", "1"}
    if kind is Kind.NUMBER:
        return int(text)
    if many or kind is Kind.SET:
        return tuple(part.strip() for part in text.split(","))
    return text


def _compare(test: RuleTest, verdict: Verdict) -> list[Fault]:
    action = verdict.action
    got = {
        "then": str(action.then),
        "rule": verdict.rule,
        "tag": ", ".join(action.tags),
        "reply": action.reply.template if action.reply else "no",
    }
    file, _, line = test.at.rpartition(":")
    faults = []
    for what, wanted in test.expect.items():
        met = wanted in action.tags if what == "tag" else got.get(what) == wanted
        if not met:
            text = _UNMET.with_(what=what, wanted=wanted, got=got.get(what, ""), rule=verdict.rule)
            faults.append(Fault(file, int(line or 0), 1, text, _MEND))
    return faults
