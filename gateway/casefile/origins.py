"""Where a mail came from, in the words of exhibits and lists: how it is known, and what that is worth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SOURCES: Final = {"peer": "直接の接続元", "mailbox": "メールボックスの記録"}
_GRADES: Final = {
    "peer": "接続そのもの",
    "provider": "認証を通ったメール事業者の記載",
    "claimed": "誰でも書けるヘッダーの記載",
    "shared": "多数の人が使う送信サーバー",
}
_HOP: Final = re.compile(r"received\[(\d{1,4})\](?: via HTTP)?")


def source_of(origin: Mapping[str, Any]) -> str:
    """What the IP was read from: the connection, or a header field."""
    said = str(origin.get("source", ""))
    hop = _HOP.fullmatch(said)
    if hop:
        return f"Received ヘッダー（上から {hop[1]} 番目）"
    return _SOURCES.get(said, f"{said} ヘッダー" if said else "")


def grade_of(origin: Mapping[str, Any]) -> str:
    """How far it can be relied upon."""
    said = str(origin.get("trust", ""))
    return _GRADES.get(said, said)


def port_of(record: Mapping[str, Any]) -> str:
    """The port of the peer where the origin is the peer itself: providers ask for it beside the time."""
    peer, origin = record.get("peer") or {}, record.get("origin") or {}
    return str(peer["port"]) if peer.get("port") and origin.get("ip") == peer.get("ip") else ""
