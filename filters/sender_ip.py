"""Where the mail came from: the peer, the writer's IP with a trust grade, and who else wrote from there."""

from __future__ import annotations

from collections.abc import Mapping

from filters.api import Case, fact
from filters.origin import (
    Outside,
    before_provider,
    claimed_origin,
    claims,
    is_really,
    outside,
    peer_origin,
    provider_claim,
)
from filters.sender import recorded_sender
from gateway.model.fact import Fact
from gateway.model.origin import Origin, Trust
from gateway.model.settings import Imap
from gateway.text import Text

# An IP from which more different senders wrote is a relay that many share, whatever it calls itself.
SHARED_FROM = 30

_SOURCE = Text("{source} から（信頼度: {trust}）", "from {source} (trust: {trust})")
_RELAYED = Text("{proxy} 経由（自社の中継サーバー）", "through {proxy}, our own relay")
_INSIDE = Text("自社のサーバーの中で作られたメールです。", "the mail was made inside our own relays")
_NO_PEER = Text("接続元が分かりません。", "the peer is not known")
_NO_ORIGIN = Text("公開された発信元 IP がありません。", "there is no public origin IP")
_SHARED = Text("{ip} は多くの方が共用する中継サーバーです。", "{ip} is a relay that many people share")
_UNSURE = Text("{ip} は送信者の自己申告です。", "{ip} is only the sender's word")
_WITH = Text(
    "同じ IP から停止中の {entry} が送信しています（{reason}）。", "blocked {entry} wrote from the same IP ({reason})"
)
_FIRST = Text("初回: {first}（{mails} 通）", "first seen {first} ({mails} mails)")


class SenderIpFilter:
    """Finds peer and origin; asks the records only where a rule wants to know who else wrote from there."""

    name = "sender_ip"
    facts = (
        fact("peer_ip", "ip", "自社の中継サーバーの外側の接続元 IP", "the IP that connected, outside our own relays"),
        fact("origin_ip", "ip", "書いた方の IP（出所と信頼度つき）", "the writer's IP, with its source and trust"),
        fact(
            "ip_seen_with_blocked",
            "yes/no",
            "同じ発信元から停止中の方が送信したことがあるか",
            "whether somebody blocked wrote from this origin; never for shared relays",
        ),
        fact(
            "ip_seen_days",
            "number",
            "この差出人がこの発信元から初めて送信してからの日数",
            "days since this sender was first seen at this origin; none if new",
        ),
    )
    needs: tuple[str, ...] = ("sender",)
    waits = True

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """Peer and origin always, the rest where asked for; keeps the origin in `case.evidence["origin"]`."""
        peer = outside_peer(case)
        origin = await _origin(case, peer)
        case.evidence["origin"] = origin and {"ip": origin.ip, "source": origin.source, "trust": origin.trust.value}
        found = {"peer_ip": _peer_fact(case, peer), "origin_ip": _origin_fact(origin)}
        if "ip_seen_with_blocked" in case.wanted:
            found["ip_seen_with_blocked"] = await _seen_with_blocked(case, origin)
        if "ip_seen_days" in case.wanted:
            found["ip_seen_days"] = await _seen_days(case, origin)
        return found


def outside_peer(case: Case) -> Outside:
    """The first hop outside the relays that the settings trust: for SPF, too, this is the client."""
    account = watched_account(case)
    if account is not None:
        return before_provider(case.message, account.trusted_relays)
    smtp = case.settings.smtp
    return outside(case.exchange.envelope, case.message, smtp.trusted_relays if smtp else ())


def watched_account(case: Case) -> Imap | None:
    """The mailbox that the mail lies in, where it came by IMAP."""
    if case.exchange.source != "imap":
        return None
    return next((account for account in case.settings.imap if account.name == case.exchange.account), None)


async def _origin(case: Case, peer: Outside) -> Origin | None:
    if not case.exchange.envelope.peer.ip:
        return claimed_origin(case.message)
    origin = peer_origin(peer)
    # Only mail of a provider that we know to name its customers' IPs costs a look-up, and DNS keeps the answer.
    said = provider_claim(case.exchange.envelope.mail_from, peer, case.message) if origin else None
    if said is not None and _not_denied(case) and await is_really(peer.helo, peer.ip, case.lookups.dns):
        _, claim = said
        return Origin(claim.ip, claim.source, Trust.PROVIDER)
    return origin


def _not_denied(case: Case) -> bool:
    """False where SPF and DKIM were both looked at before and neither passed."""
    looked = [case.facts[name] for name in ("spf", "dkim") if name in case.facts]
    return len(looked) < 2 or any(result.value == "pass" for result in looked)


def _peer_fact(case: Case, peer: Outside) -> Fact:
    given = case.exchange.envelope.peer
    if not peer.ip:
        return Fact(None, _INSIDE if given.ip else _NO_PEER)
    return Fact(peer.ip, _RELAYED.with_(proxy=given.ip) if peer.ip != given.ip and peer.below else None)


def _origin_fact(origin: Origin | None) -> Fact:
    if origin is None:
        return Fact(None, _NO_ORIGIN)
    return Fact(origin.ip, _SOURCE.with_(source=origin.source, trust=origin.trust.value))


async def _seen_with_blocked(case: Case, origin: Origin | None) -> Fact:
    if origin is None:
        return Fact(False, _NO_ORIGIN)
    if origin.trust is Trust.CLAIMED:
        return Fact(False, _UNSURE.with_(ip=origin.ip))
    if origin.trust is Trust.SHARED:
        return Fact(False, _SHARED.with_(ip=origin.ip))
    sender = recorded_sender(case)
    entries = await case.lookups.records.blocked_at(origin.ip, sender)
    blocked = [entry for entry in entries if not entry.watched]
    if not blocked:
        return Fact(False)
    if await case.lookups.records.senders_at(origin.ip, SHARED_FROM + 1) > SHARED_FROM:
        return Fact(False, _SHARED.with_(ip=origin.ip))
    return Fact(True, _WITH.with_(entry=blocked[0].entry, reason=blocked[0].reason))


async def _seen_days(case: Case, origin: Origin | None) -> Fact:
    sender = recorded_sender(case)
    seen = await case.lookups.records.seen(sender, origin.ip) if origin and sender else None
    if seen is None:
        return Fact(None)
    days = max(0, (case.now - seen.first).days)
    return Fact(days, _FIRST.with_(first=f"{seen.first:%Y-%m-%d}", mails=seen.mails))


def claimed_ips(case: Case) -> tuple[str, ...]:
    """IPs that headers name for the writer and that are not his proven origin; at most five."""
    kept = case.evidence.get("origin")
    proven = kept["ip"] if isinstance(kept, dict) and kept["trust"] != Trust.CLAIMED.value else ""
    return tuple(dict.fromkeys(c.ip for c in claims(case.message, outside_peer(case).below) if c.ip != proven))[:5]
