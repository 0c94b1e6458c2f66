"""Whether the shop has blocked, or watches, anybody whom the message names as its sender, or where it came from."""

from __future__ import annotations

from collections.abc import Mapping

from filters.api import BlockEntry, Case, fact
from filters.sender import header_addresses
from filters.sender_ip import claimed_ips
from gateway.model.address import fold_address
from gateway.model.fact import Fact
from gateway.model.origin import Trust
from gateway.model.return_path import original_sender
from gateway.text import Text, plain

# Every header that says who wrote or where answers go: a blocked person changes one of them and forgets the others.
HEADERS = ("from", "sender", "reply-to")
_KNOWN = {"from": "from", "reply-to": "reply_to"}  # facts that hold what a header says

_ENTRY = Text("{where} {what} は登録 {entry} に該当します（{why}）。", "{where} {what} is covered by {entry} ({why})")
_ENTRY_PERSON = Text(
    "{where} {what} は {person} 様の登録 {entry} に該当します（{why}）。",
    "{where} {what} is covered by {entry} of {person} ({why})",
)
_CLAIMED = Text(
    "自己申告の IP {what} が登録 {entry} に該当します（{why}）。証拠にはなりません。",
    "the claimed IP {what} is covered by {entry} ({why}), which proves nothing",
)
_PLACES = {
    "envelope": Text("エンベロープ送信者", "envelope sender"),
    "from": plain("From"),
    "sender": plain("Sender"),
    "reply-to": plain("Reply-To"),
    "peer": Text("接続元", "peer"),
    "origin": Text("発信元", "origin"),
}


class BlacklistFilter:
    """Asks the records about every address and IP that stands for the sender."""

    name = "blacklist"
    facts = (
        fact(
            "blocked",
            "yes/no",
            "取引停止の登録に該当するか",
            "whether an entry of the blacklist covers the sender or its IP",
        ),
        fact(
            "blocked_by",
            "choice",
            "取引停止の登録の種類（address: アドレス、domain: ドメイン、network: IP の範囲）",
            "what kind of entry blocks it: an IP may be shared with people who have nothing to do with it",
            choices=("address", "domain", "network"),
        ),
        fact(
            "watched",
            "yes/no",
            "注意の登録に該当するか",
            "whether an entry that is only watched covers the sender or its IP",
        ),
    )
    needs: tuple[str, ...] = ("from", "peer_ip", "origin_ip")
    waits = True

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """All facts, with the most exact entry behind each; an IP that a header merely claims can only be watched."""
        records = case.lookups.records
        blocked: Text | None = None
        blocked_by: str | None = None
        watched: Text | None = None
        for what, place in self._addresses(case).items():
            for entry in await records.blocks(address=what):
                note = _note(entry, place, what)
                if entry.watched:
                    watched = watched or note
                else:
                    blocked = blocked or note
                    if blocked_by != "address":
                        blocked_by = "domain" if entry.entry[0] in "@*" else "address"
        for what, place in self._ips(case).items():
            for entry in await records.blocks(ip=what):
                note = _note(entry, place, what)
                if entry.watched:
                    watched = watched or note
                else:
                    blocked = blocked or note
                    blocked_by = blocked_by or "network"
        if watched is None:
            for what in claimed_ips(case):
                for entry in await records.blocks(ip=what):
                    watched = watched or _CLAIMED.with_(what=what, entry=entry.entry, why=entry.reason)
        return {
            "blocked": Fact(blocked is not None, blocked),
            "blocked_by": Fact(blocked_by, blocked),
            "watched": Fact(watched is not None, watched),
        }

    def _addresses(self, case: Case) -> dict[str, str]:
        """Folded addresses and where each stands, each once."""
        given = case.exchange.envelope.mail_from
        found: dict[str, str] = {}
        for name in HEADERS:
            known = case.facts.get(_KNOWN.get(name, ""))
            addresses = known.value if known is not None else header_addresses(case.message, name)
            for address in addresses if isinstance(addresses, tuple) else ():
                found.setdefault(address, name)
        for address in (fold_address(given), original_sender(given)):
            if address:
                found.setdefault(address, "envelope")
        return found

    def _ips(self, case: Case) -> dict[str, str]:
        """The peer, and the origin where it is proven."""
        found: dict[str, str] = {}
        peer = case.facts.get("peer_ip")
        if peer is not None and isinstance(peer.value, str):
            found[peer.value] = "peer"
        origin = case.evidence.get("origin")
        if isinstance(origin, dict) and origin["trust"] != Trust.CLAIMED.value:
            found.setdefault(str(origin["ip"]), "origin")
        return found


def _note(entry: BlockEntry, place: str, what: str) -> Text:
    said = _ENTRY_PERSON.with_(person=entry.person) if entry.person else _ENTRY
    return said.with_(where=_PLACES[place], what=what, entry=entry.entry, why=entry.reason)
