"""Sample mails as Japanese shops receive them, and a signer for them; every name and domain is an example."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import sha256

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dkim.canonicalization import CanonicalizationPolicy

SHOP = "shop@shop.example"
SIGNED_FIELDS = ("from", "to", "subject", "date", "message-id")


def encoded_word(text: str, charset: str = "utf-8") -> str:
    """`text` for a header field: as it is where ASCII, else as encoded-words of at most 75 characters (RFC 2047)."""
    if text.isascii():
        return text
    words: list[str] = []
    piece = ""
    for char in text:
        if len(_word(piece + char, charset)) > 75:
            words.append(_word(piece, charset))
            piece = ""
        piece += char
    return "\r\n ".join([*words, _word(piece, charset)])


def _word(text: str, charset: str) -> str:
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode('ascii')}?="


def letter(
    sender: str = "hanako@customer.example",
    subject: str = "注文について",
    body: str = "先日注文した商品について質問があります。\nよろしくお願いいたします。\n",
    *,
    to: str = SHOP,
    name: str = "",
    charset: str = "utf-8",
    message_id: str = "",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    date: float | None = None,
) -> bytes:
    """A plain text mail with CRLF lines; `headers` stand on top as given, encoded where they are not ASCII.

    The transfer encoding is 7bit for ISO-2022-JP, 8bit for UTF-8, base64 for everything else. `date` is in seconds
    since the epoch, now where it is None.
    """
    more = headers.items() if isinstance(headers, Mapping) else headers
    author = f"{encoded_word(name, charset)} <{sender}>" if name else sender
    stamp = formatdate(date, localtime=False)
    identity = message_id or f"<{_digest(sender, subject, body)}@{sender.rpartition('@')[2] or 'example'}>"
    content = "\r\n".join(body.splitlines()) + "\r\n"
    transfer = {"iso-2022-jp": "7bit", "utf-8": "8bit"}.get(charset.lower(), "base64")
    raw = content.encode(charset)
    if transfer == "base64":
        raw = base64.encodebytes(raw).replace(b"\n", b"\r\n")
    lines = [
        *(f"{key}: {encoded_word(value, charset)}" for key, value in more),
        f"From: {author}",
        f"To: {to}",
        f"Subject: {encoded_word(subject, charset)}",
        f"Date: {stamp}",
        f"Message-ID: {identity}",
        "MIME-Version: 1.0",
        f"Content-Type: text/plain; charset={charset}",
        f"Content-Transfer-Encoding: {transfer}",
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + raw


def _digest(*texts: str) -> str:
    """Short, and the same for the same texts, so that a sample is the same message every time."""
    return sha256("\0".join(texts).encode("utf-8")).hexdigest()[:20]


@dataclass(frozen=True)
class DkimKey:
    """A key pair that signs for `domain`; `zone` is what the DNS has to hold for it."""

    domain: str
    selector: str = "test"
    algorithm: str = "rsa-sha256"  # rsa-sha256 | rsa-sha1 | ed25519-sha256
    bits: int = 2048
    private: bytes = field(default=b"", repr=False)  # PEM for RSA, 32 bytes for Ed25519
    public: bytes = b""

    @classmethod
    def make(cls, domain: str, selector: str = "test", algorithm: str = "rsa-sha256", bits: int = 2048) -> DkimKey:
        """A fresh key."""
        if algorithm.startswith("ed25519"):
            key = Ed25519PrivateKey.generate()
            private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
            public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            rsa = generate_private_key(65537, bits)
            private = rsa.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(domain, selector, algorithm, bits, private, public)

    @property
    def record(self) -> str:
        """The TXT record that publishes the key."""
        kind = "ed25519" if self.algorithm.startswith("ed25519") else "rsa"
        return f"v=DKIM1; k={kind}; p={base64.b64encode(self.public).decode('ascii')}"

    @property
    def zone(self) -> dict[str, dict[str, str]]:
        """The record under its name, for `DnsServer`."""
        return {f"{self.selector}._domainkey.{self.domain}": {"TXT": self.record}}

    def sign(
        self,
        raw: bytes,
        *,
        fields: Sequence[str] = SIGNED_FIELDS,
        canonical: tuple[str, str] = ("relaxed", "relaxed"),
        length: bool = False,
    ) -> bytes:
        """The mail with a DKIM-Signature on top; `length` puts l= into it."""
        names = [name.encode("ascii") for name in fields]
        forms = tuple(form.encode("ascii") for form in canonical)
        if self.algorithm.startswith("ed25519"):
            return self._sign_ed25519(raw, names, b"/".join(forms)) + raw
        signed: bytes = dkim.sign(
            raw,
            self.selector.encode("ascii"),
            self.domain.encode("ascii"),
            self.private,
            canonicalize=forms,
            signature_algorithm=self.algorithm.encode("ascii"),
            include_headers=names,
            length=length,
        )
        return signed + raw

    def _sign_ed25519(self, raw: bytes, names: Sequence[bytes], form: bytes) -> bytes:
        """The same out of the library's parts (RFC 8463 §3): its own way needs a package that we do without."""
        policy = CanonicalizationPolicy.from_c_value(form)
        headers, body = dkim.rfc822_parse(raw)
        digest = base64.b64encode(sha256(policy.canonicalize_body(body)).digest())
        value = b" v=1; a=ed25519-sha256; c=%s; d=%s; s=%s;\r\n h=%s;\r\n bh=%s;\r\n b=" % (
            form,
            self.domain.encode("ascii"),
            self.selector.encode("ascii"),
            b":".join(names),
            digest,
        )
        hasher = sha256()
        fields = policy.canonicalize_headers(headers)
        dkim.hash_headers(hasher, policy, fields, list(names), [b"DKIM-Signature", value], {})
        signature = Ed25519PrivateKey.from_private_bytes(self.private).sign(hasher.digest())
        return b"DKIM-Signature:" + value + base64.b64encode(signature) + b"\r\n"


def bounce(to: str = SHOP, lost: str = "nobody@customer.example", host: str = "mx.customer.example") -> bytes:
    """A delivery status notification with a null sender (RFC 3464)."""
    return _crlf(f"""\
        From: Mail Delivery System <MAILER-DAEMON@{host}>
        To: {to}
        Subject: Undelivered Mail Returned to Sender
        Date: {formatdate()}
        Message-ID: <bounce.1@{host}>
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status; boundary="dsn"

        --dsn
        Content-Type: text/plain; charset=us-ascii

        The mail system could not deliver your message to {lost}.

        --dsn
        Content-Type: message/delivery-status

        Reporting-MTA: dns; {host}

        Final-Recipient: rfc822; {lost}
        Action: failed
        Status: 5.1.1
        Diagnostic-Code: smtp; 550 5.1.1 <{lost}>: user unknown

        --dsn
        Content-Type: text/rfc822-headers

        From: {to}
        To: {lost}
        Subject: =?utf-8?B?44GU5rOo5paH44Gu44GK56S844GC?=

        --dsn--
        """)


def mailing_list(to: str = SHOP) -> bytes:
    """A mail by way of a mailing list."""
    return letter(
        "taro@member.example",
        "[ec-talk:123] 送料の見直しについて",
        "皆さまの店では送料をどうされていますか。\n",
        to="ec-talk@lists.example",
        headers={
            "List-Id": "EC talk <ec-talk.lists.example>",
            "List-Unsubscribe": "<mailto:ec-talk-request@lists.example>",
            "Precedence": "list",
            "X-Delivered-To": to,
        },
    )


def auto_reply(sender: str = "suzuki@partner.example", *, headers: bool = True) -> bytes:
    """An absence notice; without `headers` only its subject tells, as many Japanese ones do."""
    more = {"Auto-Submitted": "auto-replied"} if headers else {}
    text = "ただいま不在にしております。戻り次第ご連絡いたします。\n"
    return letter(sender, "不在のお知らせ（自動返信）", text, charset="iso-2022-jp", headers=more)


def threat(sender: str = "ikari@customer.example") -> bytes:
    """A threat in ISO-2022-JP."""
    body = "いい加減にしろ。お前の店に火をつけてやる。\n夜道に気をつけろ。\n"
    return letter(sender, "最後の警告だ", body, charset="iso-2022-jp")


@dataclass(frozen=True)
class Sample:
    """A mail with the envelope it comes in."""

    name: str
    mail_from: str
    raw: bytes
    recipient: str = SHOP
    helo: str = "mail.customer.example"
    ip: str = "192.0.2.25"


def samples() -> tuple[Sample, ...]:
    """One mail of each kind that a shop meets; the names are keys, the texts Japanese."""
    hanako, taro = "hanako@customer.example", '"taro..san"@docomo.ne.jp'
    return (
        Sample("question", hanako, letter(hanako, "ご注文番号：1024 の発送日", name="山田花子")),
        Sample("jis", hanako, letter(hanako, "請求書の件", "支払いは月末です。\n", charset="iso-2022-jp")),
        Sample("shift_jis", hanako, letter(hanako, "返品したい", "サイズが合いません。\n", charset="shift_jis")),
        Sample("docomo", taro, letter("taro..san@docomo.ne.jp", "届きました", "ありがとう。\n")),
        Sample("threat", "ikari@customer.example", threat()),
        Sample("bounce", "", bounce(), helo="mx.customer.example"),
        Sample("list", "ec-talk-bounces@lists.example", mailing_list(), helo="lists.example"),
        Sample("auto_reply", "", auto_reply(), helo="mail.partner.example"),
        Sample("absence", "suzuki@partner.example", auto_reply(headers=False), helo="mail.partner.example"),
    )


def _crlf(text: str) -> bytes:
    """An indented text block as a message."""
    return "\r\n".join(line.removeprefix("        ") for line in text.splitlines()).encode("ascii")
