"""DMARC: the policy of the From domain, and whose pass counts for it (RFC 7489 §3.1, §6.6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from filters.api import Dns
from filters.dkim_tags import BadTags, parse_tags

LONGEST_RECORD = 4096


@dataclass(frozen=True, slots=True)
class Policy:
    """A DMARC record as it applies to a From domain: `policy` is p, or sp where it was found at the parent's."""

    found_at: str
    policy: str  # none | quarantine | reject
    strict_dkim: bool = False
    strict_spf: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The DMARC result, whether the From domain is authenticated (None: a failed look-up may hide it), and by whom."""

    result: str  # pass | fail | none | temperror
    authenticated: bool | None
    by: str = ""  # the aligned domain


@lru_cache(maxsize=1)
def load_suffixes() -> PublicSuffixList:
    """The public suffix list; the first call takes some 70 ms."""
    return PublicSuffixList()


def suffixes_loaded() -> bool:
    """Whether the list is in memory already."""
    return load_suffixes.cache_info().currsize > 0


@lru_cache(maxsize=8192)
def organizational_domain(domain: str) -> str:
    """The domain one label below the public suffix (RFC 7489 §3.2); the domain itself where it is a suffix."""
    found: str | None = load_suffixes().privatesuffix(domain)
    return found or domain


def aligned(domain: str, from_domain: str, strict: bool) -> bool:
    """Whether an authenticated domain speaks for the From domain (RFC 7489 §3.1.1, §3.1.2)."""
    return domain == from_domain or (
        not strict and bool(domain) and organizational_domain(domain) == organizational_domain(from_domain)
    )


def judge(
    from_domain: str,
    policy: Policy | str,
    *,
    spf: str = "",
    dkim: Sequence[str] = (),
    spf_unsure: str = "",
    dkim_unsure: Sequence[str] = (),
) -> Judgement:
    """The judgement, given the domains that passed and those whose check failed for a while.

    Without a policy, alignment is relaxed. Where the policy itself could not be found out, only the same domain is
    surely aligned.
    """
    strict_spf = strict_dkim = policy == "temperror"
    if isinstance(policy, Policy):
        strict_spf, strict_dkim = policy.strict_spf, policy.strict_dkim
    passed = [d for d in dkim if aligned(d, from_domain, strict_dkim)]
    if spf and aligned(spf, from_domain, strict_spf):
        passed.append(spf)
    maybe = any(aligned(d, from_domain, strict_dkim) for d in dkim_unsure)
    maybe = maybe or bool(spf_unsure and aligned(spf_unsure, from_domain, strict_spf))
    if policy == "temperror":
        maybe = maybe or any(aligned(d, from_domain, False) for d in (*dkim, *dkim_unsure, spf, spf_unsure))
    authenticated = True if passed else None if maybe else False
    if isinstance(policy, str):
        return Judgement(policy, authenticated, passed[0] if passed else "")
    result = "pass" if passed else "temperror" if maybe else "fail"
    return Judgement(result, authenticated, passed[0] if passed else "")


async def find_policy(dns: Dns, from_domain: str) -> Policy | str:
    """The policy for a From domain, else "none" (no usable record) or "temperror" (DNS gave no answer)."""
    for domain in dict.fromkeys((from_domain, organizational_domain(from_domain))):
        answer = await dns.query(f"_dmarc.{domain}", "TXT")
        if answer.status == "failed":
            return "temperror"
        records = [r for r in answer.records if _is_dmarc(r)]
        if len(records) > 1:
            return "none"  # RFC 7489 §6.6.3, 5
        if records:
            return _policy(records[0], domain, from_domain) or "none"
    return "none"


def _is_dmarc(record: str) -> bool:
    version, _, _ = record[:64].partition(";")
    name, _, value = version.partition("=")
    return name.strip() == "v" and value.strip() == "DMARC1"


def _policy(record: str, found_at: str, from_domain: str) -> Policy | None:
    try:
        tags = parse_tags(record[:LONGEST_RECORD])
    except BadTags:
        return None
    wanted = tags.get("p", "").lower()
    if found_at != from_domain:
        wanted = tags.get("sp", wanted).lower()
    if wanted not in ("none", "quarantine", "reject"):
        if not tags.get("rua"):
            return None
        wanted = "none"  # RFC 7489 §6.6.3, 6: whoever wants reports has a policy
    return Policy(found_at, wanted, tags.get("adkim", "").lower() == "s", tags.get("aspf", "").lower() == "s")
