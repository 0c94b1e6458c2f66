"""Address lists of header fields (RFC 5322 §3.4), in one pass over whatever was sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.mime import limits, words

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|\\.|[(),;<>]|[^"\\(),;<>]+', re.DOTALL)
_COLON: Final = re.compile(r"^[^@:\"]*:")
_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name, decoded, and an address as written, which may be no valid one."""

    name: str
    address: str


def parse_addresses(value: bytes, carrier: str = "") -> tuple[Mailbox, ...]:
    """The mailboxes of a raw field value, groups flattened, at most `limits.ADDRESSES`. Never raises; linear time.

    Takes what carriers and customers send: `a..b@docomo.ne.jp`, raw JIS and encoded names, commas in unquoted names,
    missing brackets. `carrier` as in `charset.decode`.
    """
    return _Scan(words.text_of(value, carrier), carrier).run()


class _Scan:
    def __init__(self, text: str, carrier: str) -> None:
        self.text = text
        self.carrier = carrier
        self.found: list[Mailbox] = []
        self.names: list[str] = []  # pieces outside brackets
        self.comments: list[str] = []
        self.angle: list[str] | None = None
        self.address: str | None = None
        self.at_sign = False  # in `names`, or in `angle` while a bracket is open

    def run(self) -> tuple[Mailbox, ...]:
        depth = 0
        for token in _TOKEN.finditer(self.text):
            piece = token.group()
            if depth:
                depth += (piece == "(") - (piece == ")")
                if depth:
                    self.comments.append(piece)
                continue
            if piece == "(":
                depth = 1
            elif self.angle is not None:
                self._in_angle(piece)
            elif piece == "<":
                if self.address is not None:
                    self._end()
                self.angle, self.at_sign = [], False
            elif piece in (",", ";"):
                self._separator(piece)
                if len(self.found) >= limits.ADDRESSES:
                    return tuple(self.found)
            elif piece not in (")", ">"):
                self.names.append(piece)
                self.at_sign = self.at_sign or "@" in piece
        if self.angle is not None:
            self._close_angle()
        self._end()
        return tuple(self.found)

    def _in_angle(self, piece: str) -> None:
        assert self.angle is not None
        if piece == ">":
            self._close_angle()
        elif piece == "<":
            self.names.extend(self.angle)
            self.angle, self.at_sign = [], False
        elif piece == "," and self.at_sign and self.angle[0][:1] != "@":  # else an obsolete route, <@a,@b:c@d>
            self._close_angle()  # the bracket was never closed
            self._end()
        else:
            self.angle.append(piece)
            self.at_sign = self.at_sign or "@" in piece

    def _close_angle(self) -> None:
        inner = "".join(self.angle or ())
        self.angle = None
        if inner.lstrip().startswith("@") and ":" in inner:
            inner = inner.rpartition(":")[2]
        self.address = _clean(inner)

    def _separator(self, piece: str) -> None:
        if self.address is None and piece == "," and self.names and not self.at_sign:
            self.names.append(", ")  # Yamada, Taro <taro@example.jp>
            return
        self._end()

    def _end(self) -> None:
        names, comments, address = "".join(self.names), "".join(self.comments).strip(), self.address
        self.names, self.comments, self.address, self.at_sign = [], [], None, False
        group = _COLON.match(names) if ":" in names and "@" not in names[: names.find(":")] else None
        if group is not None:
            rest = names[group.end() :]
            if address is None or rest.strip() or ";" in self.text:
                names = rest
        names = names.strip().strip(",").strip()
        if address is None:
            if "@" not in names:
                return
            address, names = _bare(names)
        if address:
            self.found.append(Mailbox(_name(names, self.carrier) or _name(comments, self.carrier), address))


def _bare(text: str) -> tuple[str, str]:
    """Address and name out of text without brackets, such as `Taro taro@example.jp`."""
    at = text.rfind("@")
    left = text[:at].rstrip()
    domain = text[at + 1 :].lstrip().split(None, 1)
    if left.endswith('"'):
        start = left[:-1].rfind('"')
        start = max(start, 0)
    else:
        start = left.rfind(" ") + 1
    name = left[:start] + (domain[1] if len(domain) > 1 else "")
    return _clean(left[start:] + "@" + (domain[0] if domain else "")), name


def _clean(address: str) -> str:
    if "=?" in address:
        address = words.decode_words(address)
    local, at, domain = address.strip().rpartition("@")
    if not at:
        return address.strip()
    local = local.strip()
    return f"{local if local.startswith(chr(34)) else _SPACES.sub('', local)}@{_SPACES.sub('', domain)}"


def _name(text: str, carrier: str) -> str:
    text = text.strip()
    if '"' in text:
        text = re.sub(r'"((?:[^"\\]|\\.)*+)"?', lambda m: re.sub(r"\\(.)", r"\1", m[1]), text)
    return _SPACES.sub(" ", words.decode_words(text, carrier)).strip().strip("'\"").strip()
