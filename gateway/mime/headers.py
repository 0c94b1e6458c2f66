"""The header section of a message or a part: fields in order, raw and decoded (RFC 5322 §2.2)."""

from __future__ import annotations

from typing import Final

from gateway.mime import carriers, limits, words

_NAME: Final = frozenset(range(33, 127)) - {ord(":")}
_NAME_BYTES: Final = bytes(sorted(_NAME))


class Headers:
    """Fields by name; names are lower-case, values are raw bytes without surrounding blanks, folds as sent."""

    __slots__ = ("_carrier", "_decoded", "_index", "fields")

    def __init__(self, fields: tuple[tuple[str, bytes], ...]) -> None:
        self._carrier: str | None = None
        self.fields = fields
        self._index: dict[str, list[bytes]] = {}
        for name, value in fields:
            self._index.setdefault(name, []).append(value)
        self._decoded: dict[str, tuple[str, ...]] = {}

    @property
    def carrier(self) -> str:
        """The mobile carrier on whose phone the message was written, "" for none (`carriers.of_mail`)."""
        if self._carrier is None:
            self._carrier = carriers.of_mail(self._index)
        return self._carrier

    def get(self, name: str) -> str | None:
        """The first field of this name, decoded; None where there is none."""
        values = self.all(name)
        return values[0] if values else None

    def all(self, name: str) -> tuple[str, ...]:
        """Every field of this name, decoded, in order."""
        name = name.lower()
        found = self._decoded.get(name)
        if found is None:
            found = tuple(words.decode_value(value, self.carrier) for value in self._index.get(name, ()))
            self._decoded[name] = found
        return found

    def raw(self, name: str) -> tuple[bytes, ...]:
        """Every field of this name as sent."""
        return tuple(self._index.get(name.lower(), ()))

    def __contains__(self, name: object) -> bool:
        return name in self._index


def parse_headers(raw: bytes, start: int = 0, end: int | None = None) -> tuple[Headers, int]:
    """The header section that begins at `start`, and the offset where the body begins.

    A line that is no field ends the section, as in most mail programs; lines such as `From sender date` that mailbox
    files put on top are left out. Raises `MimeLimit` beyond `limits.HEADER_FIELDS` or `limits.HEADER_BYTES`.
    """
    stop = len(raw) if end is None else end
    fields: list[tuple[str, bytes]] = []
    name, value_from, value_to = "", 0, 0
    at = start
    while at < stop:
        if len(fields) > limits.HEADER_FIELDS or at - start > limits.HEADER_BYTES:
            raise limits.beyond("ヘッダー", "header fields")
        newline = raw.find(b"\n", at, stop)
        after = stop if newline < 0 else newline + 1
        first = raw[at]
        if first in (0x20, 0x09):
            if name:
                value_to = after
                at = after
                continue
            if not raw[at:after].strip():
                break
        if name:
            fields.append((name, raw[value_from:value_to].strip()))
            name = ""
        if first == 0x0A or (first == 0x0D and raw[at:after] == b"\r\n"):
            at = after
            break
        colon = raw.find(b":", at, after)
        label = raw[at:colon].rstrip(b" \t") if colon > at else b""
        if not label or label.translate(None, _NAME_BYTES):
            if raw.startswith((b"From ", b">From "), at):
                at = after
                continue
            break
        name = label.decode("ascii").lower()
        value_from, value_to = colon + 1, after
        at = after
    if name:
        fields.append((name, raw[value_from:value_to].strip()))
    return Headers(tuple(fields)), at
