"""What a rule says is to be done: `then`, and beside it tag, reply, notify, forward and smtp_text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.config.document import Faulty, Node, Scalar, Wrong, suggestion
from gateway.config.kinds import Choice, Key, Many, Reading, Section, Word
from gateway.config.words import ADDRESS, mailbox_address, span
from gateway.model.verdict import Action, Outcome, ReplyOrder
from gateway.text import Text

KEYS = ("then", "tag", "reply", "notify", "forward", "smtp_text")

_TAG = re.compile(r"[^\x00-\x20\x7f,;\"\\]{1,60}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _tag(text: str, reading: Reading) -> str:
    if not _TAG.fullmatch(text):
        raise ValueError(text)
    return text


def _smtp_text(text: str, reading: Reading) -> str:
    if not re.fullmatch(r"[\x20-\x7e]{1,400}", text):
        raise ValueError(text)
    return text


def _recipient(text: str, reading: Reading) -> str:
    return text if text == "owner" else mailbox_address(text)


def read_action(
    pairs: Mapping[str, tuple[Scalar, Node]], where: Node, reading: Reading, templates: frozenset[str]
) -> Action:
    """The action out of the keys of a rule or of `default`; raises `Faulty` after noting every fault."""
    values: dict[str, Any] = {}
    faulty = False
    kinds = action_kinds(templates)
    for name in KEYS:
        if name in pairs:
            try:
                values[name] = kinds[name].read(pairs[name][1], reading)
            except Faulty:
                faulty = True
    faults = reading.faults
    if "then" not in pairs:
        faults.add(
            where,
            Text("「then」がありません。", "`then` is missing"),
            Text(
                "then: deliver | quarantine | reject | discard のどれかを足してください。",
                "add `then: deliver | quarantine | reject | discard`",
            ),
        )
        faulty = True
    then = values.get("then")
    if then == "reject" and values.get("reply") is not None:
        faults.add(
            pairs["reply"][0],
            Text(
                "then: reject には reply をつけられません（RFC 5429 §2.4）。",
                "`reply` cannot stand beside `then: reject` (RFC 5429 §2.4)",
            ),
            Text("reply を消すか、then を quarantine にしてください。", "remove `reply`, or write `then: quarantine`"),
        )
        faulty = True
    if then not in {None, "reject"} and "smtp_text" in pairs:
        faults.add(
            pairs["smtp_text"][0],
            Text("smtp_text は then: reject のときだけ使えます。", "`smtp_text` can only stand beside `then: reject`"),
            Text("smtp_text を消すか、then を reject にしてください。", "remove `smtp_text`, or write `then: reject`"),
        )
        faulty = True
    if faulty:
        raise Faulty
    return Action(
        Outcome(values["then"]),
        values.get("tag", ()),
        values.get("reply"),
        values.get("notify", ()),
        values.get("forward", ()),
        values.get("smtp_text", ""),
    )


class _Reply(Section[ReplyOrder | None]):
    """A reply: a template's name, `no`, or the section that says more."""

    def __init__(self, template: Word[str]) -> None:
        super().__init__(
            ReplyOrder,
            Text("「reply」", "reply"),
            Key("template", template, Text("文面の名前です。", "the template's name"), required=True),
            Key(
                "once_per",
                span("1m", "10y"),
                Text("同じ人への間隔です。", "at most once in this time"),
            ),
            Key("only_if", Choice("authenticated", "any"), Text("返信する相手です。", "who is answered")),
        )
        self._template = template

    def read(self, node: Node, reading: Reading) -> ReplyOrder | None:
        if isinstance(node, Scalar):
            return None if node.text == "no" else ReplyOrder(self._template.read(node, reading))
        return super().read(node, reading)


def action_kinds(templates: frozenset[str]) -> Mapping[str, Any]:
    """How each key of an action is read, where these templates exist."""

    def template(text: str, reading: Reading) -> str:
        if not _NAME.fullmatch(text):
            raise ValueError(text)
        if text not in templates:
            raise Wrong(
                Text("「{name}」という文面はありません。", "there is no template {name}").with_(name=text),
                suggestion(text, templates),
            )
        return text

    return {
        "then": Choice(*Outcome),
        "tag": Many(
            Word(
                _tag,
                Text("空白と「,」「;」のない 60 字までの言葉", "a word of at most 60 characters without blanks , or ;"),
            ),
            most=20,
        ),
        "reply": _Reply(
            Word(
                template,
                Text(
                    "文面の名前（半角の小文字・数字・ハイフン）", "a template's name (small letters, digits, hyphens)"
                ),
            )
        ),
        "notify": Many(Word(_recipient, Text("owner かアドレス", "owner or an address")), least=1, most=20),
        "forward": Many(Word(lambda text, _: mailbox_address(text), ADDRESS), least=1, most=20),
        "smtp_text": Word(_smtp_text, Text("400 字までの ASCII の文", "ASCII text of at most 400 characters")),
    }
