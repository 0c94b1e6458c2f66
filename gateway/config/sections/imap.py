"""The section `imap` of the config file: one watched account each."""

from __future__ import annotations

from typing import Any

from gateway.config.document import Wrong
from gateway.config.kinds import Choice, Key, Many, Section
from gateway.config.places import IMAP_SERVER
from gateway.config.sections.title import title
from gateway.config.words import KEYWORD, LINE, NETWORKS, PATH, SINCE, YES_NO, fine_span, span
from gateway.model.settings import Imap, ImapActions, ImapFolders, OAuth2
from gateway.text import Text


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
    title("imap"),
    Key("name", LINE, Text("このアカウントの呼び名です。", "what this account is called"), required=True),
    Key("server", IMAP_SERVER, Text("サーバーです。", "the server"), required=True),
    Key("user", LINE, Text("ユーザー名です。", "the user name"), required=True),
    Key("password", LINE, Text("パスワードです。", "the password")),
    Key(
        "oauth2",
        Section(
            OAuth2,
            title("imap.oauth2"),
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
            title("imap.folders"),
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
            title("imap.actions"),
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
