"""The words of the records as people read them."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.text import Text, plain

THEN = {
    "deliver": Text("通す", "deliver"),
    "quarantine": Text("保留", "quarantine"),
    "reject": Text("受信拒否", "reject"),
    "discard": Text("破棄", "discard"),
    "sent": Text("送信", "sent"),
}

STATES = {
    "queued": Text("配送待ち", "queued"),
    "delivered": Text("配送済み", "delivered"),
    "failed": Text("配送失敗", "failed"),
    "held": Text("保留中", "held"),
    "released": Text("保留解除", "released"),
    "refused": Text("お断り", "refused"),
    "rejected": Text("受信拒否", "rejected"),
    "discarded": Text("破棄", "discarded"),
    "sent": Text("送信済み", "sent"),
    "withheld": Text("送信せず", "withheld"),
    "uncertain": Text("不明", "uncertain"),
}

QUEUE = {
    "waiting": Text("待機中", "waiting"),
    "leased": Text("処理中", "in hand"),
    "sending": Text("送信中", "sending"),
    "done": Text("完了", "done"),
    "failed": Text("失敗", "failed"),
    "aside": Text("取り置き", "set aside"),
    "cancelled": Text("取り消し", "cancelled"),
    "uncertain": Text("結果不明", "uncertain"),
}

KINDS = {
    "mail": Text("メール", "mail"),
    "deliver": Text("配送", "delivery"),
    "forward": Text("転送", "forward"),
    "reply": Text("自動返信", "reply"),
    "notice": Text("お知らせ", "notice"),
    "report": Text("不達報告", "report"),
}

TARGETS = {"mailbox": Text("メールボックス", "mailbox"), "outgoing": Text("外部へ", "outgoing")}

DIRECTIONS = {"in": Text("受信", "in"), "out": Text("送信", "out")}

RESULTS = {
    "delivered": Text("届いた", "delivered"),
    "deferred": Text("延期", "deferred"),
    "failed": Text("失敗", "failed"),
    "uncertain": Text("不明", "uncertain"),
}

RECORDS = {
    "mail.in": Text("受信", "mail in"),
    "mail.out": Text("送信", "mail out"),
    "delivery": Text("配送", "delivery"),
    "quarantine": Text("保留の扱い", "quarantine"),
    "queue": Text("待ち行列", "queue"),
    "deletion": Text("削除", "deletion"),
}

ACTIONS = {
    "release": Text("保留解除", "released"),
    "refuse": Text("お断り", "refused"),
    "retry": Text("再試行", "tried again"),
    "cancel": Text("取り消し", "cancelled"),
    "aside": Text("取り置き", "set aside"),
    "uncertain": Text("結果不明", "uncertain"),
}


def word(table: Mapping[str, Text], key: str) -> Text:
    """The word for a key, the key itself where there is none."""
    return table.get(key) or plain(key)
