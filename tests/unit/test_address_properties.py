"""What holds of every address: two ways of writing one mailbox have one key, and a key is its own key."""

from __future__ import annotations

import string

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.model.address import ZERO_WIDTH, domain_of, fold_address, fold_domain
from gateway.model.entry import address_keys, parse_entry

ATEXT = string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~."
locals_ = st.text(ATEXT, min_size=1, max_size=40)
labels = st.from_regex(r"[a-z0-9]([a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
domains = st.lists(labels, min_size=2, max_size=4).map(".".join).filter(lambda domain: not domain[-1].isdigit())
WIDE = {ord(c): chr(ord(c) + 0xFEE0) for c in ATEXT + "@"}


@given(st.text(max_size=200))
@example("ﬀ@x.jp")
@example('"a@b"@x.jp')
@example("<<a@b.jp>>")
@example('""a""@b.jp')
@example("a@xn--zz--zz.jp")
@example(" \u3000a@b.jp")
@example("ẞ@x.jp")
@example("ΐ@x.jp")
def test_any_text_has_a_key_that_is_its_own_key(text: str) -> None:
    key = fold_address(text)
    assert fold_address(key) == key


@given(locals_, domains)
def test_an_address_has_a_key_that_is_its_own_key(local: str, domain: str) -> None:
    key = fold_address(f"{local}@{domain}")
    assert key == f"{local.lower()}@{domain}"
    assert fold_address(key) == key
    assert domain_of(key) == domain


@given(locals_, domains)
def test_quoted_is_unquoted(local: str, domain: str) -> None:
    assert fold_address(f'"{local}"@{domain}') == fold_address(f"{local}@{domain}")


@given(locals_, domains)
def test_full_width_is_half_width(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    assert fold_address(address.translate(WIDE)) == fold_address(address)


@given(locals_, domains, st.data())
def test_case_brackets_blanks_and_zero_width_characters_are_no_difference(
    local: str, domain: str, data: st.DataObject
) -> None:
    address = f"{local}@{domain}"
    key = fold_address(address)
    at = data.draw(st.integers(0, len(address)))
    hidden = chr(data.draw(st.sampled_from(sorted(ZERO_WIDTH))))
    for written in (
        address.upper(),
        f"<{address}>",
        f" {address} ",
        address + ".",
        address[:at] + hidden + address[at:],
    ):
        assert fold_address(written) == key


@given(st.text(max_size=100))
def test_any_domain_has_a_key_that_is_its_own_key(text: str) -> None:
    key = fold_domain(text)
    assert fold_domain(key) == key


@given(locals_, domains)
def test_a_blocked_address_is_found_however_it_is_written(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    for written in (address, f'"{local}"@{domain}', address.translate(WIDE), address.upper()):
        entry = parse_entry(written)
        assert entry is not None
        assert entry.value in address_keys(address)
        assert f"@{domain}" in address_keys(written)
