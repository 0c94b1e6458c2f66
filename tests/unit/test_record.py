"""Records: canonical JSON against the rfc8785 library, and the leaf that commits to a record."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.exchange import new_id
from gateway.model.record import SafeRecord, bare_leaf_text, canonical_json, leaf_text, time_text

keys = st.text(st.characters(max_codepoint=127), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_canonical_json_is_rfc_8785(record: dict[str, object]) -> None:
    assert canonical_json(record).encode() == rfc8785.dumps(record)  # type: ignore[arg-type]
    assert canonical_json(SafeRecord(record)) == canonical_json(record)
    assert json.loads(canonical_json(record)) == record


def test_japanese_and_control_characters_are_written_as_rfc_8785_asks() -> None:
    record = {"b": '注文\u2028\x7f\x1f\n"\\', "a": [1, True, None], "": "€😡"}
    assert canonical_json(record).encode() == rfc8785.dumps(record)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "record", [{"a": 1.0}, {"a": [{"b": 0.5}]}, {"あ": 1}, {"a": {"é": 1}}, {"a": {1: 2}}, {"a": b"x"}]
)
def test_floats_and_foreign_keys_are_refused(record: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        canonical_json(record)


def test_lone_surrogates_become_replacement_characters() -> None:
    """aiosmtpd hands undecodable addresses over with surrogates; a record has to be UTF-8."""
    assert canonical_json({"a": "x\udcff\ud800y"}) == '{"a":"x��y"}'


def test_leaf_text_is_the_line_that_the_design_names() -> None:
    at = datetime(2026, 1, 31, 4, 5, 6, 7, tzinfo=UTC)
    leaf = leaf_text(12, at, "mail.in", b"s" * 32, '{"a":"あ"}')
    digest = hashlib.sha256(b"s" * 32 + '{"a":"あ"}'.encode()).hexdigest()
    assert leaf == f"sekisho/1 12 2026-01-31T04:05:06.000007Z mail.in {digest}".encode()
    assert leaf == bare_leaf_text(12, at, "mail.in", digest)


def test_times_are_written_in_utc_with_all_six_digits() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert time_text(datetime(2026, 1, 1, 9, tzinfo=tokyo)) == "2026-01-01T00:00:00.000000Z"


def test_ids_are_different_and_sort_by_time() -> None:
    made = [new_id() for _ in range(2000)]
    assert len(set(made)) == 2000
    assert all(len(one) == 16 and set(one) <= set("abcdefghijklmnopqrstuvwxyz234567") for one in made)
    prefixes = [one[:8] for one in made]
    assert prefixes == sorted(prefixes)
