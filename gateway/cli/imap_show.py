"""How people read what `imap check` has found out about a mailbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.cli.context import current
from gateway.cli.output import fields, say, warn
from gateway.model.settings import Imap
from gateway.text import Text, plain

_WATCHED = ("IDLE", "MOVE", "UIDPLUS", "NAMESPACE", "QUOTA", "ACL", "SPECIAL-USE")

_TITLE = Text("■ {name}（{user} @ {server}）", "■ {name} ({user} @ {server})")
_SERVER = Text("サーバーの機能", "the server can")
_WITHOUT = Text("ない機能", "the server cannot")
_FOLDER = Text("フォルダー", "folder")
_OTHERS = Text("ほかのフォルダー", "other folders")
_ROOM = Text("容量", "storage")
_FIRST = Text("見張りの始め方", "at first contact")
_NEXT = Text("次の確認", "at the next look")
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
    "これから届くメールを確認します。ここ {days} 日の {count} 通は記録だけします（移動も返信もしません）。",
    "mail that comes from now on is screened; {count} mails of the last {days} days are recorded only "
    "(neither moved nor answered)",
)
_GOES_ON = Text(
    "前回より後に届いた {count} 通から始めます。", "goes on with the {count} mails that came since the last look"
)
_RENUMBERED = Text(
    "サーバーでメールの番号が変わったため、{count} 通を記録と照らし合わせます（記録済みのメールはそのままです）。",
    "the server has numbered its mail anew: {count} mails are compared with what is on record, which stays as it is",
)
_USE = {
    "inbox": Text("見張ります", "watched"),
    "target": Text("移し先", "mail is moved here"),
    "sent": Text("送信済みとして記録します", "logged as sent mail"),
}
_FOUND = Text("{name}: {count} 通、{use}", "{name}: {count} mails, {use}")
_RIGHTS = Text("{name}: {count} 通、{use}（権限 {rights}）", "{name}: {count} mails, {use} (rights {rights})")
_MADE = Text("{name}: ありません。必要になったら作ります。", "{name}: missing; it is made when it is needed")
_MISSING = Text("{name}: ありません", "{name}: missing")
_UNTOLD = Text(
    "権限を知らせないサーバーです。メールを移せるかどうかは、初めて移すときに分かります。",
    "the server does not tell rights: whether mail can be moved shows when it is first done",
)
_RIGHTS_ROW = Text("権限", "rights")
_SLOW = Text("IDLE がないため、{poll:g} 秒ごとに確認します。", "without IDLE it is looked at every {poll:g} seconds")


def show(account: Imap, found: Mapping[str, Any]) -> None:
    """Tell it; faults go to standard error."""
    say(_TITLE, name=account.name, user=account.user, server=account.server.name)
    if "capabilities" in found:
        can = [name for name in _WATCHED if name in found["capabilities"]]
        rows: list[tuple[Text, object]] = [(_SERVER, can), (_WITHOUT, [n for n in _WATCHED if n not in can])]
        rows += [(_FOLDER, _folder_line(folder)) for folder in found.get("folders", ())]
        rows.append((_OTHERS, found.get("others", ())))
        if "ACL" not in can:
            rows.append((_RIGHTS_ROW, _UNTOLD))
        if found.get("quota"):
            rows.append((_ROOM, f"{found['quota']['used_kb']:,} / {found['quota']['limit_kb']:,} KB"))
        if first := found.get("first"):
            rows.append((_NEXT if first["how"] in ("goes_on", "renumbered") else _FIRST, _first_line(first)))
        for verdict, what in found.get("actions", {}).items():
            said = _WHAT[what["do"]].with_(inbox=account.inbox, target=what["target"], mailbox=what["mailbox"])
            rows.append((_VERDICT[verdict], said))
        fields(rows)
        if "IDLE" not in can:
            say(_SLOW, poll=account.poll)
    for fault in found["faults"]:
        warn(plain(fault.in_(current().language)))


def _folder_line(folder: Mapping[str, Any]) -> Text:
    name = folder["name"]
    if not folder["there"]:
        return (_MADE if folder["made"] else _MISSING).with_(name=name)
    said = _RIGHTS if folder["rights"] is not None else _FOUND
    return said.with_(name=name, count=folder["mails"], use=_USE[folder["use"]], rights=folder["rights"])


def _first_line(first: Mapping[str, Any]) -> Text:
    if first["how"] == "goes_on":
        return _GOES_ON.with_(count=first["mails"])
    if first["how"] == "renumbered":
        return _RENUMBERED.with_(count=first["mails"])
    if first["how"] == "from_now":
        return _FROM_NOW.with_(count=first["mails"])
    return _SINCE.with_(count=first["mails"], days=first["days"])
