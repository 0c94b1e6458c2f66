"""The section `evidence` of the config file."""

from __future__ import annotations

from gateway.config.kinds import Either, Key, Made, Many, Section
from gateway.config.places import HTTP_URL
from gateway.config.sections.title import title
from gateway.config.words import MAIL_ADDRESS, PRESENT_FILE, span
from gateway.model.settings import Anchors, Authority, Evidence
from gateway.text import Text

AUTHORITY: Either[Authority] = Either(
    Made(HTTP_URL, Authority),
    Section(
        Authority,
        title("evidence.anchors.tsa"),
        Key("url", HTTP_URL, Text("時刻認証局の URL です。", "the authority's URL"), required=True),
        Key("ca", PRESENT_FILE, Text("認証局のルート証明書（PEM）です。", "the authority's root certificates, PEM")),
    ),
)
EVIDENCE = Section(
    Evidence,
    title("evidence"),
    Key(
        "checkpoint_every",
        span("1m", "1d"),
        Text("チェックポイントの間隔です。", "the time between two checkpoints"),
    ),
    Key(
        "anchors",
        Section(
            Anchors,
            title("evidence.anchors"),
            Key(
                "tsa",
                Many(AUTHORITY, most=10),
                Text("時刻認証局（RFC 3161）です。", "time-stamp authorities, RFC 3161"),
            ),
            Key(
                "mail",
                Many(MAIL_ADDRESS, most=20),
                Text("チェックポイントを送る先（弁護士など）です。", "who is mailed checkpoints, such as the lawyer"),
            ),
            Key("every", span("1h", "30d"), Text("タイムスタンプの間隔です。", "the time between two time stamps")),
            Key("mail_every", span("1h", "365d"), Text("メールの間隔です。", "the time between two mails")),
        ),
        Text("チェックポイントを外部に証明してもらう先です。", "who outside attests checkpoints"),
    ),
)
