"""Messages: header section, parts, body, attachments."""

import base64

import pytest

from gateway.mime.message import Message


def multipart(kind: str, *parts: bytes, boundary: str = "b") -> bytes:
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    mark = b"--" + boundary.encode()
    return head + b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"


def test_fields_keep_order_and_raw_values() -> None:
    message = Message(b"A: 1\r\nb : 2\r\n\tfolded\r\na: 3\r\n\r\nbody")
    assert message.headers.fields == (("a", b"1"), ("b", b"2\r\n\tfolded"), ("a", b"3"))
    assert message.headers.all("A") == ("1", "3")
    assert message.headers.get("b") == "2 folded"
    assert message.headers.raw("B") == (b"2\r\n\tfolded",)
    assert message.headers.get("c") is None
    assert message.body() == "body"


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_every_line_end(end: bytes) -> None:
    message = Message(end.join([b"From x@y Thu Jan 1", b"Subject: s", b"", b"one", b"two"]))
    assert (message.subject, message.body()) == ("s", "one\ntwo")


def test_a_line_that_is_no_field_ends_the_header_section() -> None:
    message = Message(b"Subject: s\r\nhello there\r\nmore")
    assert (message.subject, message.body()) == ("s", "hello there\nmore")


def test_empty_and_headless_messages() -> None:
    assert Message(b"").body() == ""
    assert Message(b"\r\nonly text").body() == "only text"
    assert Message(b"Subject: s").subject == "s"


def test_body_prefers_plain_text() -> None:
    message = Message(multipart("alternative", TEXT + "平文".encode(), HTML + b"<p>markup</p>"))
    assert message.body() == "平文"


def test_body_from_html_where_the_plain_part_is_blank() -> None:
    message = Message(multipart("alternative", TEXT + b" \r\n", HTML + "<p>本文<br>二行目</p>".encode()))
    assert message.body() == "本文\n二行目"


def test_body_of_nested_multiparts_as_japanese_phones_send_them() -> None:
    inner = multipart("alternative", TEXT + "デコメ".encode(), HTML + b"<b>x</b>", boundary="inner")
    image = b"Content-Type: image/gif; name=a.gif\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lGOD"
    message = Message(multipart("mixed", multipart("related", inner, image, boundary="middle")))
    assert message.body() == "デコメ"
    assert [(part.content_type, part.name) for part in message.attachments()] == [("image/gif", "a.gif")]


def test_texts_around_an_attachment_are_both_body() -> None:
    attached = b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\nsecret"
    message = Message(multipart("mixed", TEXT + b"one", attached, TEXT + b"two"))
    assert message.body() == "one\ntwo"
    assert [part.name for part in message.attachments()] == ["note.txt"]


def test_attachments_of_an_attached_message_are_seen() -> None:
    inner = multipart("mixed", TEXT + b"x", b"Content-Type: a/b; name=in.exe\r\n\r\nMZ", boundary="in")
    message = Message(multipart("mixed", TEXT + b"y", b"Content-Type: message/rfc822\r\n\r\n" + inner))
    assert [part.name for part in message.attachments()] == ["", "in.exe"]
    assert message.body() == "y"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("base64", base64.encodebytes("こんにちは".encode())),
        ("BASE64", base64.b64encode("こんにちは".encode()).rstrip(b"=")),
        ("base64", b"4 4GT!44KT\r\n\r\n44Gr-44Gh44Gv=="),
        ("quoted-printable", b"=E3=81=93=E3=82=93=\r\n=E3=81=AB=E3=81=A1=E3=81=AF"),
        ("8bit", "こんにちは".encode()),
        ("no-such", "こんにちは".encode()),
        ("x-uuencode", b"begin 644 a\r\n/XX&3XX*3XX&KXX&AXX&O\r\n \r\nend\r\n"),
    ],
)
def test_transfer_encodings_also_broken_ones(encoding: str, data: bytes) -> None:
    head = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    assert Message(head + data).body().strip() == "こんにちは"


def test_two_base64_blocks_in_one_part() -> None:
    assert Message(b"Content-Transfer-Encoding: base64\r\n\r\nYQ==\r\nYg==\r\n").body() == "ab"


def test_format_flowed_paragraphs_are_joined() -> None:
    head = b"Content-Type: text/plain; format=flowed; delsp=yes; charset=utf-8\r\n\r\n"
    assert Message(head + "返 \r\n金\r\n> 引 \r\n> 用\r\n-- \r\n署名\r\n".encode()).body() == "返金\n> 引用\n-- \n署名"


def test_missing_end_boundary_and_missing_boundary_parameter() -> None:
    assert Message(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n").body() == "one"
    assert Message(b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\none\r\n--x--\r\n").body() == "one"
    assert Message(b"Content-Type: multipart/mixed; boundary=b\r\n\r\njust text").body() == "just text"


def test_outer_boundary_ends_inner_parts() -> None:
    raw = multipart("mixed", b"Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\none", TEXT + b"two")
    assert Message(raw).body() == "one\ntwo"


def test_boundary_that_begins_like_another() -> None:
    inner = multipart("mixed", TEXT + b"one", TEXT + b"two", boundary="bb")
    assert Message(multipart("mixed", inner, TEXT + b"three", boundary="b")).body() == "one\ntwo\nthree"


def test_digest_parts_are_messages() -> None:
    raw = multipart("digest", b"\r\nSubject: inner\r\n\r\ntext")
    assert Message(raw).parts()[0].content_type == "message/rfc822"


def test_message_id_and_addresses() -> None:
    message = Message(b"Message-ID:  <a@b> (x)\r\nTo: a@b.example\r\nTo: c@d.example\r\n\r\n")
    assert message.message_id == "<a@b>"
    assert [box.address for box in message.addresses("to")] == ["a@b.example", "c@d.example"]


def test_file_name_without_control_characters() -> None:
    raw = b'Content-Type: a/b; name="x\ty.txt"\r\n\r\n'
    assert Message(raw).parts()[0].name == "x y.txt"


def test_unknown_charset_is_no_lookup_error() -> None:
    assert (
        Message(b"Content-Type: text/plain; charset=x-user-defined\r\n\r\n" + "注文".encode("cp932") * 3).body()
        == "注文" * 3
    )
