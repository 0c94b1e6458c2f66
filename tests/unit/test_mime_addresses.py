"""Address lists as carriers and customers send them."""

import pytest

from gateway.mime.addresses import Mailbox, parse_addresses


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.example", [("", "a@b.example")]),
        (b"Taro <a@b.example>", [("Taro", "a@b.example")]),
        (b'"Yamada, Taro" <a@b.example>, c@d.example', [("Yamada, Taro", "a@b.example"), ("", "c@d.example")]),
        (b"Yamada, Taro <a@b.example>", [("Yamada, Taro", "a@b.example")]),
        (b"a@b.example (Taro (the first))", [("Taro (the first)", "a@b.example")]),
        (b"foo..bar@docomo.ne.jp", [("", "foo..bar@docomo.ne.jp")]),
        (b"<.abc.@ezweb.ne.jp>", [("", ".abc.@ezweb.ne.jp")]),
        (b'"a..b"@docomo.ne.jp', [("", '"a..b"@docomo.ne.jp')]),
        (b"undisclosed-recipients:;", []),
        (b"shop: a@b.example, C <c@d.example>;", [("", "a@b.example"), ("C", "c@d.example")]),
        (b"<@relay.example,@two.example:a@b.example>", [("", "a@b.example")]),
        (b"a @ b.example", [("", "a@b.example")]),
        (b"Taro <a@b.example", [("Taro", "a@b.example")]),
        (b"<a@b.example> <c@d.example>", [("", "a@b.example"), ("", "c@d.example")]),
        (b"shop@shop.example <evil@x.example>", [("shop@shop.example", "evil@x.example")]),
        (b"<>", []),
        (b"", []),
        (b",;,", []),
        (b"'Taro' <a@b.example>", [("Taro", "a@b.example")]),
        (b'"\\"Q\\" Taro" <a@b.example>', [('"Q" Taro', "a@b.example")]),
    ],
)
def test_mailboxes(value: bytes, expected: list[tuple[str, str]]) -> None:
    found = parse_addresses(value)
    assert [box.address for box in found] == [address for _, address in expected]
    assert [box.name.strip('"') for box in found] == [name.strip('"') for name, _ in expected]


@pytest.mark.parametrize(
    "name",
    [
        b"=?iso-2022-jp?B?GyRCOzNFRBsoQg==?=",
        b'"=?UTF-8?B?5bGx55Sw?="',
        "山田".encode("iso2022_jp"),
        "山田".encode("cp932"),
        "山田".encode(),
    ],
)
def test_japanese_names(name: bytes) -> None:
    assert parse_addresses(name + b" <taro@example.jp>") == (Mailbox("山田", "taro@example.jp"),)


def test_raw_jis_name_whose_bytes_look_like_structure() -> None:
    text = "あ、い（う）".encode("iso2022_jp")
    assert any(c in text for c in b'",;<>()')
    assert parse_addresses(text + b" <a@b.example>") == (Mailbox("あ、い（う）", "a@b.example"),)


def test_comma_inside_an_encoded_word_does_not_split() -> None:
    assert parse_addresses(b"=?utf-8?Q?a=2C_b?= <a@b.example>") == (Mailbox("a, b", "a@b.example"),)
