"""Warnings before an entry is blocked that would shut out more people than the one who is meant."""

from __future__ import annotations

from collections.abc import Collection

from gateway.model.entry import Entry, Who
from gateway.text import Text

SHARED_FROM = 30  # different senders at one IP from which on it is a shared relay
SHORTEST_V4 = 16
SHORTEST_V6 = 32

_WHOLE_PROVIDER = Text(
    "{entry} を止めると、{domain} をお使いのお客様全員のメールが止まります。",
    "Blocking {entry} shuts out every customer who uses {domain}.",
)
_TOP_LEVEL = Text(
    "{entry} を止めると、.{domain} で終わるドメインの全員のメールが止まります。",
    "Blocking {entry} shuts out everybody whose domain ends in .{domain}.",
)
_HUGE = Text(
    "{entry} は {count} 個の IP アドレスを含みます。無関係のお客様が含まれるおそれがあります。",
    "{entry} holds {count} addresses; customers who have nothing to do with it may be among them.",
)
_SHARED = Text(
    "{entry} からは {senders} 人以上の差出人のメールが届いています。多くの方が共用する中継サーバーと思われます。",
    "{senders} or more different senders wrote from {entry}; it looks like a relay that many people share.",
)
_SPECIAL = Text(
    "{entry} は社内や自分自身を指す特別なアドレスです。",
    "{entry} is a special address, such as this machine itself or the local network.",
)
# Second-level suffixes under which anybody registers; blocking below one is like blocking a top-level domain.
_SUFFIX_TEXT = """
ac.jp ad.jp co.jp ed.jp go.jp gr.jp lg.jp ne.jp or.jp co.uk org.uk com.au com.br com.cn com.hk com.sg com.tw co.kr co.nz
co.in co.za com.mx com.tr com.vn
"""
_SUFFIXES = frozenset(_SUFFIX_TEXT.split())


def warn(entry: Entry, shared_domains: Collection[str], senders: int = 0) -> Text | None:
    """Why `entry` would hit too many people, None where nothing speaks against it.

    `shared_domains` are domains of free mail and carriers, `senders` is how many different senders were seen at the
    IP, counted up to at least `SHARED_FROM`.
    """
    if entry.who is Who.NETWORK:
        return _warn_network(entry, senders)
    domain = entry.value.lstrip("*@.")
    if entry.who is Who.SUBDOMAINS and ("." not in domain or domain in _SUFFIXES):
        return _TOP_LEVEL.with_(entry=entry.value, domain=domain)
    if entry.who is Who.DOMAIN and domain in shared_domains:
        return _WHOLE_PROVIDER.with_(entry=entry.value, domain=domain)
    if entry.who is Who.SUBDOMAINS:
        hit = sorted(d for d in shared_domains if d == domain or d.endswith("." + domain))
        if hit:
            return _WHOLE_PROVIDER.with_(entry=entry.value, domain=domain if domain in hit else hit[0])
    return None


def _warn_network(entry: Entry, senders: int) -> Text | None:
    network = entry.network
    if network is None:
        return None
    if any(special in network for special in ("127.0.0.1", "::1", "10.0.0.1", "192.168.0.1", "172.16.0.1")):
        return _SPECIAL.with_(entry=entry.value)
    if network.length < (SHORTEST_V4 if network.version == 4 else SHORTEST_V6):
        return _HUGE.with_(entry=entry.value, count=f"{network.last - network.first + 1:,}")
    if senders >= SHARED_FROM:
        return _SHARED.with_(entry=entry.value, senders=senders)
    return None
