"""What programs beside the gateway say: rspamd's score and ClamAV's finding, unknown where they are away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from filters.api import Case, Scan, fact
from filters.sender_ip import outside_peer
from gateway.model.fact import Fact, unknown
from gateway.text import Text

_UNSAID = Text("応答がありません。", "no answer")
_FOUND = Text("ClamAV: {name}", "ClamAV: {name}")


class ExternalFilter:
    """Asks both at the same time, each only where a rule wants to know."""

    name = "external"
    facts = (
        fact(
            "spam",
            "number",
            "rspamd の点数（小数点以下切り捨て。external に設定した場合）",
            "rspamd's score, rounded down, where `external` names it",
        ),
        fact(
            "virus",
            "text",
            "ClamAV が見つけたウイルスの名前（external に設定した場合）",
            "the virus that ClamAV found, where `external` names it",
        ),
    )
    needs: tuple[str, ...] = ()
    waits = True

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """The wanted facts; what was said is kept in `case.evidence`."""
        asked = [name for name in ("spam", "virus") if name in case.wanted]
        answers = await asyncio.gather(*(_ask(name, case) for name in asked))
        found: dict[str, Fact] = {}
        for name, scan in zip(asked, answers, strict=True):
            if not scan.asked:
                found[name] = unknown(scan.note or _UNSAID)
                continue
            if scan.evidence:
                case.evidence[name] = dict(scan.evidence)
            if name == "spam":
                found[name] = Fact(scan.score // 1000, scan.note)
            else:
                found[name] = Fact(scan.found, _FOUND.with_(name=scan.found)) if scan.found else Fact(None)
        return found


async def _ask(name: str, case: Case) -> Scan:
    scanners = case.lookups.scanners
    if name == "virus":
        return await scanners.virus(case.exchange)
    peer = outside_peer(case)
    return await scanners.spam(case.exchange, peer.ip, peer.helo)
