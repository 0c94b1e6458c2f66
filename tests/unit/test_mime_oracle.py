"""Two other parsers on generated mails: fast-mail-parser (Rust) and the standard library.

The generator knows what was written, so the rules are these. We read every mail as it was written. Where the two others
agree with each other, we agree with them, but for the differences that `EXPLAINED` names. And each explanation is one
that really occurs: an entry that no mail needs any longer fails the test.
"""

from __future__ import annotations

import base64
import quopri
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

import fast_mail_parser
import pytest

from gateway.mime.message import Message
from tests.unit.test_mime_vectors import charset_bytes, jis

MAILS = 1200
JAPANESE = (
    "ご注文の商品がまだ届きません。",
    "返品をお願いします",
    "山田 太郎",
    "見積書（改訂版）",
    "Re: 在庫の件",
    "カタログを送ってください",
)
MICROSOFT = ("①番の商品", "㈱和み工房", "髙島 﨑子", "№１２")
WESTERN = ("Where is my order?", "Grüße aus Köln", "Ça va très bien", "Invoice 2026-01")
HALF_WIDTH = ("ﾃｽﾄです",)


@dataclass
class Seen:
    """What a parser says of a mail."""

    subject: str = ""
    name: str = ""
    address: str = ""
    texts: list[str] = field(default_factory=list)
    markups: list[str] = field(default_factory=list)
    files: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass
class Mail:
    raw: bytes
    meant: Seen
    traits: dict[str, set[str]]  # by aspect: what makes it hard to read


class Generator:
    """Mails of every charset, header form, transfer encoding and structure that mail programs really use."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def mail(self) -> Mail:
        self.traits: dict[str, set[str]] = defaultdict(set)
        self.meant = Seen()
        subject, name = self._words(), self._words().removeprefix("Re: ")  # a colon would begin a group
        self.meant.subject, self.meant.name = subject, name
        self.meant.address = self.dice.choice(("taro@customer.example", "a.b@customer.example", "hanako+x@isp.example"))
        form = self.dice.choice(("b", "q", "b", "raw"))
        label = self._label(subject + name)
        encoded, said = self._header(subject, label, form, "subject"), self._header(name, label, form, "name")
        self.traits["address"] = self.traits["name"]
        head = [b"From: " + said + b" <" + self.meant.address.encode() + b">", b"Subject: " + encoded]
        self.dice.shuffle(head)
        return Mail(b"\r\n".join([*head, b"MIME-Version: 1.0", self._body()]), self.meant, self.traits)

    def _words(self) -> str:
        return self.dice.choice(self.dice.choice((JAPANESE, JAPANESE, MICROSOFT, WESTERN, WESTERN, HALF_WIDTH)))

    def _label(self, text: str) -> str:
        if text.isascii():
            return "us-ascii"
        western = all(ord(c) < 0x100 for c in text)
        labels = ["utf-8", "utf-8", "UTF-8"]
        if western:
            labels += ["iso-8859-1", "iso-8859-1", "windows-1252", "windows-1252"]
        elif not any(0x7F < ord(c) < 0x250 for c in text):
            labels += ["iso-2022-jp", "ISO-2022-JP", "Shift_JIS", "euc-jp", "windows-31j", "cp932", "x-sjis"]
        return self.dice.choice(labels)

    def _bytes(self, text: str, label: str, aspect: str) -> bytes:
        folded = label.lower()
        if any(text.find(one) >= 0 for one in "①㈱髙﨑№"):
            self.traits[aspect].add(f"beyond JIS X 0208 in {folded}")
        if any("\uff61" <= c <= "\uff9f" for c in text):
            self.traits[aspect].add(f"half-width kana in {folded}")
        if folded in ("windows-31j", "cp932", "x-sjis"):
            self.traits[aspect].add(f"label {folded}")
        if folded == "iso-2022-jp":
            return jis(text)
        if folded == "euc-jp":
            return _euc(text)
        return text.encode("cp932" if folded in ("shift_jis", "windows-31j", "x-sjis") else folded)

    def _header(self, text: str, label: str, form: str, aspect: str) -> bytes:
        if text.isascii():
            return text.encode()
        data = self._bytes(text, label, aspect)
        if form == "raw":
            self.traits[aspect].add(f"raw {label.lower()} header")
            return data
        if form == "q" and label.lower() != "iso-2022-jp":
            quoted = "".join(chr(b) if chr(b).isalnum() and b < 128 else f"={b:02X}" for b in data)
            return f"=?{label}?Q?{quoted}?=".encode()
        if len(data) > 9 and self.dice.random() < 0.2:
            self.traits[aspect].add("cut inside a character")
            cut = self.dice.randrange(4, len(data) - 4)
            return b"\r\n ".join(_b(piece, label) for piece in (data[:cut], data[cut:]))
        return _b(data, label)

    def _body(self) -> bytes:
        shape = self.dice.choice(("text", "text", "html", "alternative", "mixed", "nested"))
        if shape == "text":
            return self._text("plain")
        if shape == "html":
            return self._text("html")
        if shape == "mixed":
            parts = [self._text("plain")]
        else:
            parts = [self._multipart("alternative", [self._text("plain"), self._text("html")])]
            if shape == "alternative":
                return parts[0]
        return self._multipart("mixed", [*parts, *(self._file() for _ in range(self.dice.randrange(1, 3)))])

    def _text(self, kind: str) -> bytes:
        lines = [self._words() for _ in range(self.dice.randrange(1, 5))]
        text = "\r\n".join(lines) if kind == "plain" else "<p>" + "</p>\r\n<p>".join(lines) + "</p>"
        (self.meant.texts if kind == "plain" else self.meant.markups).append(text)
        label = self._label(text)
        head = f"Content-Type: text/{kind}; charset={self.dice.choice((label, chr(34) + label + chr(34)))}"
        return self._transferred(head, self._bytes(text, label, "texts" if kind == "plain" else "markups"), text=True)

    def _file(self) -> bytes:
        name, data = self._words() + ".pdf", self.dice.randbytes(self.dice.randrange(1, 200))
        self.meant.files.append((name, data))
        how = "" if name.isascii() else self.dice.choice(("2231", "word", "raw"))
        label = self._label(name)
        raw = self._bytes(name, label, "file names")
        if how == "2231":
            self.traits["file names"].add(f"RFC 2231 in {label.lower()}")
            said = f"filename*={label}''{''.join(f'%{b:02X}' for b in raw)}".encode()
        elif how == "word":
            self.traits["file names"].add("encoded-word in a parameter")
            said = b'filename="' + _b(raw, label) + b'"'
        else:
            if how:
                self.traits["file names"].add(f"raw {label.lower()} parameter")
            said = b'filename="' + raw + b'"'
        head = b"Content-Type: application/pdf\r\nContent-Disposition: attachment; " + said
        return self._transferred(head.decode("latin-1"), data, text=False)

    def _transferred(self, head: str, data: bytes, *, text: bool) -> bytes:
        how = self.dice.choice(("base64", "quoted-printable", "8bit")) if text else "base64"
        if how == "base64":
            data = base64.encodebytes(data).replace(b"\n", b"\r\n")
        elif how == "quoted-printable":
            data = quopri.encodestring(data.replace(b"\r\n", b"\n"), quotetabs=False).replace(b"\n", b"\r\n")
        return f"{head}\r\nContent-Transfer-Encoding: {how}\r\n\r\n".encode("latin-1") + data

    def _multipart(self, kind: str, parts: list[bytes]) -> bytes:
        boundary = f"=_{self.dice.randrange(10**9)}".encode()
        head = b"Content-Type: multipart/" + kind.encode() + b'; boundary="' + boundary + b'"\r\n\r\n'
        return (
            head + b"".join(b"--" + boundary + b"\r\n" + one + b"\r\n" for one in parts) + b"--" + boundary + b"--\r\n"
        )


def _b(data: bytes, label: str) -> bytes:
    return b"=?" + label.encode() + b"?B?" + base64.b64encode(data) + b"?="


def _euc(text: str) -> bytes:
    out = b""
    for character in text:
        raw = character.encode("cp932")
        if len(raw) == 1:
            out += raw if raw[0] < 0x80 else b"\x8e" + raw
        else:
            out += charset_bytes(character, "euc-jp")
    return out


def ours(raw: bytes) -> Seen:
    message = Message(raw)
    seen = Seen(message.subject)
    seen.name, seen.address = (message.addresses("from")[0].name, message.addresses("from")[0].address)
    for part in message.parts():
        if part.is_attachment:
            seen.files.append((part.name, part.data()))
        else:
            (seen.texts if part.content_type == "text/plain" else seen.markups).append(part.text())
    return seen


def rust(raw: bytes) -> Seen:
    mail = fast_mail_parser.parse_email(raw)
    seen = Seen(mail.subject, texts=list(mail.text_plain), markups=list(mail.text_html))
    if mail.from_ is not None:
        seen.name, seen.address = mail.from_.display_name or "", mail.from_.address or ""
    seen.files = [(one.filename, bytes(one.content)) for one in mail.attachments]
    return seen


def standard(raw: bytes) -> Seen:
    message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
    seen = Seen(_try(lambda: str(message["subject"])))
    sender = _try(lambda: message["from"].addresses[0])
    if sender != BROKEN:
        seen.name, seen.address = sender.display_name, sender.addr_spec  # type: ignore[attr-defined]
    for part in message.walk():
        if part.is_multipart():
            continue
        if part.get_content_type() == "application/pdf":
            seen.files.append((_try(part.get_filename), _try(lambda p=part: p.get_payload(decode=True))))  # type: ignore[arg-type, misc]
        else:
            text = _try(part.get_content)
            (seen.texts if part.get_content_type() == "text/plain" else seen.markups).append(text)
    return seen


BROKEN = "(an exception)"


def _try(work):  # type: ignore[no-untyped-def]
    try:
        return work()
    except Exception:
        return BROKEN


def aspects(seen: Seen) -> Iterator[tuple[str, object]]:
    yield "subject", seen.subject
    yield "name", seen.name
    yield "address", seen.address
    yield "texts", [text.replace("\r\n", "\n").strip() for text in seen.texts]
    yield "markups", [text.replace("\r\n", "\n").strip() for text in seen.markups]
    yield "files", [data for _, data in seen.files]
    yield "file names", [name for name, _ in seen.files]


# Traits of a text, and why another parser reads it otherwise than it was meant.
EXPLAINED = {
    "beyond JIS X 0208": "Python's iso2022_jp, euc_jp, shift_jis know the plain standard, mail has Microsoft's: ①㈱",
    "half-width kana in iso-2022-jp": "Python's iso2022_jp has no half-width kana (CP50221 has)",
    "label windows-31j": "the standard library does not know this name of Shift_JIS",
    "label x-sjis": "the standard library does not know this name of Shift_JIS",
    "label cp932": "the Rust parser does not know this name of Shift_JIS",
    "raw iso-2022-jp header": "neither looks for escape sequences in a header; the bytes of one may end the name",
    "raw shift_jis header": "neither guesses the charset of eight-bit headers, which no standard allows",
    "raw euc-jp header": "the same",
    "raw windows-31j header": "the same",
    "raw x-sjis header": "the same",
    "raw cp932 header": "the same",
    "raw iso-8859-1 header": "the standard library keeps such bytes as surrogates",
    "raw windows-1252 header": "the same",
    "raw utf-8 header": "the same, in display names: it reads the fields of RFC 6532 as ASCII",
    "raw iso-2022-jp parameter": "as in headers; a quotation mark among the bytes ends the value",
    "raw shift_jis parameter": "as in headers",
    "raw euc-jp parameter": "as in headers",
    "raw windows-31j parameter": "as in headers",
    "raw x-sjis parameter": "as in headers",
    "raw cp932 parameter": "as in headers",
    "raw iso-8859-1 parameter": "as in headers",
    "raw windows-1252 parameter": "as in headers",
    "cut inside a character": "RFC 2047 §5 wants whole characters in each word; mailers cut, so we join first",
}


def explained(traits: set[str]) -> set[str]:
    return {name for name in EXPLAINED for trait in traits if trait == name or trait.startswith(f"{name} in ")}


@pytest.fixture(scope="module")
def mails() -> list[Mail]:
    generator = Generator(20260101)
    return [generator.mail() for _ in range(MAILS)]


def test_we_read_every_mail_as_it_was_written(mails: list[Mail]) -> None:
    for mail in mails:
        assert dict(aspects(ours(mail.raw))) == dict(aspects(mail.meant)), mail.raw[:2000]


def test_the_others_agree_but_for_explained_differences(mails: list[Mail]) -> None:
    agreed, needed = Counter[str](), Counter[str]()
    for mail in mails:
        mine = dict(aspects(ours(mail.raw)))
        for parser in (rust, standard):
            for aspect, said in aspects(parser(mail.raw)):
                if said == mine[aspect]:
                    agreed[parser.__name__] += 1
                    continue
                reasons = explained(mail.traits[aspect])
                assert reasons, (
                    f"{parser.__name__} reads {aspect} as {said!r}, we as {mine[aspect]!r}: {mail.raw[:2000]!r}"
                )
                needed.update(reasons)
    assert set(EXPLAINED) == set(needed), "an explanation that no mail needs"
    assert min(agreed.values()) > 0.6 * MAILS * len(mine)


def test_where_both_others_agree_and_nothing_is_hard_to_read_so_do_we(mails: list[Mail]) -> None:
    compared = 0
    for mail in mails:
        mine, theirs, again = (dict(aspects(parser(mail.raw))) for parser in (ours, rust, standard))
        for aspect, said in theirs.items():
            if said == again[aspect] and not explained(mail.traits[aspect]):
                compared += 1
                assert mine[aspect] == said
    assert compared > 0.6 * MAILS * len(mine)
