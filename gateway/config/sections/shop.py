"""The sections `shop` and `storage` of the config file."""

from __future__ import annotations

from gateway.config.kinds import Choice, Key, Many, Section
from gateway.config.places import DATABASE
from gateway.config.sections.title import title
from gateway.config.words import KEEP, LINE, MAIL_ADDRESS, ORDER_PATTERN, OWN_ADDRESS, TIMEZONE, size
from gateway.model.order import FORMATS, Orders
from gateway.model.settings import Shop, Storage
from gateway.text import Text

SHOP = Section(
    Shop,
    title("shop"),
    Key("name", LINE, Text("店の名前です。", "the shop's name"), required=True),
    Key("contact", MAIL_ADDRESS, Text("返信に載せる連絡先です。", "the address shown in replies"), required=True),
    Key(
        "addresses",
        Many(OWN_ADDRESS, least=1),
        Text("受け取るアドレスです。ほかの宛先は受け取りません。", "mail for these is ours; nothing else is accepted"),
        required=True,
    ),
    Key("owner", MAIL_ADDRESS, Text("お知らせを受け取る店主のアドレスです。", "who gets notices"), required=True),
    Key("language", Choice("ja", "en"), Text("店の言語です。", "the language of the shop")),
    Key("timezone", TIMEZONE, Text("店の時間帯です。", "the shop's time zone")),
    Key(
        "orders",
        Section(
            Orders,
            title("shop.orders"),
            Key("formats", Many(Choice(*FORMATS)), Text("注文番号の形式です。", "the formats of order numbers")),
            Key(
                "custom",
                Many(ORDER_PATTERN, most=20),
                Text(
                    "自店の注文番号の形式（RE2）です。番号だけを ( ) で囲めます。",
                    "formats of the shop's own, in RE2; a group marks the number",
                ),
            ),
        ),
        Text("注文番号の形式です。", "what order numbers look like"),
    ),
)

STORAGE = Section(
    Storage,
    title("storage"),
    Key("database", DATABASE, Text("データベースの場所です。", "the database")),
    Key("keep", KEEP, Text("メールを残す期間です。", "how long mail is kept")),
    Key(
        "minimum_free",
        size("0B", "1000GB"),
        Text("これより空きが減ると受け取りを待たせます。", "with less free disk, mail is deferred"),
    ),
)
