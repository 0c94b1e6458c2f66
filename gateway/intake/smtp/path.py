"""Reading the argument of MAIL and RCPT: the path as the peer wrote it, and the parameters (RFC 5321 §4.1.1.11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.model import smtp_reply as table
from gateway.model.smtp_reply import SmtpReply

LONGEST = 512  # characters of an address; RFC 5321 wants 256 at least, VERP senders use them up

# Wider than RFC 5321: dots anywhere in the local part, as Japanese carriers hand them out, and any non-ASCII letter.
_LOCAL = r"""(?:[^\x00-\x20\x7f<>()\[\]\\,;:@"\ud800-\udfff]|"(?:[^"\\\x00-\x1f\x7f\ud800-\udfff]|\\[\x20-\x7e])*")+"""
_DOMAIN = r"""(?:[^\x00-\x20\x7f<>()\[\]\\,;:@"\ud800-\udfff]+|\[[^\[\]\\<>@"\x00-\x20\x7f-\U0010ffff]+\])"""
_PATH = re.compile(rf"<(?:@[^\s<>:]*:)?(?P<address>{_LOCAL}@{_DOMAIN})?>(?=\s|$)")
_BARE = re.compile(rf"(?P<address>{_LOCAL}@{_DOMAIN})(?=\s|$)")
_POSTMASTER = re.compile(r"<?(?P<address>postmaster)>?(?=\s|$)", re.IGNORECASE)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?")


class Unusable(Exception):
    """What the peer wrote cannot be taken; `reply` says so."""

    def __init__(self, reply: SmtpReply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Path:
    """An address exactly as written, quotes included ("" for `<>`), and the parameters by upper-case name."""

    address: str
    parameters: Mapping[str, str | None]


def parse_path(argument: str, keyword: str, syntax: SmtpReply, malformed: SmtpReply) -> Path:
    """The path after `keyword` (`FROM:` or `TO:`). `argument` was decoded with surrogateescape.

    Raises Unusable with `syntax`, with `malformed` for the address, or with the reply that fits the parameters.
    """
    if argument[: len(keyword)].upper() != keyword:
        raise Unusable(syntax)
    text = argument[len(keyword) :].strip()
    if not text:
        raise Unusable(syntax)
    match = _PATH.match(text) if text[0] == "<" else _BARE.match(text)
    if match is None and keyword == "TO:":
        match = _POSTMASTER.match(text)  # the one address without a domain (RFC 5321 §4.1.1.3)
    if match is None or match.end("address") - match.start("address") > LONGEST:
        raise Unusable(malformed)
    rest = text[match.end() :]
    return Path(match["address"] or "", _parameters(rest) if rest else {})


def _parameters(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None or match[1].upper() in found:
            raise Unusable(table.PARAMETER)
        found[match[1].upper()] = match[2]
    return found


@dataclass(frozen=True, slots=True)
class MailParameters:
    """The parameters of MAIL that are supported: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531)."""

    size: int = 0
    smtputf8: bool = False


_NONE = MailParameters()


def mail_parameters(given: Mapping[str, str | None]) -> MailParameters:
    """The parameters of MAIL as values; raises Unusable on one that is malformed or not supported."""
    if not given:
        return _NONE
    size = 0
    for name, value in given.items():
        if name == "SIZE":
            if value is None or not (value.isascii() and value.isdigit()) or len(value) > 20:
                raise Unusable(table.PARAMETER)
            size = int(value)
        elif name == "BODY":
            if value is None:
                raise Unusable(table.PARAMETER)
            if value.upper() not in ("7BIT", "8BITMIME"):
                raise Unusable(table.UNSUPPORTED_PARAMETER)
        elif name == "SMTPUTF8":
            if value is not None:
                raise Unusable(table.PARAMETER)
        else:  # RET and ENVID (RFC 3461) among them: no DSN is offered
            raise Unusable(table.UNSUPPORTED_PARAMETER)
    return MailParameters(size, "SMTPUTF8" in given)
