"""The ARC chain of a message: sets in order, every seal and the newest message signature (RFC 8617 §5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from filters.dkim_canon import Field, canonical_field, value_of, without_signature
from filters.dkim_tags import BadTags, Signature, field_tags, from_base64, parse_signature, required, signer
from filters.dkim_verify import Bodies, first_key, judge, valid
from gateway.model.lookup import DnsAnswer

MOST_SETS = 20  # RFC 8617 §4.2.1 allows 50; real chains have a handful, and each may cost a DNS question
_RESULTS, _MESSAGE, _SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"


@dataclass(frozen=True, slots=True)
class Seal:
    """One ARC-Seal: who sealed, with which key, and what it says about the chain before it."""

    domain: str
    selector: str
    algorithm: str
    signature: bytes
    claims: str  # cv=: none, pass or fail

    @property
    def key_name(self) -> str:
        """Where the public key stands in the DNS."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain whose form is right; `sets` from the oldest to the newest, each (results, message signature, seal)."""

    sets: tuple[tuple[Field, Field, Field], ...]
    seals: tuple[Seal, ...]
    newest: Signature

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of all keys that the verification asks for."""
        return tuple(dict.fromkeys([self.newest.key_name, *(seal.key_name for seal in self.seals)]))


@dataclass(frozen=True, slots=True)
class ArcResult:
    """pass, fail, none or temperror, why, and the domains that sealed, oldest first."""

    result: str
    reason: str = ""
    sealers: tuple[str, ...] = ()


NO_CHAIN = ArcResult("none")


def read_chain(fields: Sequence[Field]) -> Chain | ArcResult:
    """The chain in the header, or the result where there is none or its form is wrong."""
    if not any(field[0] in (_RESULTS, _MESSAGE, _SEAL) for field in fields):
        return NO_CHAIN
    try:
        return _chain(fields)
    except BadTags as bad:
        return ArcResult("fail", str(bad))


def _chain(fields: Sequence[Field]) -> Chain:
    held: dict[str, dict[int, Field]] = {_RESULTS: {}, _MESSAGE: {}, _SEAL: {}}
    for field in fields:
        if field[0] in held:
            instance = _instance(field)
            if instance in held[field[0]]:
                raise BadTags("a set twice")
            held[field[0]][instance] = field
    numbers = range(1, len(held[_SEAL]) + 1)
    if not numbers or any(set(part) != set(numbers) for part in held.values()):
        raise BadTags("sets incomplete")
    sets = tuple((held[_RESULTS][i], held[_MESSAGE][i], held[_SEAL][i]) for i in numbers)
    seals = tuple(_seal(parts[2]) for parts in sets)
    if any(seal.claims != ("pass" if i else "none") for i, seal in enumerate(seals)):
        raise BadTags("a seal says that the chain was broken")
    return Chain(sets, seals, parse_signature(value_of(sets[-1][1]), arc=True))


def judge_chain(
    chain: Chain, fields: Sequence[Field], bodies: Bodies, answers: Mapping[str, DnsAnswer], now: float
) -> ArcResult:
    """The verdict on a chain, given the answers for `chain.key_names`."""
    sealers = tuple(seal.domain for seal in chain.seals)
    if any(answers[name].status == "failed" for name in chain.key_names):
        return ArcResult("temperror", "key not found out", sealers)
    for number in range(len(chain.sets), 0, -1):
        seal = chain.seals[number - 1]
        key, _ = first_key(answers[seal.key_name])
        if isinstance(key, BadTags):
            return ArcResult("fail", f"seal {number}: {key}", sealers)
        if not valid(key.key, seal.algorithm, seal.signature, _sealed(chain.sets[:number])):
            return ArcResult("fail", f"seal {number} does not fit", sealers)
    newest = judge(chain.newest, chain.sets[-1][1], fields, bodies, answers[chain.newest.key_name], now)
    if newest.result != "pass":
        return ArcResult("fail", newest.reason, sealers)
    return ArcResult("pass", "", sealers)


def _sealed(sets: Sequence[tuple[Field, Field, Field]]) -> bytes:
    """What the seal of the last of these sets signs (RFC 8617 §5.1.1)."""
    parts = [canonical_field(field, True) for triple in sets for field in triple]
    parts[-1] = canonical_field(without_signature(sets[-1][2]), True).removesuffix(b"\r\n")
    return b"".join(parts)


def _instance(field: Field) -> int:
    """The i= of a field; that of ARC-Authentication-Results stands first, and what follows is no tag list."""
    value = value_of(field)
    text = value.partition(b";")[0].partition(b"=")
    if field[0] == _RESULTS:
        name, number = text[0].strip().decode("latin-1"), text[2].strip().decode("latin-1")
    else:
        name, number = "i", required(field_tags(value), "i")
    if (
        name != "i"
        or not (number.isascii() and number.isdigit())
        or len(number) > 2
        or not 1 <= int(number) <= MOST_SETS
    ):
        raise BadTags("i= out of range")
    return int(number)


def _seal(field: Field) -> Seal:
    tags = field_tags(value_of(field))
    if "h" in tags:
        raise BadTags("h= in a seal")
    domain, selector, algorithm = signer(tags)
    return Seal(domain, selector, algorithm, from_base64(required(tags, "b")), required(tags, "cv").lower())
