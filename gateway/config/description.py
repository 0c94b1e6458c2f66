"""The config file described once: every key, its kind, its bounds and what it is for (CONTRACT §3)."""

from __future__ import annotations

from typing import Any

from gateway.config.document import Wrong
from gateway.config.kinds import Choice, Key, Many, Section
from gateway.config.places import CLAMD, NAME_SERVER, RSPAMD
from gateway.config.sections.evidence import EVIDENCE
from gateway.config.sections.imap import IMAP
from gateway.config.sections.servers import MAILBOX, OUTGOING
from gateway.config.sections.shop import SHOP, STORAGE
from gateway.config.sections.smtp import SMTP
from gateway.config.sections.title import title
from gateway.config.words import PATH, fine_span, number, size, span
from gateway.model.settings import Delivery, Dns, External, Log, Replies
from gateway.text import Text


def _delivery(**values: Any) -> Delivery:
    delivery = Delivery(**values)
    if not delivery.first_retry <= delivery.longest_retry <= delivery.give_up_after:
        raise Wrong(
            Text(
                "first_retry ≦ longest_retry ≦ give_up_after になっていません。",
                "first_retry ≤ longest_retry ≤ give_up_after does not hold",
            ),
            Text("三つの長さを見直してください。", "correct the three lengths of time"),
        )
    return delivery


ROOT: dict[str, Key] = {
    key.name: key
    for key in (
        Key("shop", SHOP, Text("店についてです。", "the shop"), required=True),
        Key("storage", STORAGE, Text("保存についてです。", "where everything is kept")),
        Key("smtp", SMTP, Text("SMTP での受信です。", "intake by SMTP")),
        Key("imap", Many(IMAP, most=100), Text("IMAP で見張るメールボックスです。", "mailboxes watched over IMAP")),
        Key("mailbox", MAILBOX, Text("問題のないメールの届け先です。", "clean mail goes here")),
        Key("outgoing", OUTGOING, Text("返信とお知らせを送るサーバーです。", "replies and notices leave here")),
        Key(
            "delivery",
            Section(
                _delivery,
                title("delivery"),
                Key(
                    "give_up_after",
                    span("1m", "30d"),
                    Text("配達をあきらめるまでの時間です。", "when delivery is given up"),
                ),
                Key(
                    "first_retry",
                    span("1s", "1d"),
                    Text("最初の再配達までの時間です。", "the wait before the first retry"),
                ),
                Key(
                    "longest_retry",
                    span("1s", "7d"),
                    Text("再配達の間隔の上限です。", "the longest wait between retries"),
                ),
                Key(
                    "concurrency",
                    number(1, 1000),
                    Text("一つの送り先への同時配達の数です。", "deliveries at a time to one destination"),
                ),
                Key(
                    "timeout",
                    fine_span("1s", "1h"),
                    Text("一回の配達にかけてよい時間です。", "the time for one attempt"),
                ),
            ),
            Text("配達についてです。", "delivery"),
        ),
        Key(
            "replies",
            Section(
                Replies,
                title("replies"),
                Key("per_day", number(0, 1_000_000), Text("一日の自動返信の数です。", "automatic replies a day")),
                Key("per_address", number(0, 1000), Text("一つの宛先への一日の数です。", "the same for one address")),
            ),
            Text("自動返信の上限です。", "caps of automatic replies"),
        ),
        Key(
            "dns",
            Section(
                Dns,
                title("dns"),
                Key(
                    "servers",
                    Many(NAME_SERVER, most=10),
                    Text("ネームサーバーです（空なら OS の設定）。", "name servers; empty: the system's"),
                ),
                Key(
                    "timeout",
                    fine_span("100ms", "30s"),
                    Text("一回の問い合わせの時間です。", "the time for one question"),
                ),
                Key("budget", fine_span("100ms", "2m"), Text("一通にかけてよい時間です。", "the time for one message")),
            ),
            Text("DNS についてです。", "DNS"),
        ),
        Key(
            "external",
            Section(
                External,
                title("external"),
                Key("rspamd", RSPAMD, Text("rspamd（迷惑メール判定）の場所です。", "where rspamd listens")),
                Key("clamd", CLAMD, Text("ClamAV（ウイルス検査）の場所です。", "where ClamAV's daemon listens")),
                Key(
                    "timeout",
                    fine_span("100ms", "1m"),
                    Text("一通の検査にかけてよい時間です。", "the time for one message at one scanner"),
                ),
                Key(
                    "max_size",
                    size("64KB", "1GB"),
                    Text("これより大きいメールは検査に出しません。", "larger messages are not handed to the scanners"),
                ),
            ),
            Text("外部の検査プログラムです。", "scanners beside the gateway"),
        ),
        Key("evidence", EVIDENCE, Text("証拠ログの封印についてです。", "how the evidence log is sealed")),
        Key(
            "log",
            Section(
                Log,
                title("log"),
                Key(
                    "level",
                    Choice("debug", "info", "warning", "error"),
                    Text("記録の細かさです。", "how much is logged"),
                ),
                Key("format", Choice("auto", "text", "json"), Text("記録の形です。", "the form of log lines")),
            ),
            Text("プログラムの動作記録です。", "the program's own log"),
        ),
        Key("rules", PATH, Text("ルールのファイルです。", "the rules file")),
        Key("templates", PATH, Text("返信の文面のフォルダーです。", "the folder of reply templates")),
    )
}
CONFIG: Section[dict[str, Any]] = Section(dict, Text("設定ファイル", "the config"), *ROOT.values())
