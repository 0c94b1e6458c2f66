"""Templates of replies: what they can say, what they cannot do, and how faults are told."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import ConfigError, NotFound
from gateway.model.settings import Settings, Shop
from gateway.replies.templates import TemplateFault, Templates

SETTINGS = Settings(shop=Shop(name="和み工房", contact="support@shop.example"))
VALUES = {
    "shop": {"name": "和み工房", "contact": "support@shop.example"},
    "id": "abcdefghijklmnop",
    "subject": "注文について",
    "sender": "taro@example.com",
    "sender_name": "山田 太郎",
    "received_at": "2026年7月1日 09:30",
    "order": "",
}
SHIPPED = {
    "received", "suspended", "suspended-classic", "final-refusal", "records-kept", "returns-policy",
    "unreachable-1", "unreachable-2", "unreachable-3",
}  # fmt: skip


def faults(folder: Path, text: str, name: str = "x.ja.txt") -> list[str]:
    (folder / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        Templates(folder, SETTINGS)
    return [fault.in_("en").replace(str(folder) + "/", "").split("\n")[0] for fault in caught.value.faults]


def test_shipped_templates_stand_where_the_shop_has_none(tmp_path: Path) -> None:
    templates = Templates(tmp_path / "missing", SETTINGS)
    assert templates.names == SHIPPED
    for name in SHIPPED:
        for language in ("ja", "en"):
            rendered = templates.render(name, VALUES, language)
            assert rendered.subject
            assert "\n" not in rendered.subject
            assert "和み工房" in rendered.body
    assert templates.render("received", VALUES).subject == "【和み工房】お問い合わせを受け付けました"


def test_the_shops_own_template_comes_first_and_the_other_language_helps_out(tmp_path: Path) -> None:
    (tmp_path / "received.ja.txt").write_text("{{ shop.name }}です\n\n{{ sender_name }}様\n")
    (tmp_path / "only.en.txt").write_text("Subject here\n\nHello\n")
    templates = Templates(tmp_path, SETTINGS)
    assert templates.render("received", VALUES).body == "山田 太郎様\n"
    assert templates.render("only", VALUES).subject == "Subject here"
    with pytest.raises(NotFound):
        templates.render("nothing", VALUES)


def test_faults_name_file_line_column_and_the_mend(tmp_path: Path) -> None:
    assert faults(tmp_path, "件名\n\n{{ shop.name }} {{ odrer }}\n{{ shop.nam }}\n{{ subject|uper }}\n") == [
        "x.ja.txt:3:20: There is no value called `odrer`.",
        "x.ja.txt:4:9: There is no value called `shop.nam`.",
        "x.ja.txt:5:12: There is no filter `uper`.",
    ]
    assert faults(tmp_path, "件名\n{% if order %}\n") == [
        "x.ja.txt:2:1: Unexpected end of template. Jinja was looking for the following tags: 'elif' or 'else' or "
        "'endif'. The innermost block that needs to be closed is 'if'."
    ]
    assert faults(tmp_path, "\nbody\n") == ["x.ja.txt:1:1: The first line is empty."]
    assert faults(tmp_path, "{{ order }}\nbody\n") == ["x.ja.txt:1:1: The first line is empty."]


def test_a_file_of_another_name_or_coding_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, "x\n", "Received.txt") == [
        "Received.txt: A template is named NAME.ja.txt or NAME.en.txt (small letters, digits, hyphens)."
    ]
    (tmp_path / "Received.txt").unlink()
    (tmp_path / "sjis.ja.txt").write_bytes("件名".encode("cp932"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        Templates(tmp_path, SETTINGS)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ subject ~ subject }}",
        "{{ subject.center(1000000000) }}",
        "{{ subject|center(1000000000) }}",
        "{{ subject.format(1) }}",
        "{{ shop.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{% include 'received.ja.txt' %}",
        "{% import 'x' as y %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace(a='x') %}",
        "{{ lipsum(1000) }}",
        "{{ cycler }}",
        "{{ self }}",
        "{{ range(100000000) }}",
        "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}",
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
        "{% set a = 'aaaaaaaaaaaaaaaa' %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
        "{% set a = ['aaaaaaaaaaaaaaaa', 'b'] %}" + "{% set a = [a, a] %}" * 40 + "{{ a|join }}",
        "{{ 1 // 0 }}",
    ],
)
def test_jinja2_sandbox_lets_multiplication_through_and_we_do_not(tmp_path: Path, source: str) -> None:
    """FACTS: `'a' * 10**9` takes 28 s and 1 GB in jinja2's sandbox; so does much that is like it."""
    began = time.process_time()
    found = faults(tmp_path, f"件名\n{source}\n")
    assert found
    assert time.process_time() - began < 10  # in jinja2 itself 28


def test_bounds_hold_while_a_template_runs(tmp_path: Path) -> None:
    (tmp_path / "x.ja.txt").write_text("件名\n{% for c in subject %}{% for d in subject %}x{% endfor %}{% endfor %}\n")
    templates = Templates(tmp_path, SETTINGS)
    with pytest.raises(TemplateFault, match="takes too long"):
        templates.render("x", {**VALUES, "subject": "あ" * 400})


def test_rendered_text_can_inject_no_header(tmp_path: Path) -> None:
    (tmp_path / "x.ja.txt").write_text("件名 {{ subject }} {{ sender_name }}\n{{ subject }}\n")
    templates = Templates(tmp_path, SETTINGS)
    evil = "a\r\nBcc: victim@example.com\u2028X: y\x00\u202egnp"
    rendered = templates.render("x", {**VALUES, "subject": evil, "sender_name": "b\nc"})
    assert rendered.subject == "件名 a Bcc: victim@example.com X: y gnp b c"
    assert rendered.body == "a Bcc: victim@example.com X: y gnp\n"


def test_long_values_are_cut(tmp_path: Path) -> None:
    (tmp_path / "x.ja.txt").write_text("件名 {{ subject }}\n{{ subject }}\n")
    rendered = Templates(tmp_path, SETTINGS).render("x", {**VALUES, "subject": "あ" * 100_000})
    assert len(rendered.subject) == 150
    assert len(rendered.body) == 501


def test_lines_of_tags_alone_leave_no_line(tmp_path: Path) -> None:
    text = "件名\n\n{% if order %}\n注文 {{ order }}\n{% endif %}\n{# note #}\n{% if order %}a{% endif %}\nend\n"
    (tmp_path / "x.ja.txt").write_text(text)
    templates = Templates(tmp_path, SETTINGS)
    assert templates.render("x", {**VALUES, "order": "12"}).body == "注文 12\na\nend\n"
    assert templates.render("x", VALUES).body == "end\n"


def test_reload_takes_all_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "x.ja.txt"
    file.write_text("一\nbody\n")
    templates = Templates(tmp_path, SETTINGS)
    file.write_text("二\n{{ nothing }}\n")
    with pytest.raises(ConfigError):
        templates.reload()
    assert templates.render("x", VALUES).subject == "一"
    file.write_text("三\nbody\n")
    templates.reload()
    assert templates.render("x", VALUES).subject == "三"


def test_the_language_is_the_shops(tmp_path: Path) -> None:
    english = replace(SETTINGS, shop=replace(SETTINGS.shop, language="en"))
    assert Templates(tmp_path, english).render("received", VALUES).subject.startswith("We have received")
