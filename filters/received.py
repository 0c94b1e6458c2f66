"""`Received` header fields (RFC 5321 §4.4) as hops: who handed the message to whom; bounded and linear."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model.network import canonical_ip, parse_ip

# Longer fields and more of them are never looked at: what stands there is the sender's word anyway.
LONGEST = 2000
MOST = 50
_CLAUSES = frozenset({"from", "by", "via", "with", "id", "for"})


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop: the client's IP as its receiver saw it, the name it greeted with, the receiver's name, `via`, `with`."""

    ip: str  # "" where none is named
    helo: str
    by: str
    via: str = ""
    protocol: str = ""


def parse_received(value: bytes) -> Hop:
    """The hop that a field value describes; what it does not say is "".

    The IP that the receiving server noted in a comment comes before a literal in the client's own greeting: anybody can
    greet as `[192.0.2.1]`.
    """
    words: list[str] = []  # outside comments
    comments: list[str] = []  # of the from clause
    clauses: dict[str, list[str]] = {}
    clause = ""
    for token, is_comment in _tokens(value[:LONGEST].decode("latin-1")):
        if is_comment:
            if clause == "from":
                comments.append(token)
        elif token.lower() in _CLAUSES and token.lower() not in clauses:
            clause = token.lower()
            clauses[clause] = words = []
        else:
            words.append(token)
    from_words = clauses.get("from", [])
    noted = next((ip for comment in comments if (ip := _noted_ip(comment))), "")
    literal = next((ip for word in from_words if (ip := _literal(word))), "")
    helo = next((name for comment in comments if (name := _noted_helo(comment))), _first(from_words))
    greeted = helo.strip("[]").rstrip(".").lower()
    by, via, protocol = (_first(clauses.get(name, [])) for name in ("by", "via", "with"))
    return Hop(noted or literal, greeted, by, via, protocol)


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Words and whole top-level comments up to the date; each character is looked at once."""
    found: list[tuple[str, bool]] = []
    depth = start = 0
    word = -1
    for at, char in enumerate(text):
        if char == "(":
            if depth == 0:
                if word >= 0:
                    found.append((text[word:at], False))
                    word = -1
                start = at + 1
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            if depth == 0:
                found.append((text[start:at], True))
        elif depth == 0 and (char.isspace() or char == ";"):
            if word >= 0:
                found.append((text[word:at], False))
                word = -1
            if char == ";":
                return found
        elif depth == 0 and word < 0:
            word = at
    if word >= 0 and depth == 0:
        found.append((text[word:], False))
    return found


def _noted_ip(comment: str) -> str:
    """The IP in the receiver's comment, unless it is only the greeting repeated (`HELO [192.0.2.1]`, `helo=[…]`)."""
    lowered = comment.lower()
    if lowered.startswith(("helo ", "ehlo ")):
        return ""
    for part in comment.split():
        if "helo=" in part.lower() or "port=" in part.lower():
            continue
        if ip := _literal(part.strip(",")):
            return ip
    return ""


def _noted_helo(comment: str) -> str:
    for part in comment.split():
        if part.lower().startswith("helo="):
            return part[5:]
    words = comment.split()
    return words[1] if len(words) > 1 and words[0].lower() in {"helo", "ehlo"} else ""


def _literal(word: str) -> str:
    """The canonical IP of `192.0.2.1`, `[192.0.2.1:25]`, `[IPv6:2001:db8::1]` or `host[192.0.2.1]`, else ""."""
    _, bracket, inner = word.rpartition("[")
    text = (inner.partition("]")[0] if bracket else word).strip("()")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    if text.count(":") == 1:
        text = text.partition(":")[0]  # with a port
    if not 2 <= len(text) <= 45 or parse_ip(text) is None:
        return ""
    return canonical_ip(text)


def _first(words: list[str]) -> str:
    return words[0].lower() if words else ""
