"""The copy that is passed on: byte-exact but for forged results in our name."""

import pytest

from gateway.mime.relay import relay_copy

TRACE = b"Received: from x by mx.shop.example; now\r\n"
BODY = b"\r\nAuthentication-Results: mx.shop.example; in the body\r\n\x00\xff\r\n"


def copy(fields: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    return relay_copy(fields + BODY, TRACE, "mx.shop.example")


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.shop.example; spf=pass\r\n",
        b"AUTHENTICATION-RESULTS:MX.Shop.Example;\r\n dkim=pass\r\n",
        b"Authentication-Results :\r\n\tmx.shop.example 1; none\r\n",
        b'Authentication-Results: (forged (twice)) "mx.shop.example"; none\r\n',
        b"Authentication-Results: mx.shop.example\r\n",
        b"Authentication-Results: mx.shop.example.(x); spf=pass\r\n",
    ],
)
def test_results_in_our_name_are_taken_out(field: bytes) -> None:
    assert copy(b"A: 1\r\n" + field + b"B: 2\r\n") == (TRACE + b"A: 1\r\nB: 2\r\n" + BODY, (field,))


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: other.example; mx.shop.example\r\n",
        b"Authentication-Results: mx.shop.example.evil.example; spf=pass\r\n",
        b"X-Authentication-Results: mx.shop.example; none\r\n",
        b"ARC-Authentication-Results: i=1; mx.shop.example; none\r\n",
        b"Subject: x\r\n Authentication-Results: mx.shop.example; none\r\n",
        b"Authentication-Results:\r\n",
        b"Authentication-Results: (never closed\r\n",
    ],
)
def test_everything_else_stays_byte_for_byte(field: bytes) -> None:
    assert copy(field) == (TRACE + field + BODY, ())


def test_several_fields_and_lf_lines() -> None:
    one = b"Authentication-Results: mx.shop.example; a\n"
    copied, removed = relay_copy(one + b"A: 1\n" + one + b"\nbody", b"", "mx.shop.example")
    assert (copied, removed) == (b"A: 1\n\nbody", (one, one))


def test_names_are_compared_as_a_labels() -> None:
    field = "Authentication-Results: mx.和み.example; a\r\n".encode()
    assert relay_copy(field + b"\r\n", b"", "mx.xn--y8jyb.example")[1] == ()
    assert relay_copy(field + b"\r\n", b"", "mx.和み.example")[1] == (field,)


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"no header", b"A: 1", b"A: 1\r\nAuthentication-Results: mx.shop.example"]
)
def test_odd_messages(raw: bytes) -> None:
    copied, removed = relay_copy(raw, TRACE, "mx.shop.example")
    assert len(copied) + sum(map(len, removed)) == len(raw) + len(TRACE)
