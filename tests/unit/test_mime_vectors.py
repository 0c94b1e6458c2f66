"""One vector for each way in which mail says its text, right or wrong, with the text that its sender wrote."""

from __future__ import annotations

import base64
from urllib.parse import quote_from_bytes

import pytest

from gateway.mime import charset
from gateway.mime.message import Message
from gateway.mime.quotes import written
from gateway.mime.words import decode_value, parse_parameters

ROW_13 = "①⑳ⅠⅩ㍉㌔㌢㍻㈱㈲㈹㍾№㏍℡"  # NEC
IBM = "髙﨑彅濵瀨德增寬犾纊褜鍈銈蓜俉"  # IBM extensions, most of them in names
KANA = "ﾃｽﾄ｡ｱｶﾞ"
TEXT = "ご注文の商品（①番、㈱和み工房）が、まだ届きません。"


def jis(text: str, *, selected: bool = True) -> bytes:
    """ISO-2022-JP of Microsoft's kind: the cp932 table, IBM extensions where NEC selected them; CP50221 for kana."""
    out, state = b"", b"\x1b(B"
    for character in text:
        raw = character.encode("cp932")
        if selected and raw[0] >= 0xFA:  # the second home of these characters, which alone has a place in 94 rows
            raw = next(
                bytes((lead, trail))
                for lead in (0xED, 0xEE)
                for trail in (*range(0x40, 0x7F), *range(0x80, 0xFD))
                if bytes((lead, trail)).decode("cp932", "replace") == character
            )
        wanted = b"\x1b(B" if raw[0] < 0x80 else b"\x1b(I" if len(raw) == 1 else b"\x1b$B"
        if wanted != state:
            out, state = out + wanted, wanted
        if len(raw) == 2:
            lead = raw[0] - (0x70 if raw[0] < 0xA0 else 0xB0)
            lower = raw[1] >= 0x9F
            raw = bytes((2 * lead - (not lower), raw[1] - (0x7E if lower else 0x1F + (raw[1] > 0x7E))))
        elif state == b"\x1b(I":
            raw = bytes((raw[0] & 0x7F,))
        out += raw
    return out + (b"" if state == b"\x1b(B" else b"\x1b(B")


def b_word(data: bytes, label: str) -> bytes:
    return b"=?" + label.encode() + b"?B?" + base64.b64encode(data) + b"?="


def plain(data: bytes, label: str, *more: str) -> Message:
    fields = [f"Content-Type: text/plain; charset={label}" + "".join(f"; {one}" for one in more), "", ""]
    return Message("\r\n".join(fields).encode() + data)


@pytest.mark.parametrize("text", [ROW_13, IBM, KANA, TEXT], ids=["NEC row 13", "IBM", "half-width kana", "text"])
@pytest.mark.parametrize(
    ("label", "encode"),
    [
        ("ISO-2022-JP", jis),
        ("iso-2022-jp-ms", jis),
        ("cp50220", jis),
        ("CP50221", jis),
        ("cp50222", jis),
        ("Shift_JIS", lambda text: text.encode("cp932")),
        ("cp932", lambda text: text.encode("cp932")),
        ("x-sjis", lambda text: text.encode("cp932")),
        ("windows-31j", lambda text: text.encode("cp932")),
        ("utf-8", str.encode),
        ("ISO-2022-JP", str.encode),  # under a wrong label
        ("Shift_JIS", str.encode),
        ("EUC-JP", str.encode),
        ("us-ascii", str.encode),
        ("iso-8859-1", str.encode),
        ("x-unknown", str.encode),
        ("utf-8", jis),
        ("us-ascii", jis),
    ],
)
def test_text_in_each_charset(label: str, encode: object, text: str) -> None:
    assert callable(encode)
    data = encode(text)
    assert charset.decode(data, label) == text
    assert plain(data, label).body() == text
    assert decode_value(b_word(data, label)) == text


@pytest.mark.parametrize(
    ("label", "data", "expected"),
    [
        ("cp50220", b"\x1b$B%F%9%H\x1b(B", "テスト"),  # kana made full-width by the sender
        ("cp50221", b"\x1b(I\x43\x3d\x44\x1b(B", "ﾃｽﾄ"),
        ("cp50222", b"\x0e\x43\x3d\x44\x0f x", "ﾃｽﾄ x"),
        ("cp50222", b'\x1b$B$"\x1b(B\x0e\x31\x0f\x1b$B$$\x1b(B', "あｱい"),
        ("iso-2022-jp", b'\x1b$@$"\x1b(J\\100\x1b(B', "あ\\100"),  # JIS C 6226 and JIS X 0201 Roman
        ("iso-2022-jp-1", b"\x1b$(D\x30\x21\x1b(B", "丂"),  # JIS X 0212
        ("iso-2022-jp-3", b"\x1b$(O\x2d\x21\x1b(B", "①"),  # JIS X 0213
        ("iso-2022-jp", b'\x1b&@\x1b$B$"\x1b(B', "あ"),  # revision of 1990 announced
        ("euc-jp", b"\xad\xa1\xad\xea\xfc\xe2", "①㈱髙"),
        ("euc-jp", b"\x8e\xc3\x8e\xbd\x8e\xc4", "ﾃｽﾄ"),
        ("eucJP-ms", b"\xad\xa1", "①"),
        ("x-euc-jp", "注文".encode("euc_jp"), "注文"),
        ("euc-jp", "注文について、届きません".encode("cp932"), "注文について、届きません"),
        ("shift_jis", "注文について、届きません".encode("euc_jp"), "注文について、届きません"),
        ("shift_jis", b"\x81\x60\x81\x7c\x81\x50", "～－￣"),
        ("utf-7", b"+bOhlhw-", "注文"),
        ("utf-16", "\ufeff注文".encode("utf-16-le"), "注文"),
        ("gb2312", "订单".encode("gb18030"), "订单"),
        ("unicode-1-1-utf-8", "注文".encode(), "注文"),
        ("'utf-8'", "注文".encode(), "注文"),
        ("utf-8 ", "注文".encode(), "注文"),
        ("=?utf-8?Q?x?=", "注文".encode(), "注文"),
        ("no/such\\charset", "注文です".encode("cp932"), "注文です"),
        ("utf-8", "注文の件について".encode()[:-1], "注文の件につい\ufffd"),
        ("utf-8", b"caf\xe9 au lait, caf\xe9", "café au lait, café"),
        ("utf-8", b'\x1b$B$"\x00$$\x1b(B', "あい"),
    ],
)
def test_rare_and_broken_forms(label: str, data: bytes, expected: str) -> None:
    assert charset.decode(data, label).replace("\x00", "") == expected


@pytest.mark.parametrize("encode", [jis, lambda t: t.encode("cp932"), lambda t: t.encode("euc_jp"), str.encode])
def test_raw_headers(encode: object) -> None:
    assert callable(encode)
    text = "ご注文の商品が、まだ届きません"
    message = Message(b"Subject: Re: " + encode(text) + b"\r\nFrom: " + encode("山田太郎") + b" <a@b.example>\r\n\r\n")
    assert message.subject == f"Re: {text}"
    assert message.addresses("from")[0].name == "山田太郎"


@pytest.mark.parametrize("label", ["utf-8", "cp932", "euc-jp"])
def test_encoded_words_cut_at_every_byte(label: str) -> None:
    text = "ご注文①番"
    data = charset_bytes(text, label)
    for cut in range(1, len(data)):
        assert decode_value(b_word(data[:cut], label) + b"\r\n " + b_word(data[cut:], label)) == text


def charset_bytes(text: str, label: str) -> bytes:
    """EUC-JP of Microsoft's kind is JIS with the eighth bit."""
    if label != "euc-jp":
        return text.encode(label)
    return bytes(b | 0x80 for b in jis(text).replace(b"\x1b$B", b"").replace(b"\x1b(B", b""))


def test_encoded_words_that_carry_jis_state_cut_at_every_byte() -> None:
    data = jis("ご注文①番です")
    for cut in range(3, len(data) - 3):
        words = b_word(data[:cut], "iso-2022-jp") + b"\r\n\t" + b_word(data[cut:], "ISO-2022-JP")
        assert decode_value(words) == "ご注文①番です"


@pytest.mark.parametrize("label", ["utf-8", "iso-2022-jp", "shift_jis", "euc-jp"])
def test_file_names(label: str) -> None:
    name = "請求書 2026年.pdf"
    data = jis(name) if label == "iso-2022-jp" else name.encode(label)
    half = len(data) // 2
    one, two = quote_from_bytes(data[:half], safe=""), quote_from_bytes(data[half:], safe="")
    for value in (
        f"attachment; filename*={label}'ja'{one}{two}",
        f"attachment; filename*0*={label}''{one}; filename*1*={two}",
        f"attachment; filename*1*={two}; filename*0*={label}''{one}",
        f'attachment; filename="{b_word(data, label).decode()}"',
        f"attachment; filename={b_word(data, label).decode()}",
    ):
        assert parse_parameters(value.encode())[1]["filename"] == name
    assert parse_parameters(b'attachment; filename="' + data + b'"')[1]["filename"] == name


@pytest.mark.parametrize(
    ("raw", "more", "expected"),
    [
        ("長い \r\n行です。\r\n次の行", [], "長い 行です。\n次の行"),
        ("長い \r\n行です。\r\n", ["delsp=yes"], "長い行です。"),
        ("> 引用 \r\n> の続き\r\n返事", [], "> 引用 の続き\n返事"),
        (" > 字下げ\r\n From 詰め物", [], "> 字下げ\nFrom 詰め物"),
        ("本文 \r\n-- \r\n山田", [], "本文 \n-- \n山田"),
    ],
)
def test_flowed_text(raw: str, more: list[str], expected: str) -> None:
    assert plain(raw.encode(), "utf-8", "format=flowed", *more).body() == expected


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>返金して<br>ください</p><p>山田</p>", "返金して\nください\n山田"),
        ("<style>p{}</style><script>x</script><p style='display:none'>隠し</p>見える", "見える"),
        ("<table><tr><td>商品</td><td>皿</td></tr><tr><td>数</td><td>1</td></tr></table>", "商品 皿\n数 1"),
        ("<ul><li>一<li>二</ul>", "一\n二"),
        ("返<b>品</b>し<i>た</i>い &lt;皿&gt; &#x8FD4;", "返品したい <皿> 返"),
        ("<blockquote>店の文</blockquote>客の文", "> 店の文\n客の文"),
        ("閉じない<p>段落<div>区切り", "閉じない\n段落\n区切り"),
        ("<!-- <p>注釈</p> -->本文", "本文"),
    ],
)
@pytest.mark.parametrize("label", ["utf-8", "iso-2022-jp", "Shift_JIS"])
def test_html_in_each_charset(markup: str, expected: str, label: str) -> None:
    data = jis(markup) if label == "iso-2022-jp" else markup.encode("cp932" if label == "Shift_JIS" else label)
    assert Message(f"Content-Type: text/html; charset={label}\r\n\r\n".encode() + data).body() == expected


MINE = "届いた皿が割れていました。返金してください。"
SHOPS = "このたびはご注文ありがとうございました。"


@pytest.mark.parametrize(
    "below",
    [
        f"2026年1月5日(月) 10:00 和み工房 <shop@shop.example>:\n\n> {SHOPS}\n> {SHOPS}",
        f"2026年1月5日 10:00、和み工房 <shop@shop.example>のメール：\n\n> {SHOPS}",
        f"2026/01/05 10:00、和み工房さんは書きました：\n> {SHOPS}",
        f"On Mon, 5 Jan 2026 10:00:00 +0900\n和み工房 <shop@shop.example> wrote:\n\n> {SHOPS}",
        f"Le 5 janv. 2026 à 10:00, Shop <shop@shop.example> a écrit :\n\n> {SHOPS}",
        f"On Jan 5, 2026, at 10:00 AM, Shop <shop@shop.example> wrote:\n\n{SHOPS}",
        f"-----Original Message-----\nFrom: shop@shop.example\nSent: Monday\nTo: me\nSubject: x\n\n{SHOPS}",
        f"----- 元のメッセージ -----\n差出人: 和み工房\n宛先: me\n\n{SHOPS}",
        f"________________________________\nFrom: 和み工房\nSent: Monday\nTo: me\nSubject: x\n\n{SHOPS}",
        f"差出人: 和み工房 <shop@shop.example>\n送信日時: 2026年1月5日\n宛先: me\n件名: ご注文\n\n{SHOPS}",
        f"---------- 転送メッセージ ----------\nFrom: 和み工房\n\n{SHOPS}",
        f"> {SHOPS}\n>\n>> {SHOPS}",
        f"＞{SHOPS}",
        f"iPhoneから送信\n\n2026/01/05 10:00、和み工房 <shop@shop.example>のメール:\n\n> {SHOPS}",
        f"Sent from my iPhone\n\n> On Jan 5, 2026, at 10:00, Shop <shop@shop.example> wrote:\n>\n> {SHOPS}",
        "iPhoneから送信",
        "iPadから送信",
        "Sent from my iPhone",
        "Sent from my Galaxy",
        "Androidスマートフォンから送信されました。",
        "Yahoo!メールアプリから送信",
        "スマートフォンから送信",
        "Get Outlook for iOS",
        "Outlook for Android を入手",
        "-- \n山田 太郎\n〒100-0001 東京都千代田区1-1\nTEL 03-0000-0000",
        "--\n山田 太郎",
        "━━━━━━━━━━━━━━━━\n山田 太郎\ntaro@example.jp\n━━━━━━━━━━━━━━━━",
        "*************************\n株式会社山田\nhttps://yamada.example\n*************************",
        "=-=-=-=-=-=-=-=-=-=\n山田 太郎\n携帯 090-0000-0000",
        "◇◆◇◆◇◆◇◆◇◆◇◆\n山田\n電話 03-0000-0000\n◇◆◇◆◇◆◇◆◇◆◇◆",
    ],
)
def test_only_what_was_written_now_counts(below: str) -> None:
    assert written(f"{MINE}\n\n{below}\n") == MINE


@pytest.mark.parametrize(
    "text",
    [
        f"> {SHOPS}\n{MINE}",
        f"{SHOPS[:5]}とのことですが\n{MINE}",
        f"2026年1月5日に注文しました。\n{MINE}",
        f"From: ではなく To: に書きました\n{MINE}",
        f"{MINE}\n----------\n追伸 早くしてください",
    ],
)
def test_what_the_customer_wrote_is_never_cut(text: str) -> None:
    assert MINE in written(text)
