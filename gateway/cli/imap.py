"""`sekisho imap`: look at the watched mailboxes without changing anything, and give the permission to read one."""

from __future__ import annotations

from typing import Annotated

from gateway.cli.context import current
from gateway.cli.imap_look import look
from gateway.cli.imap_show import show
from gateway.cli.output import emit, say
from gateway.cli.verbs import Verb
from gateway.clients.imap import open_session
from gateway.clients.oauth import OAuthClient, client_for
from gateway.errors import NotFound, Refused
from gateway.model.settings import Imap, Settings
from gateway.text import Text

_NONE = Text("見張るメールボックスがありません。", "no mailbox is watched")
_NONE_MEND = Text("設定に「imap:」の節を書いてください。", "write an `imap:` section in the config")
_UNKNOWN = Text("「{name}」というメールボックスは設定にありません。", "there is no mailbox {name} in the config")
_KNOWN = Text("設定にあるのは: {names}", "the config has: {names}")
_NO_OAUTH = Text(
    "「{name}」はパスワードでログインします。許可は要りません。", "{name} logs in by password: no permission is needed"
)
_OPEN = Text(
    "ブラウザーで次の画面を開き、コードを入れて許可してください（{minutes} 分以内）。\n  {url}\n  コード: {code}",
    "Open this page in a browser, enter the code and give the permission (within {minutes} minutes).\n"
    "  {url}\n  code: {code}",
)
_GIVEN = Text("許可されました。{path} に保存しました。", "permission given; kept in {path}")


def _account(settings: Settings, name: str) -> Imap:
    for account in settings.imap:
        if account.name == name:
            return account
    names = ", ".join(account.name for account in settings.imap)
    raise NotFound(_UNKNOWN.with_(name=name), _KNOWN.with_(names=names) if names else _NONE_MEND)


def _client(account: Imap, settings: Settings) -> OAuthClient | None:
    return client_for(account.name, account.oauth2, settings.data) if account.oauth2 else None


async def check(
    name: Annotated[str, Text("メールボックスの名前。省略時はすべて。", "The mailbox; otherwise all of them.")] = "",
    /,
) -> int:
    """Connect and tell what would happen, changing nothing; exit 1 where something needs a person."""
    context = current()
    settings = context.settings
    accounts = [_account(settings, name)] if name else list(settings.imap)
    if not accounts:
        raise NotFound(_NONE, _NONE_MEND)
    faults = 0
    for account in accounts:
        client = _client(account, settings)
        found = await look(account, settings, client.access_token if client else None)
        faults += len(found["faults"])
        if context.json:
            emit({**found, "faults": [str(fault.in_(context.language)) for fault in found["faults"]]})
        else:
            show(account, found)
    return 1 if faults else 0


async def login(
    name: Annotated[str, Text("メールボックスの名前（設定の imap の name）。", "The mailbox: its name in the config.")],
    /,
) -> int:
    """Get the permission to read a mailbox by the device flow (RFC 8628), and try it."""
    context = current()
    settings = context.settings
    account = _account(settings, name)
    client = _client(account, settings)
    if client is None:
        raise Refused(_NO_OAUTH.with_(name=name))
    code = await client.begin()
    if context.json:
        emit({"url": code.url, "user_code": code.user_code, "expires_in": round(code.seconds)})
    say(_OPEN, url=code.url, code=code.user_code, minutes=max(1, round(code.seconds / 60)))
    await client.finish(code)
    session = await open_session(account, client.access_token)
    await session.logout()
    if context.json:
        emit({"ok": True, "tokens": str(client.path)})
    say(_GIVEN, path=client.path)
    return 0


VERBS = (
    Verb(
        "check",
        check,
        Text(
            "接続して、機能・フォルダー・権限と、どのメールがどうなるかを示します（何も変えません）。",
            "Connect and tell capabilities, folders, rights, and what will happen to which mail; changes nothing.",
        ),
    ),
    Verb(
        "login",
        login,
        Text("メールボックスを読む許可（OAuth 2）を得ます。", "Get the permission to read a mailbox (OAuth 2)."),
    ),
)
