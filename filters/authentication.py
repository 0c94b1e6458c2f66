"""Whether the mail comes from the domain that it says: SPF, DKIM, DMARC and ARC, asked for all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from filters import dmarc
from filters.api import Case, DnsAnswer, fact
from filters.arc_chain import NO_CHAIN, ArcResult, Chain, judge_chain, read_chain
from filters.authentication_report import Findings
from filters.authentication_results import provider_spf
from filters.dkim_canon import Field, split_fields, value_of
from filters.dkim_tags import BadTags, Signature, parse_signature
from filters.dkim_verify import Bodies, Judged, judge
from filters.origin import Outside, is_public
from filters.sender import header_addresses
from filters.sender_ip import outside_peer, watched_account
from filters.spf_check import SpfResult, check_spf
from gateway.model.address import domain_of
from gateway.model.fact import Fact

MOST_SIGNATURES = 8  # that are looked at, from the top
LIGHT = 128 * 1024  # bytes that are hashed at once; more go to a worker thread

RESULTS = ("pass", "fail", "softfail", "none", "temperror", "permerror")
_LATE = DnsAnswer("failed")
UNJUDGED = SpfResult("none", "", "mailfrom", "client not public")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Signed:
    """The header as signers see it, and the signatures found there; `broken` where the header's form is no good."""

    fields: tuple[Field, ...] = ()
    body: int = 0
    signatures: tuple[tuple[Field, Signature | BadTags], ...] = ()
    left: int = 0
    chain: Chain | ArcResult = NO_CHAIN
    broken: bool = False


class AuthenticationFilter:
    """Finds `spf`, `dkim`, `dmarc`, `arc`, `authenticated`; keeps the DKIM keys as seen, since they change later."""

    name = "authentication"
    facts = (
        fact("spf", "choice", "SPF の結果（RFC 7208）", "the SPF result (RFC 7208)", choices=RESULTS),
        fact("dkim", "choice", "DKIM の結果（RFC 6376）", "the best DKIM result (RFC 6376)", choices=RESULTS),
        fact("dmarc", "choice", "DMARC の結果（RFC 7489）", "the DMARC result (RFC 7489)", choices=RESULTS),
        fact("arc", "choice", "ARC の結果（RFC 8617）", "the ARC result (RFC 8617)", choices=RESULTS),
        fact(
            "authenticated",
            "yes/no",
            "From のドメインから送られたと確認できたか（SPF または DKIM）",
            "whether SPF or DKIM shows that the mail comes from the From domain",
        ),
    )
    needs: tuple[str, ...] = ()
    waits = True

    async def find(self, case: Case) -> Mapping[str, Fact]:
        """All facts (`arc` where asked for), within `settings.dns.budget` seconds; what is late counts as temperror."""
        deadline = asyncio.get_running_loop().time() + case.settings.dns.budget
        client = outside_peer(case)
        from_domain = _from_domain(case)
        signed = _read(case)
        said = _said_by_provider(case, client)
        judged_client = said is not None or (bool(client.ip) and is_public(client.ip))
        if judged_client or signed.signatures:
            if not dmarc.suffixes_loaded():
                await case.lookups.in_thread(dmarc.load_suffixes)
            spf, (dkim, arc), policy = await asyncio.gather(
                _spf(case, client if judged_client else None, deadline, said),
                _signatures(case, signed, deadline),
                _policy(case, from_domain, deadline),
            )
        else:  # nothing could pass
            spf, dkim, policy = UNJUDGED, [], "none"
            arc = (await _signatures(case, signed, deadline))[1]
        found = Findings(
            client=client,
            from_domain=from_domain,
            spf=spf,
            dkim=dkim,
            arc=arc,
            policy=policy,
            judgement=_judge(from_domain, spf, dkim, policy),
            judged_client=judged_client,
            broken=signed.broken,
            left=signed.left,
        )
        case.evidence.update(found.evidence())
        facts = found.facts()
        return facts if "arc" in case.wanted else {key: value for key, value in facts.items() if key != "arc"}


def _from_domain(case: Case) -> str:
    """The domain of From; "" where there are several or none (RFC 7489 §6.6.1)."""
    if len(case.message.headers.raw("from")) != 1:
        return ""
    domains = {domain_of(address) for address in header_addresses(case.message, "from")}
    domain = domains.pop() if len(domains) == 1 else ""
    return domain if domain.isascii() and "." in domain else ""


def _read(case: Case) -> _Signed:
    """The signatures in the header, at most `MOST_SIGNATURES`."""
    headers = case.message.headers
    chained = "arc" in case.wanted and "arc-seal" in headers
    if "dkim-signature" not in headers and not chained:
        return _Signed()
    parts = split_fields(case.exchange.raw)
    if parts is None or parts[1] != case.message.body_start:
        # What was signed and what a mail program shows would not be the same header.
        return _Signed(broken=True)
    fields, body = parts
    found = [field for field in fields if field[0] == "dkim-signature"]
    return _Signed(
        fields,
        body,
        tuple((field, _signature(field)) for field in found[:MOST_SIGNATURES]),
        max(0, len(found) - MOST_SIGNATURES),
        read_chain(fields) if chained else NO_CHAIN,
    )


def _signature(field: Field) -> Signature | BadTags:
    try:
        return parse_signature(value_of(field))
    except BadTags as bad:
        return bad


async def _within(deadline: float, work: Awaitable[T], late: T) -> T:
    """What `work` gives, or `late` at the deadline."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError:
        return late


def _said_by_provider(case: Case, client: Outside) -> SpfResult | None:
    """In a mailbox: the SPF result of the provider that the settings name; every other one is the sender's word."""
    account = watched_account(case)
    if account is None or not account.authentication_results_from:
        return None
    said = provider_spf(case.message, account.authentication_results_from, max(1, client.below))
    if said is not None and said.identity == "mailfrom" and said.domain != domain_of(case.exchange.envelope.mail_from):
        return None  # about another envelope sender than the one that an answer would go to
    return said


async def _spf(case: Case, client: Outside | None, deadline: float, said: SpfResult | None) -> SpfResult:
    if said is not None:
        return said
    if client is None:
        return UNJUDGED
    mail_from = case.exchange.envelope.mail_from
    late = SpfResult("temperror", domain_of(mail_from), "mailfrom", "not found out in time")
    return await _within(deadline, check_spf(case.lookups.dns, client.ip, mail_from, client.helo), late)


async def _policy(case: Case, from_domain: str, deadline: float) -> dmarc.Policy | str:
    if not from_domain:
        return "permerror"
    return await _within(deadline, dmarc.find_policy(case.lookups.dns, from_domain), "temperror")


async def _signatures(case: Case, signed: _Signed, deadline: float) -> tuple[list[Judged], ArcResult]:
    """Every signature and the chain judged, with the keys asked for all at once."""
    names = [s.key_name for _, s in signed.signatures if isinstance(s, Signature)]
    if isinstance(signed.chain, Chain):
        names += signed.chain.key_names
    unique = tuple(dict.fromkeys(names))
    answers = dict(zip(unique, await asyncio.gather(*(_key(case, n, deadline) for n in unique)), strict=True))
    arguments = (signed, case.exchange.raw, answers, case.now.timestamp())
    if unique and len(case.exchange.raw) > LIGHT:
        return await case.lookups.in_thread(_judge_all, *arguments)
    return _judge_all(*arguments)


async def _key(case: Case, name: str, deadline: float) -> DnsAnswer:
    return await _within(deadline, case.lookups.dns.query(name, "TXT"), _LATE)


def _judge_all(
    signed: _Signed, raw: bytes, answers: Mapping[str, DnsAnswer], now: float
) -> tuple[list[Judged], ArcResult]:
    bodies = Bodies(raw, signed.body)
    dkim = [
        Judged("", "", "permerror", str(signature))
        if isinstance(signature, BadTags)
        else judge(signature, field, signed.fields, bodies, answers[signature.key_name], now)
        for field, signature in signed.signatures
    ]
    if isinstance(signed.chain, ArcResult):
        return dkim, signed.chain
    return dkim, judge_chain(signed.chain, signed.fields, bodies, answers, now)


def _judge(from_domain: str, spf: SpfResult, dkim: Sequence[Judged], policy: dmarc.Policy | str) -> dmarc.Judgement:
    if not from_domain:
        return dmarc.Judgement("permerror", False)
    passed = [j.domain for j in dkim if j.result == "pass"]
    unsure = [j.domain for j in dkim if j.result == "temperror"]
    if spf.result == "temperror":
        return dmarc.judge(from_domain, policy, dkim=passed, spf_unsure=spf.domain, dkim_unsure=unsure)
    judgement = dmarc.judge(
        from_domain, policy, dkim=passed, spf=spf.domain if spf.result == "pass" else "", dkim_unsure=unsure
    )
    if spf.result == "pass" and not spf.proves:
        # By its own rules DMARC passes; that the mail comes from there is not shown by that.
        alone = dmarc.judge(from_domain, policy, dkim=passed, dkim_unsure=unsure)
        return replace(judgement, authenticated=alone.authenticated, by=alone.by)
    return judgement
