"""Persons go out as CSV and come in again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.cli.people_csv import read_csv, write_csv
from gateway.cli.usage import WrongUsage
from gateway.store.persons import Person

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def person(name: str, note: str = "", **values: tuple[str, ...]) -> Person:
    return Person("id", name, note, NOW, 0, 0, values)


def test_a_round_trip() -> None:
    people = [
        person("山田 太郎", "要注意\n二行目", address=("taro@example.com", "@x.example"), phone=("09012345678",)),
        person("=cmd|'/c calc'!A1", "-1+1", order=("1001",)),
        person("名前だけ"),
    ]
    raw = write_csv(people)
    assert raw.startswith(b"\xef\xbb\xbf")
    assert b"\r\n=cmd" not in raw
    found = read_csv(raw)
    assert [(one.name, one.note) for one in found] == [(one.name, one.note) for one in people]
    assert [set(one.values) for one in found] == [
        {("address", "taro@example.com"), ("address", "@x.example"), ("phone", "09012345678")},
        {("order", "1001")},
        set(),
    ]


def test_excels_shift_jis_is_read_and_values_are_folded() -> None:
    raw = "name,kind,value\r\n髙橋,address,ＴＡＲＯ@Example.COM\r\n髙橋,phone,+81 90-1234-5678\r\n,,\r\n".encode(
        "cp932"
    )
    (one,) = read_csv(raw)
    assert one.values == (("address", "taro@example.com"), ("phone", "09012345678"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,c\n1,2,3\n", "name, kind, value"),
        ("name,kind,value\n山田,shoe,42\n", "Line 2"),
        ("name,kind,value\n山田,address,nonsense\n", "Line 2"),
        ("name,kind,value\n,address,a@b.example\n", "Line 2"),
        ("お名前,種別,値\nname,kind,value\n山田,ip,999.1.1.1\n", "Line 3"),
    ],
)
def test_faults_name_the_line(text: str, said: str) -> None:
    with pytest.raises(WrongUsage, match=said):
        read_csv(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(WrongUsage):
        read_csv(b"\x80\xff\xfe\x00name")
