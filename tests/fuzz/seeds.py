"""Where fuzzing starts: sample mails of every kind in every charset, and the words that mail is made of."""

from __future__ import annotations

import base64

from gateway.testing import mail

QUOTED = "\n> 引用\nOn 2026/01/01 12:00, a <a@b.example> wrote:\n> q\n-- \n山田\n"
BODY = "先日の注文 ①番、㈱和み工房さんの商品がまだ届きません。" + QUOTED
HEAD = b"From: =?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <a..b@docomo.ne.jp>\r\nTo: shop@shop.example\r\n"
MARKUP = "<html><body style='x'><p>返金<br>しろ</p><blockquote>q</blockquote><div hidden>h</div></body></html>"
EMOJI = b"\xf8\x9f\xf9\x91\x1b$G!\x0f\x1b$BvO\x1b(B\xee\x98\xbe"

NAMED_HEAD = b"""Content-Type: application/pdf; name*0*=utf-8'ja'%E6%B3%A8; name*1=.pdf\r
Content-Disposition: attachment; filename="=?utf-8?Q?=E6=B3=A8.pdf?="\r
Content-Transfer-Encoding: x-uuencode"""

STATUS = b"""Reporting-MTA: dns; mx.example\r
\r
Final-Recipient: rfc822; x@y.example\r
Action: failed\r
Status: 5.1.1\r
Diagnostic-Code: smtp; 550 5.1.1 user unknown"""

TRACE = b"""DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.jp; s=s; h=from:to; bh=YQ==; b=YQ==; l=3\r
Authentication-Results: mx.example; spf=pass smtp.mailfrom=a@b; dkim=fail (x) header.d=c\r
Received: from a (b [192.0.2.1]) by c with ESMTP; Thu, 1 Jan 2026 00:00:00 +0900\r
X-Originating-IP: [192.0.2.7]\r
ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x.example; s=s; t=1; b=YQ==\r
ARC-Message-Signature: i=1; a=rsa-sha256; d=x.example; s=s; h=from; bh=YQ==; b=YQ==\r
ARC-Authentication-Results: i=1; x.example; spf=pass\r
"""


def part(head: bytes, body: bytes) -> bytes:
    return b"--b\r\n" + head + b"\r\n\r\n" + body + b"\r\n"


def multipart(kind: bytes, *parts: bytes) -> bytes:
    return HEAD + b"Content-Type: multipart/" + kind + b'; boundary="b"\r\n\r\n' + b"".join(parts) + b"--b--\r\n"


def seeds() -> list[bytes]:
    """Whole messages, small ones."""
    found = [sample.raw for sample in mail.samples()]
    found += [mail.bounce(), mail.mailing_list(), mail.auto_reply(), mail.auto_reply(headers=False), mail.threat()]
    found += [mail.letter(body=BODY, charset=label, name="山田 太郎") for label in ("utf-8", "cp932", "gb18030")]
    found += [mail.letter(body=QUOTED, charset=label, name="山田") for label in ("iso-2022-jp", "euc_jp")]
    plain = part(b"Content-Type: text/plain; charset=Shift_JIS; format=flowed; delsp=yes", BODY.encode("cp932"))
    html_head = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64"
    html = part(html_head, base64.encodebytes(MARKUP.encode()))
    named = part(NAMED_HEAD, b"begin 644 a\r\n#86)C\r\n`\r\nend")
    inner = part(b"Content-Type: message/rfc822", HEAD + b"Subject: inner\r\n\r\ntext")
    status = part(b"Content-Type: message/delivery-status", STATUS)
    found += [
        multipart(b"alternative", plain, html),
        multipart(b"mixed", plain, named, inner),
        multipart(b"report; report-type=delivery-status", plain, status, inner),
        HEAD + b"Subject: " + EMOJI + b"\r\nContent-Type: text/plain; charset=x-sjis\r\n\r\n" + EMOJI,
        TRACE + HEAD + "Subject: 注文番号：123456-20260101-0123456789\r\n\r\nx".encode(),
    ]
    return found


# One a line; what stands for a byte is written \xNN.
_TOKENS = r"""
\x1b$B
\x1b(B
\x1b(I
\x1b$@
\x1b$(D
\x1b$G
\x0e
\x0f
\x8f\xb0\xa1
\x8e\xb1
=?utf-8?B?
=?iso-2022-jp?Q?
=?x?b?
?=
''
*0*=
*1=
%E3
=E3=81
=\x0d\x0a
\x0d\x0a
\x0d\x0a\x0d\x0a
Content-Type:
multipart/mixed; boundary=b
text/html; charset=
message/rfc822
message/delivery-status
--b
--b--
Content-Transfer-Encoding: base64
quoted-printable
x-uuencode
format=flowed
delsp=yes
charset=utf-7
charset=utf-16
charset=hz
charset=iso-2022-kr
charset=shift_jis
charset=euc-jp
From:
Sender:
To:
Received: from
Subject:
Auto-Submitted: auto-replied
Return-Path: <>
DKIM-Signature: v=1;
ARC-Seal: i=1;
Authentication-Results:
List-Id:
Diagnostic-Code: smtp; 550 5.1.1
Final-Recipient: rfc822;
<blockquote>
<div hidden>
<table>
<!--
<script>
&#xE63E;
wrote:
-----Original Message-----
>
-- \x0a
\xef\xbb\xbf
\x00
\xff
@[192.0.2.1]
xn--
\xe3\x80\x82
"""

_LINES = [token for token in _TOKENS.split("\n") if token]
WORDS = [token.encode().decode("unicode_escape").encode("latin-1") for token in _LINES]
DICTIONARY = "".join(f'"{token}"\n' for token in _LINES)
