"""The leaves of a MIME tree, found in one pass over the delimiter lines (RFC 2046 §5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from gateway.mime import charset, limits, transfer, words
from gateway.mime.headers import Headers, parse_headers

_WINDOW: Final = 4 * 1024 * 1024  # bytes searched at a time, so that no single call holds the interpreter for long
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f]+")
_TOKEN: Final = re.compile(r"[^\s;,()]+")


@dataclass(eq=False)
class Part:
    """A leaf: its headers and where its body stands in the raw message. Everything is decoded on demand and kept."""

    raw: bytes = field(repr=False)
    headers: Headers = field(repr=False)
    start: int
    end: int
    alternative: int = 0  # number of the nearest multipart/alternative around it, 0 for none
    digest: bool = False  # in a multipart/digest, where parts are messages unless they say otherwise
    carrier: str = ""  # the mobile carrier on whose phone the message was written

    @cached_property
    def _type(self) -> tuple[str, dict[str, str]]:
        values = self.headers.raw("content-type")
        main, parameters = words.parse_parameters(values[0]) if values else ("", {})
        if "/" not in main:
            main = {"text": "text/plain", "html": "text/html"}.get(
                main, "message/rfc822" if self.digest else "text/plain"
            )
        return main, parameters

    @cached_property
    def _disposition(self) -> tuple[str, dict[str, str]]:
        values = self.headers.raw("content-disposition")
        return words.parse_parameters(values[0]) if values else ("", {})

    @property
    def content_type(self) -> str:
        """The media type in lower case, `text/plain` where none is given (RFC 2045 §5.2)."""
        return self._type[0]

    @property
    def charset(self) -> str:
        """The charset label as sent, "" for none."""
        return self._type[1].get("charset", "")

    def parameter(self, name: str) -> str:
        """A parameter of the Content-Type, decoded, "" for none."""
        return self._type[1].get(name, "")

    @cached_property
    def name(self) -> str:
        """The file name, decoded, without control characters; "" for none (RFC 2183 §2.3)."""
        name = self._disposition[1].get("filename") or self._type[1].get("name", "")
        return _UNSAFE.sub(" ", name).strip()[:1000]

    @cached_property
    def encoding(self) -> str:
        """The content transfer encoding in lower case, "" for none."""
        values = self.headers.raw("content-transfer-encoding")
        found = _TOKEN.search(values[0].decode("latin-1")) if values else None
        return found.group().strip("\"'").lower() if found else ""

    @property
    def size(self) -> int:
        """Bytes of the body as transferred, that is with its encoding."""
        return self.end - self.start

    @property
    def is_attachment(self) -> bool:
        """Whether it is something beside the text: named, marked so, or no text at all."""
        return self._disposition[0] == "attachment" or bool(self.name) or not self.content_type.startswith("text/")

    @property
    def set_apart(self) -> bool:
        """Whether the sender marked it as an attachment (Content-Disposition)."""
        return self._disposition[0] == "attachment"

    def data(self, at_most: int | None = None) -> bytes:
        """The body without its transfer encoding; of at most `at_most` bytes as transferred."""
        end = self.end if at_most is None else min(self.end, self.start + at_most)
        return transfer.decode_transfer(self.raw[self.start : end], self.encoding)

    def text(self) -> str:
        """The body as text with LF line ends, decoded by its charset, cut at `limits.TEXT_BYTES`. Never raises."""
        return self._text

    @cached_property
    def _text(self) -> str:
        text = charset.decode(self.data(limits.TEXT_BYTES), self.charset, self.carrier)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        text = text.replace("\x00", "").lstrip("\ufeff")
        if self.parameter("format").lower() == "flowed" and self.content_type == "text/plain":
            return _unflow(text, delete_space=self.parameter("delsp").lower() == "yes")
        return text


def _unflow(text: str, *, delete_space: bool) -> str:
    """Paragraphs of format=flowed on one line each (RFC 3676 §4)."""
    out: list[str] = []
    open_depth = -1
    buffer: list[str] = []
    for line in text.split("\n"):
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        bare = bare.removeprefix(" ")
        soft = bare.endswith(" ") and bare != "-- "
        if buffer and (depth != open_depth or bare == "-- "):
            out.append("".join(buffer))
            buffer = []
        if not buffer:
            buffer.append(">" * depth + (" " if depth else ""))
        buffer.append(bare[:-1] if soft and delete_space else bare)
        open_depth = depth
        if not soft:
            out.append("".join(buffer))
            buffer = []
    if buffer:
        out.append("".join(buffer))
    return "\n".join(out)


@dataclass(slots=True)
class _Multipart:
    boundary: bytes
    alternative: int
    digest: bool


class _Walk:
    """One pass over the delimiter lines with a stack of the multiparts that are open."""

    def __init__(self, raw: bytes, headers: Headers, start: int) -> None:
        self.raw = raw
        self.carrier = headers.carrier
        self.leaves: list[Part] = []
        self.open: list[_Multipart] = []
        self.alternatives = 0
        self.leaf: Part | None = None
        self._enter(headers, start)

    def run(self) -> tuple[Part, ...]:
        at = self.at
        seen = 0
        while self.open:
            line = self._next_delimiter(at)
            if line < 0:
                break
            seen += 1
            if seen > limits.DELIMITERS:
                raise limits.beyond("区切り行", "delimiter lines")
            end = self.raw.find(b"\n", line)
            end = len(self.raw) if end < 0 else end
            # a boundary has at most 70 characters; blanks may follow it
            at = self._delimiter(line, self.raw[line + 2 : min(end, line + 400)].rstrip(b" \t\r"), end)
        self._close(len(self.raw))
        return tuple(self.leaves)

    def _next_delimiter(self, at: int) -> int:
        raw = self.raw
        if raw.startswith(b"--", at) and (at == 0 or raw[at - 1] == 0x0A):
            return at
        while at < len(raw):
            found = raw.find(b"\n--", at, at + _WINDOW)
            if found >= 0:
                return found + 1
            at += _WINDOW - 2
        return -1

    def _delimiter(self, line: int, text: bytes, end: int) -> int:
        """Handles one line that begins with `--`; gives the offset to search on from."""
        for level in range(len(self.open) - 1, -1, -1):
            boundary = self.open[level].boundary
            if not text.startswith(boundary):
                continue
            rest = text[len(boundary) :]
            if rest in (b"", b"--"):
                self._close(line)
                if rest:
                    del self.open[level:]
                    return end
                del self.open[level + 1 :]
                headers, body = parse_headers(self.raw, min(end + 1, len(self.raw)), None)
                self._enter(headers, body)
                # the header section may have run over the next delimiter line, where a part has no blank line
                return max(end, body - 1)
        return end

    def _enter(self, headers: Headers, start: int) -> None:
        parent = self.open[-1] if self.open else _Multipart(b"", 0, False)
        part = Part(self.raw, headers, start, start, parent.alternative, parent.digest, self.carrier)
        self.at = start
        if part.content_type.startswith("multipart/"):
            boundary = part.parameter("boundary").rstrip().encode("utf-8", "replace") or self._guess_boundary(start)
            if boundary:
                if len(self.open) >= limits.DEPTH:
                    raise limits.beyond("入れ子", "parts in each other")
                alternative = parent.alternative
                if part.content_type == "multipart/alternative":
                    self.alternatives += 1
                    alternative = self.alternatives
                self.open.append(_Multipart(boundary, alternative, part.content_type == "multipart/digest"))
                self.leaf = None
                return
        if len(self.leaves) >= limits.PARTS:
            raise limits.beyond("パート", "parts")
        self.leaf = part

    def _guess_boundary(self, start: int) -> bytes:
        line = self._next_delimiter(start)
        if line < 0:
            return b""
        end = self.raw.find(b"\n", line)
        return self.raw[line + 2 : min(len(self.raw) if end < 0 else end, line + 80)].rstrip(b" \t\r")

    def _close(self, at: int) -> None:
        leaf, self.leaf = self.leaf, None
        if leaf is None:
            return
        end = at
        if self.open and at < len(self.raw):  # the line end before a delimiter belongs to it
            end -= self.raw[at - 1 : at] == b"\n"
            end -= self.raw[end - 1 : end] == b"\r"
        leaf.end = max(leaf.start, end)
        self.leaves.append(leaf)


def find_parts(raw: bytes, headers: Headers, start: int) -> tuple[Part, ...]:
    """The leaves of the message with these headers and a body that begins at `start`.

    Raises `MimeLimit` beyond `limits.PARTS`, `limits.DEPTH` or `limits.DELIMITERS`.
    """
    part = Part(raw, headers, start, len(raw), carrier=headers.carrier)
    if not part.content_type.startswith("multipart/"):
        return (part,)
    leaves = _Walk(raw, headers, start).run()
    if leaves:
        return leaves
    # a multipart without a single delimiter line: a person would still read it as text
    plain = tuple((name, value) for name, value in headers.fields if name != "content-type")
    return (Part(raw, Headers(plain), start, len(raw), carrier=headers.carrier),)
