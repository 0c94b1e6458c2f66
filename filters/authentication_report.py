"""What the checks of a message's origin found, told as facts with notes and as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from filters import authentication_texts as texts
from filters.arc_chain import ArcResult
from filters.dkim_verify import Judged
from filters.dmarc import Judgement, Policy
from filters.origin import Outside
from filters.spf_check import SpfResult
from gateway.model.fact import Fact, unknown
from gateway.text import Text

_BEST_FIRST = ("pass", "temperror", "fail", "permerror", "none")


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that was found out; `broken`: the header is malformed; `left`: signatures not looked at."""

    client: Outside
    from_domain: str  # "" where From names none or several
    spf: SpfResult
    dkim: Sequence[Judged]
    arc: ArcResult
    policy: Policy | str
    judgement: Judgement
    judged_client: bool
    broken: bool = False
    left: int = 0

    def facts(self) -> dict[str, Fact]:
        """The five facts."""
        return {
            "spf": self._spf(),
            "dkim": self._dkim(),
            "dmarc": self._dmarc(),
            "arc": self._arc(),
            "authenticated": self._authenticated(),
        }

    def _spf(self) -> Fact:
        spf, ip = self.spf, self.client.ip
        if not self.judged_client:
            return Fact("none", texts.LOCAL_CLIENT.with_(ip=ip) if ip else texts.NO_CLIENT)
        if spf.result == "neutral":  # RFC 7208 §8.2: to be treated exactly like none
            return Fact("none", texts.SPF_NEUTRAL.with_(domain=spf.domain, ip=ip))
        if spf.result == "pass" and not spf.proves:
            return Fact("pass", texts.SPF_EVERYBODY.with_(domain=spf.domain, mechanism=spf.reason))
        identity = "HELO" if spf.identity == "helo" else "MAIL FROM"
        note = texts.SPF_CLIENT.with_(domain=spf.domain, identity=identity, ip=ip, why=texts.why(spf.reason))
        return Fact(spf.result, note)

    def _dkim(self) -> Fact:
        if self.broken:
            return Fact("permerror", texts.BAD_HEADER)
        if not self.dkim:
            return Fact("none", texts.NO_SIGNATURE)
        notes = [_signature_note(judged) for judged in self.dkim]
        if self.left:
            notes.append(texts.MANY_SIGNATURES.with_(left=self.left))
        return Fact(min((j.result for j in self.dkim), key=_BEST_FIRST.index), texts.joined(notes))

    def _dmarc(self) -> Fact:
        domain, policy, result = self.from_domain, self.policy, self.judgement.result
        if not domain:
            return Fact("permerror", texts.MANY_FROM)
        if policy == "temperror":
            return Fact("temperror", texts.POLICY_FAILED.with_(domain=domain))
        if not self.judged_client and result != "pass":
            return Fact("none", texts.UNJUDGED)
        if isinstance(policy, Policy):
            return Fact(result, texts.POLICY.with_(domain=policy.found_at, policy=policy.policy))
        return Fact("none", texts.NO_POLICY.with_(domain=domain))

    def _arc(self) -> Fact:
        if self.arc.result == "none":
            return Fact("none", texts.NO_ARC)
        reason, sealers = texts.why(self.arc.reason), ", ".join(self.arc.sealers)
        return Fact(self.arc.result, texts.SEALED_BY.with_(sealers=sealers, why=reason) if sealers else reason)

    def _authenticated(self) -> Fact:
        if not self.from_domain:
            return Fact(False, texts.MANY_FROM)
        if self.judgement.authenticated is None:
            return unknown(texts.UNSURE.with_(domain=self.from_domain))
        if self.judgement.authenticated:
            return Fact(True, texts.PROVEN.with_(domain=self.judgement.by))
        return Fact(False, texts.UNPROVEN.with_(domain=self.from_domain))

    def evidence(self) -> dict[str, object]:
        """What the record holds, as JSON: the results, and the keys as the DNS gave them at receipt."""
        spf, policy = self.spf, self.policy
        kept: dict[str, object] = {
            "client": self.client.ip,
            "helo": self.client.helo,
            "from": self.from_domain,
            "spf": {"result": spf.result, "domain": spf.domain, "identity": spf.identity, "reason": spf.reason},
            "dmarc": {
                "result": str(self._dmarc().value),
                "aligned": self.judgement.by,
                "found_at": policy.found_at if isinstance(policy, Policy) else "",
                "policy": policy.policy if isinstance(policy, Policy) else "",
            },
        }
        if self.dkim:
            kept["dkim"] = [
                {"domain": j.domain, "selector": j.selector, "result": j.result, "reason": j.reason} for j in self.dkim
            ]
        if self.arc.result != "none":
            kept["arc"] = {
                "result": self.arc.result,
                "reason": self.arc.reason,
                "sealers": list(self.arc.sealers),
            }
        keys = [
            {
                "domain": j.domain,
                "selector": j.selector,
                "name": f"{j.selector}._domainkey.{j.domain}",
                "record": j.record,
                "result": j.result,
            }
            for j in self.dkim
            if j.record
        ]
        return {"authentication": kept, **({"dkim_keys": keys} if keys else {})}


def _signature_note(judged: Judged) -> Text:
    who = f"{judged.domain} s={judged.selector}: " if judged.domain else ""
    return Text("{said}{why}", "{said}{why}").with_(said=f"{who}{judged.result}", why=texts.why(judged.reason))
