"""What `imap check` finds out about a mailbox: capabilities, folders, rights, what would happen; it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.cli.context import current
from gateway.clients.imap import ImapError, ImapSession, open_session
from gateway.clients.imap.access import Tokens
from gateway.clients.imap.session import Folder, search_date
from gateway.clients.oauth import OAuthError
from gateway.errors import Refused, SekishoError
from gateway.model.settings import Imap, Settings
from gateway.store import imap as records
from gateway.text import Text

VERDICTS = ("deliver", "quarantine", "reject", "discard")
_MOST_OTHERS = 30  # folders of the account that the config does not name
_USES = {"inbox": "te", "target": "i", "sent": ""}  # RFC 4314 §4: what is done there needs these rights

_AT = Text("「{name}」: {why}", "{name}: {why}")
_MISSING_TARGET = Text(
    "ありません。作るか、may_create: true にしてください。", "missing: make it, or allow it by `may_create: true`"
)
_MISSING = Text("ありません。フォルダーの名前を確かめてください。", "missing: check the name of the folder")
_READ_ONLY = Text(
    "権限が足りず、メールを移せません（足りない権限: {rights}）。", "mail cannot be moved: no right {rights}"
)
_DRAFTS = Text("下書きのフォルダーです。見張りの対象にはできません。", "a folder of drafts: it cannot be watched")


async def look(account: Imap, settings: Settings, tokens: Tokens | None) -> dict[str, Any]:
    """Everything about an account as data; `faults` are errors for people."""
    found: dict[str, Any] = {"name": account.name, "server": account.server.name, "user": account.user, "faults": []}
    try:
        session = await open_session(account, tokens)
    except (ImapError, OAuthError) as error:
        found["faults"].append(error)
        return found
    try:
        found["capabilities"] = sorted(session.capabilities)
        there = {_key(folder.name): folder for folder in await session.folders()}
        found["folders"] = await _folders(session, account, there, found["faults"])
        known = {_key(folder["name"]) for folder in found["folders"]}
        others = [folder.name for key, folder in there.items() if key not in known]
        found["others"] = sorted(others)[:_MOST_OTHERS]
        if _key(account.inbox) in there:
            room = await session.quota(account.inbox)
            found["quota"] = {"used_kb": room[0], "limit_kb": room[1]} if room else None
            found["first"] = await _first(session, account)
        found["actions"] = _actions(account, settings)
    except ImapError as error:
        found["faults"].append(error)
    finally:
        await session.logout()
    return found


async def _folders(
    session: ImapSession, account: Imap, there: Mapping[str, Folder], faults: list[SekishoError]
) -> list[dict[str, Any]]:
    """The folders that the config names, with what each is for."""
    targets = [account.folders.quarantine, account.folders.refused]
    uses = dict.fromkeys(account.sent, "sent") | dict.fromkeys(targets, "target") | {account.inbox: "inbox"}
    found = []
    for name in dict.fromkeys([account.inbox, *targets, *account.sent]):
        use, folder = uses[name], there.get(_key(name))
        entry: dict[str, Any] = {"name": name, "use": use, "there": folder is not None}
        if folder is None:
            entry["made"] = use == "target" and account.may_create
            if not entry["made"]:
                why = _MISSING_TARGET if use == "target" else _MISSING
                faults.append(Refused(_AT.with_(name=name, why=why)))
        else:
            entry |= await _one_folder(session, folder, name, use)
            if entry["lacking"]:
                why = _READ_ONLY.with_(rights=entry["lacking"])
                faults.append(Refused(_AT.with_(name=name, why=why)))
            if use != "target" and "\\drafts" in folder.attributes:
                faults.append(Refused(_AT.with_(name=name, why=_DRAFTS)))
        found.append(entry)
    return found


async def _one_folder(session: ImapSession, folder: Folder, name: str, use: str) -> dict[str, Any]:
    """EXAMINE shows what there is without touching it; the rights tell whether it could be changed."""
    selected = await session.select(name, read_only=True)
    rights = await session.rights(name)
    lacking = "" if rights is None else "".join(right for right in _USES[use] if right not in rights)
    return {"mails": selected.exists, "rights": rights, "lacking": lacking, "attributes": sorted(folder.attributes)}


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
    if state is not None:
        return {"how": "renumbered", "mails": selected.exists}
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
        for verdict in VERDICTS
    }


def _key(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name
