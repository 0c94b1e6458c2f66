"""The sections `mailbox` and `outgoing` of the config file: where mail goes."""

from __future__ import annotations

from typing import Any

from gateway.config.kinds import Choice, Either, Key, Made, Section
from gateway.config.places import TARGET
from gateway.config.sections.title import title
from gateway.config.words import MAIL_ADDRESS, PRESENT_FILE
from gateway.model.settings import Outgoing, Target
from gateway.text import Text

_STARTTLS = Key(
    "starttls", Choice("auto", "required", "never"), Text("STARTTLS の扱いです。", "auto, required or never")
)
_CA = Key("ca", PRESENT_FILE, Text("サーバーを確かめる CA 証明書です。", "CA certificates to judge the server by"))
_SERVER = Key("server", TARGET, Text("送り先です。", "where to"), required=True)


def _target(server: Target, **values: Any) -> Target:
    return Target(**{**vars(server), **values})


def _outgoing(server: Target, return_path: str = "", sender: str = "", **values: Any) -> Outgoing:
    return Outgoing(_target(server, **values), return_path, sender)


MAILBOX: Either[Target] = Either(TARGET, Section(_target, title("mailbox"), _SERVER, _STARTTLS, _CA))
OUTGOING: Either[Outgoing] = Either(
    Made(TARGET, Outgoing),
    Section(
        _outgoing,
        title("outgoing"),
        _SERVER,
        _STARTTLS,
        _CA,
        Key(
            "return_path",
            MAIL_ADDRESS,
            Text(
                "空の差出人を断る中継サーバー向けの差出人です。", "envelope sender for relays that refuse the null one"
            ),
        ),
        Key("sender", MAIL_ADDRESS, Text("返信の From です。", "the From address of replies")),
    ),
)
