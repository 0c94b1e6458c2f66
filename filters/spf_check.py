"""SPF by pyspf, fed with answers from the asynchronous resolver (RFC 7208)."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import spf

from filters.api import Dns
from gateway.model.address import fold_domain
from gateway.model.lookup import DnsAnswer

LONGEST_RECORD = 4096  # characters; RFC 7208 §3.4 asks for 512 octets
LONGEST_TERM = 256  # a longer mechanism names nothing, and costs the library's patterns quadratic time
MOST_QUESTIONS = 120  # 10 mechanisms with 10 exchanges or names each, and the records themselves
MOST_WORK = 0.2  # seconds of computing for one message

_EVERYBODY = re.compile(r"\+?(all|\S+/[0-7])", re.IGNORECASE)
_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")


@dataclass(frozen=True, slots=True)
class SpfResult:
    """A result of RFC 7208 §2.6, the domain that was judged, and whether that was MAIL FROM or HELO."""

    result: str
    domain: str
    identity: str  # mailfrom | helo
    reason: str = ""  # the mechanism that matched, or what went wrong

    @property
    def proves(self) -> bool:
        """Whether a pass says anything about the client: `+all` and its like let everybody pass."""
        return self.result == "pass" and not _EVERYBODY.fullmatch(self.reason)


class _Missing(Exception):
    """A question that has not been asked yet."""

    def __init__(self, key: tuple[str, str]) -> None:
        super().__init__(key)
        self.key = key


async def check_spf(dns: Dns, ip: str, mail_from: str, helo: str) -> SpfResult:
    """Whether `ip` may send for the domain of `mail_from`, or of `helo` where the reverse-path is null (§2.4).

    The library is synchronous. It runs on the answers found so far; where one is missing it stops, the question is
    asked, and it runs again from the start (some 30 µs), so no thread ever waits for DNS and no global is touched.
    """
    local, _, domain = mail_from.rpartition("@")
    identity = "mailfrom" if domain else "helo"
    domain = fold_domain(domain or helo)
    if not _DOMAIN.fullmatch(domain) or len(domain) > 253:
        return SpfResult("none", domain, identity, "no domain to ask about")
    answers: dict[tuple[str, str], DnsAnswer] = {}
    spent = 0.0
    while len(answers) < MOST_QUESTIONS and spent < MOST_WORK:
        started = time.thread_time()
        check = _Check(ip, f"{local or 'postmaster'}@{domain}", helo, answers)
        try:
            result, _, _ = check.check()
            return SpfResult(result, domain, identity, getattr(check, "prob", "") or check.mechanism or "")
        except _Missing as missing:
            key = missing.key
        except Exception as error:
            # Records are written by strangers; where the library stumbles over one, it is not a valid record.
            return SpfResult("permerror", domain, identity, type(error).__name__)
        finally:
            spent += time.thread_time() - started
        answers[key] = await dns.query(*key)
    return SpfResult("permerror", domain, identity, "too costly")


class _Check(spf.query):  # type: ignore[misc]
    """One run of the library, whose only DNS is the answers given."""

    def __init__(self, ip: str, sender: str, helo: str, answers: dict[tuple[str, str], DnsAnswer]) -> None:
        super().__init__(i=ip, s=sender, h=helo, receiver="unknown")
        self.answers = answers

    def dns(self, name: str, qtype: str, cnames: object = None, ignore_void: bool = False) -> list[Any]:
        """Records in the library's form; the resolver has followed aliases already."""
        key = (str(name).lower().removesuffix("."), qtype)
        if any(not 0 < len(label) < 64 for label in key[0].split(".")):
            return []  # no such name can exist (RFC 7208 §4.3); nothing was looked up
        answer = self.answers.get(key)
        if answer is None:
            raise _Missing(key)
        if answer.status == "failed":
            raise spf.TempError("DNS gave no answer")
        records = [_record(qtype, text) for text in answer.records]
        if not records and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"Void lookup limit of {spf.MAX_VOID_LOOKUPS} exceeded")
        return records


def _record(qtype: str, text: str) -> Any:
    if qtype == "TXT":
        if text[:7].lower() == "v=spf1 " and (
            len(text) > LONGEST_RECORD or any(len(term) > LONGEST_TERM for term in text.split(" "))
        ):
            raise spf.PermError("record too long")
        return (text.encode("latin-1"),)
    if qtype == "MX":
        preference, _, exchange = text.partition(" ")
        return (int(preference), exchange)
    return text
