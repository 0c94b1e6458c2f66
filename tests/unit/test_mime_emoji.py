"""Emoji of mobile carriers: mapped in their mail, and nothing else ever touched."""

import base64

import pytest

from gateway.mime import carriers, charset, emoji
from gateway.mime.message import Message

MARK = emoji.GETA


def mail(sender: str, subject: bytes, body: bytes, label: str, *more: bytes) -> Message:
    head = [b"From: " + sender.encode(), b"Subject: " + subject, *more]
    return Message(b"\r\n".join([*head, f"Content-Type: text/plain; charset={label}".encode(), b"", body]))


def word(data: bytes, label: str) -> bytes:
    return b"=?" + label.encode() + b"?B?" + base64.b64encode(data) + b"?="


@pytest.mark.parametrize(
    ("carrier", "label", "data", "expected"),
    [
        ("docomo", "Shift_JIS", b"\xf8\x9f\xf9\x91\xf9\xfc", "☀❤😱"),
        ("docomo", "utf-8", "\ue63e\ue6ec\ue757".encode(), "☀❤😱"),
        ("docomo", "utf-8", "\ue70c".encode(), MARK),  # the mark of i-mode
        ("docomo", "Shift_JIS", b"\xf0\x40", MARK),  # nobody's
        ("au", "iso-2022-jp", b"\x1b$B%F%9%HvO\x1b(B", "テスト💨"),
        ("au", "iso-2022-jp", b"\x1b$Bu:y!{m\x1b(B", "⚠🍂🙎"),
        ("au", "iso-2022-jp", b"\x1b$B}!\x1b(B", MARK),
        ("au", "Shift_JIS", b"\xf6\x59\xf3\x40\xf4\x8d", "⚠🍂🙎"),
        ("au", "Shift_JIS", b"\xeb\x59\xed\x40\xee\x8d", "⚠🍂🙎"),  # the form of its mail
        ("au", "utf-8", "\ue481\ueb88\uef59".encode(), "⚠🙎⚠"),
        ("softbank", "Shift_JIS", b"\xf9\x41\xf7\x41\xf7\xa1\xf9\xa1\xfb\x41\xfb\xa1", None),
        ("softbank", "utf-8", "\ue001\ue101\ue201\ue301\ue401\ue501".encode(), "👦📫🚶📝😥🏩"),
        ("au", "iso-2022-jp", b"\x1b$BzYzbz~{P{Q\x1b(B", "👴🐘🍕👗🗿"),  # おじいさん 象 ピザ ドレス モヤイ像
        ("softbank", "utf-8", "\ue03c\ue21c".encode(), "🎤1\u20e3"),
        ("", "utf-8", b"\x1b$GSR\x0f x \x1b$Q!\x0f", "🎄🌹 x 🏩"),
        ("", "iso-2022-jp", b'\x1b$B$"\x1b(B\x1b$G!\x0f\x1b$B$$\x1b(B', "あ👦い"),
        ("", "x-sjis-docomo", b"\xf8\x9f", "☀"),
        ("", "UTF-8-Mobile#SOFTBANK", "\ue001".encode(), "👦"),
        ("", "iso-2022-jp-kddi", b"\x1b$BvO\x1b(B", "💨"),
    ],
)
def test_emoji_of_each_carrier_in_each_encoding(carrier: str, label: str, data: bytes, expected: str | None) -> None:
    assert charset.decode(data, label, carrier) == (expected or "👦📫🚶📝😥🏩")


@pytest.mark.parametrize(
    ("sender", "label", "data", "expected"),
    [
        ("a..b@docomo.ne.jp", "Shift_JIS", "届きません".encode("cp932") + b"\xf9\x91", "届きません❤"),
        ("a@ezweb.ne.jp", "ISO-2022-JP", b"\x1b$B%F%9%HvO\x1b(B", "テスト💨"),
        ("<a@i.softbank.jp>", "UTF-8", "題名\ue03c".encode(), "題名🎤"),
        ("a@t.vodafone.ne.jp", "UTF-8", "\ue001".encode(), "👦"),
        ("a@pdx.ne.jp", "Shift_JIS", b"\xf8\x9f", "☀"),
    ],
)
def test_subject_body_and_names_of_a_carriers_mail(sender: str, label: str, data: bytes, expected: str) -> None:
    message = mail(sender, word(data, label), data, label, b"Reply-To: " + word(data, label) + b" <a@b.example>")
    assert (message.subject, message.body()) == (expected, expected)
    assert message.addresses("reply-to")[0].name == expected
    raw = mail(sender, data, data, label)
    assert raw.subject == expected


def test_emoji_alone_do_not_look_like_another_charset() -> None:
    assert charset.decode(b"\xf8\x9f\xf8\xa0\xf8\xa1", "Shift_JIS", "docomo") == "☀☁☔"


def test_emoji_as_character_references_of_html() -> None:
    raw = b"From: a@docomo.ne.jp\r\nContent-Type: text/html; charset=Shift_JIS\r\n\r\n<p>&#xE63E;&#58942;</p>"
    assert Message(raw).body() == "☀☀"


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ("外字\ue63e\uf8ff".encode(), "utf-8"),
        ("外字\ue001".encode("cp932"), "Shift_JIS"),
        ("髙﨑".encode("cp932"), "Shift_JIS"),
        (b"\x1b$B{bybz!\x1b(B", "iso-2022-jp"),
    ],
)
@pytest.mark.parametrize("sender", ["a@example.jp", "a@docomo.ne.jp.example", "docomo.ne.jp@example.jp", "nobody"])
def test_private_characters_and_rare_ideographs_of_others_stay(data: bytes, label: str, sender: str) -> None:
    assert mail(sender, b"x", data, label).body() == charset.decode(data, label)
    assert MARK not in charset.decode(data, label)


def test_a_computer_at_a_carriers_address_writes_ideographs() -> None:
    name = b"\x1b$B{by5\x1b(B"
    plain = charset.decode(name, "iso-2022-jp")
    assert not any(c in plain for c in MARK + "\ufffd")
    assert mail("a@ezweb.ne.jp", b"x", name, "iso-2022-jp", b"X-Mailer: Microsoft Outlook 16.0").body() == plain
    assert mail("a@ezweb.ne.jp", b"x", name, "iso-2022-jp").body() != plain
    iphone = mail("a@i.softbank.jp", b"x", "\ue001".encode(), "utf-8", b"X-Mailer: iPhone Mail (7A341)")
    assert iphone.body() == "👦"


@pytest.mark.parametrize("carrier", [carriers.DOCOMO, carriers.AU, carriers.SOFTBANK])
def test_ordinary_text_of_a_carriers_mail_stays(carrier: str) -> None:
    text = "注文①番、㈱和み工房 ﾃｽﾄ 〜 ☆ abc"
    for label in ("cp932", "utf-8"):
        assert charset.decode(text.encode(label), label, carrier) == charset.decode(text.encode(label), label)
    plain = bytes(b for row in range(0x21, 0x75) for cell in range(0x21, 0x7F) for b in (row, cell))
    data = b"\x1b$B" + plain + b"\x1b(B"
    assert charset.decode(data, "iso-2022-jp", carrier) == charset.decode(data, "iso-2022-jp")


def test_every_shift_jis_character_of_another_carrier_stays() -> None:
    for lead in [*range(0x81, 0xA0), *range(0xE0, 0xEB), 0xFA, 0xFC]:
        for trail in [*range(0x40, 0x7F), *range(0x80, 0xFD)]:
            data = bytes((lead, trail))
            for carrier in (carriers.DOCOMO, carriers.AU, carriers.SOFTBANK):
                assert charset.decode(data, "cp932", carrier) == charset.decode(data, "cp932")


def test_the_table_is_whole() -> None:
    counted = {name: sum(c != MARK for c in emoji.of(name).shift_jis.values()) for name in ("docomo", "au", "softbank")}
    assert counted == {"docomo": 244, "au": 633, "softbank": 469}
    assert sum(c != MARK for c in emoji.of("au").jis.values()) == 633
    private = emoji.of("softbank").private
    assert all(private[0xE000 + page * 0x100 + 1] != MARK for page in range(6))
    # au's mail form is its Shift_JIS 22 rows up, for every one
    for (row, cell), character in emoji.of("au").jis.items():
        assert charset.decode(b"\x1b$B" + bytes((row, cell)), "", "au") == character
