"""The facts of the contract, declared for tests that must not depend on what the filters are at the moment."""

from __future__ import annotations

from gateway.model.fact import FactSpec, Kind
from gateway.text import plain

RESULTS = ("pass", "fail", "softfail", "none", "neutral", "temperror", "permerror")


def _spec(name: str, kind: Kind, **more: object) -> FactSpec:
    return FactSpec(name, kind, plain(name), **more)  # type: ignore[arg-type]


SPECS: dict[str, FactSpec] = {
    spec.name: spec
    for spec in (
        *(_spec(name, Kind.ADDRESS, many=True) for name in ("sender", "from", "reply_to", "recipient")),
        *(_spec(name, Kind.ADDRESS) for name in ("envelope_sender", "address_typo")),
        *(
            _spec(name, Kind.YES_NO)
            for name in ("free_mail", "disposable", "blocked", "watched", "ip_seen_with_blocked", "authenticated")
        ),
        *(_spec(name, Kind.IP) for name in ("peer_ip", "origin_ip")),
        *(_spec(name, Kind.CHOICE, choices=RESULTS) for name in ("spf", "dkim", "dmarc", "arc")),
        _spec("blocked_by", Kind.CHOICE, choices=("address", "domain", "network")),
        _spec("automatic", Kind.CHOICE, choices=("no", "bounce", "auto_reply", "list", "report")),
        *(
            _spec(name, Kind.TEXT)
            for name in ("from_name", "bounced_address", "bounce_reason", "subject", "body", "text")
        ),
        _spec("header", Kind.TEXT, argument="name", many=True),
        *(_spec(name, Kind.TEXT, many=True) for name in ("attachment", "attachment_type")),
        *(_spec(name, Kind.NUMBER) for name in ("ip_seen_days", "size", "local_hour", "abuse")),
        _spec("mails_from_sender", Kind.NUMBER, argument="within"),
        _spec("phrases", Kind.SET),
    )
}
