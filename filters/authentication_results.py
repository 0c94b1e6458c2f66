"""What a provider's Authentication-Results field says about SPF (RFC 8601 §2.2); bounded and linear."""

from __future__ import annotations

import re

from filters.spf_check import SpfResult
from gateway.mime.message import Message
from gateway.model.address import domain_of, fold_domain

MOST = 50  # fields that are looked at
LONGEST = 4000  # bytes of one
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s;="]+)')
_RESULTS = frozenset({"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"})


def provider_spf(message: Message, authserv_id: str, below: int) -> SpfResult | None:
    """The SPF result in the topmost field that bears `authserv_id`; None where none does, or it does not tell.

    `below` is the number of `Received` fields that the provider wrote: what stands under the next one was there before
    the mail reached the provider. That it takes out what strangers write under its own name (RFC 8601 §5) is what the
    shop relies on when it names the provider.
    """
    wanted = fold_domain(authserv_id)
    received = 0
    for name, value in message.headers.fields:
        if name == "received":
            received += 1
            if received > below:
                return None
        elif name == "authentication-results":
            parts = _parts(value[:LONGEST].decode("utf-8", "replace"))
            if parts and parts[0] and fold_domain(parts[0][0]) == wanted:
                return _spf(parts[1:])
    return None


def _spf(parts: list[list[str]]) -> SpfResult | None:
    for words in parts:
        if len(words) < 3 or words[0].lower() not in ("spf", "spf/1") or words[1] != "=":
            continue
        result = words[2].lower()
        if result not in _RESULTS:
            return None
        found = {}
        for place in range(3, len(words) - 2):
            if words[place + 1] == "=":
                found[words[place].lower()] = words[place + 2]
        sender, helo = found.get("smtp.mailfrom", ""), found.get("smtp.helo", "")
        if sender:
            domain = domain_of(sender) or fold_domain(sender.rpartition("@")[2])
            return SpfResult(result, domain, "mailfrom", "Authentication-Results")
        return SpfResult(result, fold_domain(helo), "helo", "Authentication-Results")
    return None


def _parts(text: str) -> list[list[str]]:
    """The field cut at `;` into words, `=` a word of its own; comments are left out."""
    parts: list[list[str]] = [[]]
    at, depth = 0, 0
    while at < len(text):
        char = text[at]
        if depth:
            depth += (char == "(") - (char == ")")
            at += 2 if char == "\\" else 1
        elif char == "(":
            depth, at = 1, at + 1
        elif char == ";":
            parts.append([])
            at += 1
        elif char == "=":
            parts[-1].append("=")
            at += 1
        elif char.isspace():
            at += 1
        else:
            found = _WORD.match(text, at)
            if found is None:
                return parts[:-1]
            word = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2].partition("(")[0]
            parts[-1].append(word)
            at = found.end() if found[1] is not None else at + max(1, len(word))
    return parts
