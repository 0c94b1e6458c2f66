"""The config file described once: every key, its kind, its bounds and what it is for (CONTRACT §3)."""

from __future__ import annotations

from typing import Any

from gateway.config.document import Wrong
from gateway.config.kinds import Choice, Either, Key, Made, Many, Section
from gateway.config.places import CLAMD, DATABASE, HTTP_URL, IMAP_SERVER, LISTEN, NAME_SERVER, RSPAMD, TARGET
from gateway.config.words import (
    KEEP,
    KEYWORD,
    LINE,
    MAIL_ADDRESS,
    NETWORKS,
    ORDER_PATTERN,
    OWN_ADDRESS,
    PATH,
    PRESENT_FILE,
    SINCE,
    TIMEZONE,
    YES_NO,
    fine_span,
    number,
    size,
    span,
)
from gateway.model.order import FORMATS, Orders
from gateway.model.settings import (
    Anchors,
    Authority,
    Delivery,
    Dns,
    Evidence,
    External,
    Imap,
    ImapActions,
    ImapFolders,
    Log,
    OAuth2,
    Outgoing,
    Replies,
    Shop,
    Smtp,
    SmtpLimits,
    Storage,
    Target,
    TlsFiles,
)
from gateway.text import Text


def _section(name: str) -> Text:
    return Text(f"「{name}」", name)


SHOP = Section(
    Shop,
    _section("shop"),
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
            _section("shop.orders"),
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
    _section("storage"),
    Key("database", DATABASE, Text("データベースの場所です。", "the database")),
    Key("keep", KEEP, Text("メールを残す期間です。", "how long mail is kept")),
    Key(
        "minimum_free",
        size("0B", "1000GB"),
        Text("これより空きが減ると受け取りを待たせます。", "with less free disk, mail is deferred"),
    ),
)

LIMITS = Section(
    SmtpLimits,
    _section("smtp.limits"),
    Key("line", size("1000B", "50MB"), Text("本文の一行の長さです。", "the longest text line")),
    Key("command_line", size("512B", "64KB"), Text("コマンドの一行の長さです。", "the longest command line")),
    Key("recipients", number(1, 10_000), Text("一通の宛先の数です。", "recipients of a message")),
    Key("commands", number(10, 100_000), Text("一回の接続のコマンドの数です。", "commands of a session")),
    Key("errors", number(1, 1000), Text("一回の接続の誤りの数です。", "errors of a session")),
    Key("messages", number(1, 1_000_000), Text("一回の接続の通数です。", "messages of a session")),
    Key("connections", number(1, 100_000), Text("同時接続の数です。", "connections at a time")),
    Key(
        "connections_per_ip",
        number(1, 100_000),
        Text("一つの IP からの同時接続の数です。", "connections of one IP at a time"),
    ),
    Key(
        "connection_rate",
        number(0, 100_000),
        Text("一つの IP からの毎分の接続の数です（0 は無制限）。", "new connections of one IP a minute (0: no limit)"),
    ),
    Key("command_timeout", fine_span("100ms", "1h"), Text("次のコマンドを待つ時間です。", "the wait for a command")),
    Key(
        "data_timeout",
        fine_span("100ms", "1d"),
        Text("本文の受信にかけてよい時間です。", "the time for the whole of DATA"),
    ),
    Key(
        "data_stall",
        fine_span("100ms", "1h"),
        Text("本文が途切れたとき待つ時間です。", "the wait for the next byte of DATA"),
    ),
    Key(
        "received_hops",
        number(5, 1000),
        Text("Received の数の上限です。", "Received fields before mail counts as looping"),
    ),
    Key("memory", size("1MB", "1000GB"), Text("受信中のメールに使うメモリーです。", "memory for mail being received")),
)


def _smtp(max_size: int | None = None, limits: SmtpLimits | None = None, **values: Any) -> Smtp:
    found = limits or SmtpLimits()
    if max_size is not None:
        found = SmtpLimits(**{**vars(found), "max_size": max_size})
    smtp = Smtp(limits=found, **values)
    if smtp.tls is None and any(listen.implicit_tls for listen in smtp.listen):
        raise Wrong(
            Text("smtps:// で待ち受けるには証明書が要ります。", "listening on smtps:// needs a certificate"),
            Text(
                "smtp に「tls: {certificate: …, key: …}」を足してください。",
                "add `tls: {certificate: …, key: …}` to smtp",
            ),
        )
    taken = [(listen.host, listen.port) for listen in smtp.listen if listen.port]
    for place in taken:
        if taken.count(place) > 1:
            raise Wrong(
                Text("{host}:{port} が二度書かれています。", "{host}:{port} is listened on twice").with_(
                    host=place[0], port=place[1]
                ),
                Text("どちらか一つにしてください。", "keep one of them"),
            )
    return smtp


SMTP = Section(
    _smtp,
    _section("smtp"),
    Key(
        "listen",
        Many(LISTEN, least=1, most=64),
        Text("待ち受けるアドレスとポートです。", "addresses and ports to listen on"),
    ),
    Key(
        "tls",
        Section(
            TlsFiles,
            _section("smtp.tls"),
            Key("certificate", PRESENT_FILE, Text("証明書（PEM）です。", "the certificate chain, PEM"), required=True),
            Key("key", PRESENT_FILE, Text("秘密鍵（PEM）です。", "the private key, PEM"), required=True),
        ),
        Text("TLS の証明書です。", "the TLS certificate"),
    ),
    Key("hostname", LINE, Text("名乗るホスト名です。", "the host name in the banner and in trace headers")),
    Key("max_size", size("64KB", "1GB"), Text("一通の大きさの上限です。", "the largest message")),
    Key(
        "trusted_relays",
        Many(NETWORKS),
        Text("自社の前段サーバーです。", "own front servers: the hop before them is the sender"),
    ),
    Key(
        "proxy_protocol_from",
        Many(NETWORKS),
        Text("PROXY プロトコルを受け入れる範囲です。", "who may speak the PROXY protocol"),
    ),
    Key("limits", LIMITS, Text("相手ができることの上限です。", "bounds on what a peer may do")),
)


def _imap(password: str = "", oauth2: OAuth2 | None = None, **values: Any) -> Imap:
    if bool(password) == bool(oauth2):
        raise Wrong(
            Text(
                "imap の項目には password か oauth2 のどちらか一つが要ります。",
                "an imap entry needs either password or oauth2",
            ),
            Text("どちらか一つを書いてください。", "write exactly one of them"),
        )
    return Imap(password=password, oauth2=oauth2, **values)


IMAP = Section(
    _imap,
    _section("imap"),
    Key("name", LINE, Text("このアカウントの呼び名です。", "what this account is called"), required=True),
    Key("server", IMAP_SERVER, Text("サーバーです。", "the server"), required=True),
    Key("user", LINE, Text("ユーザー名です。", "the user name"), required=True),
    Key("password", LINE, Text("パスワードです。", "the password")),
    Key(
        "oauth2",
        Section(
            OAuth2,
            _section("imap.oauth2"),
            Key("provider", Choice("google", "microsoft"), Text("事業者です。", "the provider"), required=True),
            Key("client_id", LINE, Text("クライアント ID です。", "the client id"), required=True),
            Key("client_secret", LINE, Text("クライアントの秘密です。", "the client secret")),
            Key("tenant", LINE, Text("Microsoft のテナントです。", "Microsoft's directory")),
            Key("tokens", PATH, Text("トークンを保存するファイルです。", "the file that keeps the tokens")),
            Key("device_endpoint", LINE, Text("認可の開始先の URL です。", "the device authorization endpoint")),
            Key("token_endpoint", LINE, Text("トークンの発行元の URL です。", "the token endpoint")),
        ),
        Text("OAuth 2 でのログインです。", "log-in by OAuth 2"),
    ),
    Key("inbox", LINE, Text("見張るフォルダーです。", "the folder that is watched")),
    Key(
        "folders",
        Section(
            ImapFolders,
            _section("imap.folders"),
            Key("quarantine", LINE, Text("保留したメールの置き場所です。", "where held mail goes")),
            Key("refused", LINE, Text("拒否したメールの置き場所です。", "where refused mail goes")),
        ),
        Text("移す先のフォルダーです。", "where mail is moved to"),
    ),
    Key("sent", Many(LINE, most=20), Text("記録する送信済みフォルダーです。", "folders of sent mail, logged too")),
    Key(
        "authentication_results_from",
        LINE,
        Text("信頼する認証結果の発行元です。", "whose Authentication-Results are believed"),
    ),
    Key(
        "trusted_relays",
        Many(NETWORKS),
        Text("事業者の中のサーバーです。", "the provider's own hops: the one before them is the sender"),
    ),
    Key(
        "since",
        SINCE,
        Text("初回に、届いてからこの期間内のメールも記録します。", "at first contact, mail as old as this is recorded"),
    ),
    Key(
        "actions",
        Section(
            ImapActions,
            _section("imap.actions"),
            Key("deliver", Choice("leave", "mailbox"), Text("通すメールの扱いです。", "mail that passes")),
            Key("quarantine", Choice("move", "leave"), Text("保留するメールの扱いです。", "mail that is held")),
            Key("reject", Choice("move", "leave"), Text("拒否するメールの扱いです。", "mail that is refused")),
            Key("discard", Choice("move", "leave", "delete"), Text("破棄するメールの扱いです。", "discarded mail")),
        ),
        Text("判定ごとのメールボックスでの扱いです。", "what happens in the mailbox"),
    ),
    Key("keyword", KEYWORD, Text("判定済みのメールに付けるキーワードです。", "a keyword for mail that was screened")),
    Key("may_create", YES_NO, Text("ないフォルダーを作ってよいかです。", "whether missing folders are made")),
    Key("poll", fine_span("1s", "1h"), Text("必ず見に行く間隔です。", "the longest time between two looks")),
    Key(
        "reply_within",
        span("1m", "30d"),
        Text("これより古いメールには返信しません。", "mail older than this is not answered"),
    ),
    Key("timeout", fine_span("1s", "10m"), Text("一つの応答を待つ時間です。", "the wait for one answer")),
)

_STARTTLS = Key(
    "starttls", Choice("auto", "required", "never"), Text("STARTTLS の扱いです。", "auto, required or never")
)
_CA = Key("ca", PRESENT_FILE, Text("サーバーを確かめる CA 証明書です。", "CA certificates to judge the server by"))
_SERVER = Key("server", TARGET, Text("送り先です。", "where to"), required=True)


def _target(server: Target, **values: Any) -> Target:
    return Target(**{**vars(server), **values})


def _outgoing(server: Target, return_path: str = "", sender: str = "", **values: Any) -> Outgoing:
    return Outgoing(_target(server, **values), return_path, sender)


MAILBOX: Either[Target] = Either(TARGET, Section(_target, _section("mailbox"), _SERVER, _STARTTLS, _CA))
OUTGOING: Either[Outgoing] = Either(
    Made(TARGET, Outgoing),
    Section(
        _outgoing,
        _section("outgoing"),
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

AUTHORITY: Either[Authority] = Either(
    Made(HTTP_URL, Authority),
    Section(
        Authority,
        _section("evidence.anchors.tsa"),
        Key("url", HTTP_URL, Text("時刻認証局の URL です。", "the authority's URL"), required=True),
        Key("ca", PRESENT_FILE, Text("認証局のルート証明書（PEM）です。", "the authority's root certificates, PEM")),
    ),
)
EVIDENCE = Section(
    Evidence,
    _section("evidence"),
    Key(
        "checkpoint_every",
        span("1m", "1d"),
        Text("チェックポイントの間隔です。", "the time between two checkpoints"),
    ),
    Key(
        "anchors",
        Section(
            Anchors,
            _section("evidence.anchors"),
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
                _section("delivery"),
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
                _section("replies"),
                Key("per_day", number(0, 1_000_000), Text("一日の自動返信の数です。", "automatic replies a day")),
                Key("per_address", number(0, 1000), Text("一つの宛先への一日の数です。", "the same for one address")),
            ),
            Text("自動返信の上限です。", "caps of automatic replies"),
        ),
        Key(
            "dns",
            Section(
                Dns,
                _section("dns"),
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
                _section("external"),
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
                _section("log"),
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
