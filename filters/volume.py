"""How much a sender writes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from filters.api import Case, fact
from filters.sender import recorded_sender
from gateway.model.fact import Fact
from gateway.text import Text

DAY = 86400
_NAME = "mails_from_sender"
_SINCE = Text("このメールを含め、直近 {hours} 時間", "in the last {hours} hours, this one included")
_NO_SENDER = Text("差出人アドレスがありません。", "there is no sender address")


class VolumeFilter:
    """Counts the mails of the sender, the present one included."""

    name = "volume"
    facts = (
        fact(
            _NAME,
            "number",
            "この差出人から期間内に届いたメールの数（このメールを含む。既定 24h）",
            "mails from this sender within the span, this one included (24h unless said)",
            argument="within",
        ),
    )
    needs: tuple[str, ...] = ("sender",)
    waits = True

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """One number for each span that is asked for; a span is in seconds."""
        keys = [key for key in case.wanted if key == _NAME or key.startswith(f"{_NAME}[")]
        sender = recorded_sender(case)
        found: dict[str, Fact] = {}
        for key in keys:
            if not sender:
                found[key] = Fact(None, _NO_SENDER)
                continue
            seconds = int(key[len(_NAME) + 1 : -1]) if key != _NAME else DAY
            before = await case.lookups.records.mails_from(sender, case.now - timedelta(seconds=seconds))
            found[key] = Fact(before + 1, _SINCE.with_(hours=f"{seconds / 3600:g}"))
        return found
