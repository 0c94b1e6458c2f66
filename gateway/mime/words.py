"""Header text as it was meant: encoded-words (RFC 2047), raw 8-bit and raw JIS, and parameters (RFC 2231)."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.mime import charset, limits, transfer

# The look-behind keeps long runs of blanks linear.
_FOLD: Final = re.compile(rb"(?<![ \t])[ \t]*\r?\n[ \t]*|[\r\n]+")
# Tolerates blanks and question marks in the text, which broken mailers leave unencoded; stops at the next word.
_WORD: Final = re.compile(
    r"=\?([A-Za-z0-9_.:+()#-]{1,64})(?:\*[A-Za-z0-9-]{0,40})?\?([BbQq])\?((?:[^?=]|\?(?!=)|=(?!\?(?!=)))*+)\?="
)
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(slots=True)
class _Run:
    """Neighbouring encoded-words of one charset, decoded together: a character may be cut between them."""

    label: str
    encoding: str
    pieces: list[str]


def unfold(value: bytes) -> bytes:
    """The value on one line, each fold a single blank (RFC 5322 §2.2.3)."""
    if b"\n" in value or b"\r" in value:
        return _FOLD.sub(b" ", value)
    return value


def text_of(value: bytes, carrier: str = "") -> str:
    """A raw header value as Unicode, encoded-words left as they are: what structure is parsed on."""
    value = unfold(value[: limits.VALUE_BYTES])
    if value.isascii():
        return charset.guess(value, carrier) if b"\x1b" in value else value.decode("ascii")
    return charset.guess(value, carrier)


def decode_value(value: bytes, carrier: str = "") -> str:
    """A raw, unstructured header value as a person should read it, `carrier` as in `charset.decode`. Never raises."""
    text = decode_words(text_of(value, carrier), carrier)
    return _CONTROL.sub("", text).strip()


def decode_words(text: str, carrier: str = "") -> str:
    """`text` with its encoded-words decoded; blanks between two of them are dropped (RFC 2047 §6.2)."""
    if "=?" not in text:
        return text
    out: list[str] = []
    run: _Run | None = None
    at = 0
    for word in _WORD.finditer(text):
        between = text[at : word.start()]
        label, encoding, piece = word.group(1), word.group(2).lower(), word.group(3)
        adjacent = not between.strip()
        if run is not None and adjacent and _same(run, label):
            run = _joined(run, encoding, piece, out, carrier)
        else:
            if run is not None:
                out.append(_decode_run(run, carrier))
            if not (run is not None and adjacent):
                out.append(between)
            run = _Run(label, encoding, [piece])
        at = word.end()
    if run is not None:
        out.append(_decode_run(run, carrier))
    out.append(text[at:])
    return "".join(out)


def _same(run: _Run, label: str) -> bool:
    return label == run.label or charset.codec_for(label) == charset.codec_for(run.label) != ""


def _joined(run: _Run, encoding: str, piece: str, out: list[str], carrier: str) -> _Run:
    if encoding == run.encoding:
        run.pieces.append(piece)
        return run
    out.append(_decode_run(run, carrier))
    return _Run(run.label, encoding, [piece])


def _decode_run(run: _Run, carrier: str) -> str:
    if not all(piece.isascii() for piece in run.pieces):
        # raw 8-bit inside an encoded-word, by now decoded: only the escapes are left
        return charset.guess(b"".join(_q_bytes(piece) for piece in run.pieces), carrier)
    if run.encoding == "b":
        pieces = [_base64_bytes(piece) for piece in _whole_quads(run.pieces)]
    else:
        pieces = [_q_bytes(piece) for piece in run.pieces]
    joined = charset.decode(b"".join(pieces), run.label, carrier)
    if len(pieces) > 1 and "\ufffd" in joined:
        # Each word should stand alone; some mailers rely on it and leave out the return to ASCII.
        alone = "".join(charset.decode(piece, run.label, carrier) for piece in pieces)
        return alone if alone.count("\ufffd") < joined.count("\ufffd") else joined
    return joined


def _whole_quads(pieces: list[str]) -> list[str]:
    """Base64 that was cut without regard to its groups of four is put together again."""
    whole: list[str] = []
    for piece in pieces:
        if whole and len(whole[-1]) % 4 and not whole[-1].endswith("="):
            whole[-1] += piece
        else:
            whole.append(piece)
    return whole


def _base64_bytes(piece: str) -> bytes:
    return transfer.decode_base64(piece.encode("ascii", "ignore"))


def _q_bytes(piece: str) -> bytes:
    raw = piece.encode("ascii", "ignore") if piece.isascii() else piece.encode("utf-8", "surrogateescape")
    return binascii.a2b_qp(raw.replace(b" ", b"=20"), header=True)


# --- Content-Type and Content-Disposition --------------------------------------------------------------------------

_PARAMETER: Final = re.compile(
    r""";\s*+(?P<name>[^\s=;"]{1,100}+)\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)(?:"|\Z)|(?P<bare>[^;]*+))""", re.DOTALL
)
_COMMENT: Final = re.compile(r"\([^()\"]*\)")
_SECTION: Final = re.compile(r"([^*]+)\*(?:(\d{1,3})(\*?))?$")


def parse_parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """The lower-case main value and the decoded parameters of a structured field (RFC 2045 §5.1, RFC 2231)."""
    text = text_of(value)
    semicolon = text.find(";")
    main = text if semicolon < 0 else text[:semicolon]
    if "(" in main:
        main = _COMMENT.sub("", main)
    main = main.strip().lower()
    if semicolon < 0:
        return main, {}
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(text, semicolon)):
        if count >= limits.PARAMETERS:
            break
        name = found["name"].lower()
        quoted = found["quoted"]
        raw = quoted if quoted is not None else found["bare"].strip()
        if quoted is not None and "\\" in raw:
            raw = re.sub(r'\\(["\\])', r"\1", raw)
        section = _SECTION.match(name) if "*" in name else None
        if section is None:
            plain.setdefault(name, decode_words(raw))
        else:
            number = int(section[2]) if section[2] else 0
            extended = section[2] is None or section[3] == "*"
            sections.setdefault(section[1], {}).setdefault(number, (extended, raw))
    for name, pieces in sections.items():
        plain[name] = _continued(pieces)
    return main, plain


def _continued(pieces: dict[int, tuple[bool, str]]) -> str:
    label, data = "", b""
    for number, (extended, raw) in sorted(pieces.items()):
        if not extended:
            data += raw.encode("utf-8", "replace")
            continue
        if number == 0 and raw.count("'") >= 2:
            label, _, raw = raw.split("'", 2)
        data += unquote_to_bytes(raw)
    text = charset.decode(data, label)
    return decode_words(text)  # both encodings at once: wrong, and common
