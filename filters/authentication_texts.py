"""What the authentication filter says to people."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.text import Text, plain

SPF_CLIENT = Text("{domain}（{identity}）、接続元 {ip}{why}", "{identity} {domain}, client {ip}{why}")
SPF_NEUTRAL = Text(
    "{domain} は接続元 {ip} について何も主張していません（neutral）。",
    "{domain} says nothing about client {ip} (neutral)",
)
SPF_EVERYBODY = Text(
    "{domain} は誰からの送信も許しているため、送信者の証明にはなりません（{mechanism}）。",
    "{domain} lets everybody send ({mechanism}), which proves nothing",
)
NO_CLIENT = Text("接続元が分からないため、SPF は調べていません。", "the client is not known, so SPF was not looked at")
LOCAL_CLIENT = Text(
    "接続元 {ip} は内部のアドレスなので、SPF は調べていません。",
    "client {ip} is a local address, so SPF was not looked at",
)
NO_SIGNATURE = Text("DKIM 署名がありません。", "there is no DKIM signature")
MANY_SIGNATURES = Text("（ほかに {left} 個の署名は調べていません）", " ({left} more signatures were not looked at)")
BAD_HEADER = Text("ヘッダーの形が壊れています。", "the header is malformed")
NO_ARC = Text("ARC の印がありません。", "there is no ARC seal")
SEALED_BY = Text("封印: {sealers}{why}", "sealed by {sealers}{why}")
NO_POLICY = Text("{domain} に DMARC レコードはありません。", "{domain} has no DMARC record")
POLICY = Text("{domain} のポリシー: {policy}", "policy of {domain}: {policy}")
POLICY_FAILED = Text(
    "{domain} の DMARC レコードを調べられませんでした。", "the DMARC record of {domain} was not found out"
)
MANY_FROM = Text("From が 1 つの送信元ドメインを示していません。", "From does not name exactly one domain")
UNJUDGED = Text(
    "SPF を調べられない接続元なので、DMARC は判定していません。", "without SPF for this client, DMARC was not judged"
)
PROVEN = Text("{domain} からのメールと確認できました。", "shown to come from {domain}")
UNPROVEN = Text("{domain} からのメールだという証明がありません。", "nothing shows that it comes from {domain}")
UNSURE = Text(
    "DNS が応答しないため、{domain} からのメールか確認できませんでした。",
    "DNS gave no answer, so whether it comes from {domain} is not known",
)

_JAPANESE = {
    "DNS gave no answer": "DNS の応答なし",
    "From is not signed": "From が署名されていない",
    "Two or more type TXT spf records found.": "SPF レコードが 2 つ以上ある",
    "a seal says that the chain was broken": "連鎖が途中で壊れたと封印に書かれている",
    "body was changed": "本文が変更されている",
    "d= is not a domain": "d= がドメインではない",
    "expired": "署名の期限切れ",
    "field too long": "署名が長すぎる",
    "i= outside d=": "i= が d= の外にある",
    "key not found out": "公開鍵を調べられなかった",
    "key revoked": "鍵は失効している",
    "key unreadable": "公開鍵を読めない",
    "l= leaves part of the body unsigned": "l= により本文の一部が署名されていない",
    "no domain to ask about": "調べるドメインがない",
    "no key": "公開鍵がない",
    "not found out in time": "時間内に調べ終わらなかった",
    "record too long": "レコードが長すぎる",
    "rsa-sha1 proves nothing": "rsa-sha1 は証明にならない",
    "sets incomplete": "ARC の組が揃っていない",
    "signature does not fit the header": "署名がヘッダーと合わない",
    "too costly": "レコードが複雑すぎる",
}


def why(reason: str) -> Text:
    """`reason` in brackets to stand at the end of a note, or nothing; what has no translation stands as it is."""
    if not reason:
        return plain("")
    return Text("（{ja}）", " ({en})").with_(ja=_JAPANESE.get(reason, reason), en=reason)


def joined(texts: Sequence[Text]) -> Text:
    """Several texts, one after the other."""
    if len(texts) == 1:
        return texts[0]
    slots = [f"{{part{i}}}" for i in range(len(texts))]
    values = {f"part{i}": text for i, text in enumerate(texts)}
    return Text("、".join(slots), "; ".join(slots)).with_(**values)
