"""`sekisho imap`: look at the watched mailboxes without changing anything, and give the permission to read one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from gateway.cli.context import current
from gateway.cli.output import cell, emit, fields, say, warn
from gateway.cli.verbs import Verb
from gateway.clients.imap import ImapError, ImapSession, open_session
from gateway.clients.imap.session import Folder, search_date
from gateway.clients.oauth import OAuthClient, OAuthError, client_for
from gateway.errors import NotFound, Refused, SekishoError
from gateway.model.settings import Imap, Settings
from gateway.store import imap as records
from gateway.text import Text, plain

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
_TITLE = Text("■ {name}（{user} @ {server}）", "■ {name} ({user} @ {server})")
_SERVER = Text("サーバーの機能", "the server can")
_WITHOUT = Text("ない機能", "the server cannot")
_FOLDER = Text("フォルダー", "folder")
_ROOM = Text("容量", "storage")
_FIRST = Text("初回の扱い", "at first contact")
_VERDICT = {
    "deliver": Text("通すメール", "mail that passes"),
    "quarantine": Text("保留するメール", "mail that is held"),
    "reject": Text("拒否するメール", "mail that is refused"),
    "discard": Text("破棄するメール", "discarded mail"),
}
_WHAT = {
    "leave": Text("{inbox} に残します", "stays in {inbox}"),
    "move": Text("「{target}」に移します", "is moved to {target}"),
    "delete": Text("削除します（記録は残ります）", "is deleted (it stays on record)"),
    "mailbox": Text("{inbox} に残し、{mailbox} にも届けます", "stays in {inbox} and goes to {mailbox}, too"),
}
_FROM_NOW = Text(
    "これから届くメールだけを確認します。いまある {count} 通には触れません。",
    "only mail that comes from now on is screened; the {count} mails that lie there are left alone",
)
_SINCE = Text(
    "ここ {days} 日のメール {count} 通を記録します（移動も返信もしません）。",
    "{count} mails of the last {days} days are recorded (neither moved nor answered)",
)
_GOES_ON = Text("続きの {count} 通から確認します。", "goes on with the {count} mails that came since the last look")
_MISSING_MADE = Text("ありません。必要になったら作ります。", "missing; it is made when it is needed")
_MISSING = Text(
    "ありません。作るか、may_create: true にしてください。", "missing: make it, or allow it by `may_create: true`"
)
_READ_ONLY = Text("読み取りしかできません。メールを移せません。", "read only: mail cannot be moved")
_DRAFTS = Text("下書きのフォルダーです。見張りの対象にはできません。", "a folder of drafts: it cannot be watched")
_FOUND = Text("{count} 通", "{count} mails")
_SLOW = Text("IDLE がないため、{poll:g} 秒ごとに確認します。", "without IDLE it is looked at every {poll:g} seconds")
_WATCHED = ("IDLE", "MOVE", "UIDPLUS", "NAMESPACE", "QUOTA", "ACL", "SPECIAL-USE", "AUTH=XOAUTH2")


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
        found = await _look(account, settings)
        faults += len(found["faults"])
        if context.json:
            emit(found)
        else:
            _show(account, found)
    return 1 if faults else 0


async def _look(account: Imap, settings: Settings) -> dict[str, Any]:
    """Everything about an account as data; faults are texts for people."""
    found: dict[str, Any] = {"name": account.name, "server": account.server.name, "user": account.user, "faults": []}
    client = _client(account, settings)
    try:
        session = await open_session(account, client.access_token if client else None)
    except (ImapError, OAuthError) as error:
        found["faults"].append(error)
        return found
    try:
        found["capabilities"] = sorted(session.capabilities)
        found["folders"] = await _folders(session, account, found["faults"])
        room = await session.quota(account.inbox)
        found["quota"] = {"used_kb": room[0], "limit_kb": room[1]} if room else None
        found["first"] = await _first(session, account)
        found["actions"] = _actions(account, settings)
    except ImapError as error:
        found["faults"].append(error)
    finally:
        await session.logout()
    return found


async def _folders(session: ImapSession, account: Imap, faults: list[SekishoError]) -> list[dict[str, Any]]:
    there = {_key(folder.name): folder for folder in await session.folders()}
    targets = dict.fromkeys((account.folders.quarantine, account.folders.refused))
    wanted = dict.fromkeys([account.inbox, *targets, *account.sent])
    found = []
    for name in wanted:
        folder = there.get(_key(name))
        entry: dict[str, Any] = {"name": name, "there": folder is not None}
        if folder is not None:
            entry |= await _one_folder(session, folder, name)
            if name == account.inbox and entry["read_only"]:
                faults.append(Refused(_READ_ONLY))
            if name not in targets and "\\drafts" in folder.attributes:
                faults.append(Refused(Text("{name}: {why}", "{name}: {why}").with_(name=name, why=_DRAFTS)))
        else:
            entry["made"] = name in targets and account.may_create
            if not entry["made"]:
                faults.append(Refused(Text("{name}: {why}", "{name}: {why}").with_(name=name, why=_MISSING)))
        found.append(entry)
    return found


async def _one_folder(session: ImapSession, folder: Folder, name: str) -> dict[str, Any]:
    """EXAMINE shows what there is without touching it; the rights tell whether it could be changed."""
    selected = await session.select(name, read_only=True)
    rights = await session.rights(name)
    needed = set("te") if rights is not None else set()
    return {
        "mails": selected.exists,
        "rights": rights,
        "read_only": not needed <= set(rights or "te"),
        "attributes": sorted(folder.attributes),
    }


async def _first(session: ImapSession, account: Imap) -> dict[str, Any]:
    """What the first, or the next, look at the inbox would take."""
    selected = await session.select(account.inbox, read_only=True)
    state = None
    try:
        async with current().store(create=False) as store:
            state = await records.folder_state(store, account.name, account.inbox)
    except SekishoError:
        state = None  # no database yet: it would be the first contact
    if state is not None and state.uidvalidity == selected.uidvalidity:
        waiting = [uid for uid in await session.search("UID", f"{state.next_uid}:*") if uid >= state.next_uid]
        return {"how": "goes_on", "mails": len(waiting)}
    if account.since is None:
        return {"how": "from_now", "mails": selected.exists}
    day = datetime.now(UTC) - timedelta(seconds=account.since)
    uids = await session.search("SINCE", search_date(day))
    return {"how": "since", "mails": len(uids), "days": account.since // 86400}


def _actions(account: Imap, settings: Settings) -> dict[str, dict[str, str]]:
    folders = account.folders
    return {
        verdict: {
            "do": getattr(account.actions, verdict),
            "target": folders.quarantine if verdict == "quarantine" else folders.refused,
            "mailbox": settings.mailbox.name,
        }
        for verdict in _VERDICT
    }


def _show(account: Imap, found: Mapping[str, Any]) -> None:
    say(_TITLE, name=account.name, user=account.user, server=account.server.name)
    if "capabilities" in found:
        can = [name for name in _WATCHED if name in found["capabilities"]]
        rows: list[tuple[Text, object]] = [(_SERVER, can), (_WITHOUT, [n for n in _WATCHED if n not in can])]
        rows += [(_FOLDER, _folder_line(folder)) for folder in found.get("folders", ())]
        if found.get("quota"):
            rows.append((_ROOM, f"{found['quota']['used_kb']:,} / {found['quota']['limit_kb']:,} KB"))
        if found.get("first"):
            rows.append((_FIRST, _first_line(found["first"])))
        for verdict, what in found.get("actions", {}).items():
            said = _WHAT[what["do"]].with_(inbox=account.inbox, target=what["target"], mailbox=what["mailbox"])
            rows.append((_VERDICT[verdict], said))
        fields(rows)
        if "IDLE" not in can:
            say(_SLOW, poll=account.poll)
    for fault in found["faults"]:
        warn(plain(fault.in_(current().language)))


def _folder_line(folder: Mapping[str, Any]) -> str:
    if not folder["there"]:
        said = _MISSING_MADE if folder["made"] else _MISSING
    else:
        said = _READ_ONLY if folder["read_only"] else _FOUND.with_(count=folder["mails"])
    return f"{folder['name']}: {cell(said)}"


def _first_line(first: Mapping[str, Any]) -> Text:
    if first["how"] == "goes_on":
        return _GOES_ON.with_(count=first["mails"])
    if first["how"] == "from_now":
        return _FROM_NOW.with_(count=first["mails"])
    return _SINCE.with_(count=first["mails"], days=first["days"])


def _key(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name


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
