"""What a YAML parser's complaint means to the person who wrote the file."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from gateway.text import Text

WIDE = Text(
    "全角の「：」や全角の空白を、半角の「: 」と半角の空白に直してください。",
    "replace the full-width colon or space by a plain `: ` or a plain space",
)
_INDENT = Text(
    "字下げ（行頭の空白の数）と、「キー: 値」の形になっているかを確かめてください。",
    "check the indentation and that each line reads `key: value`",
)

# a piece of the parser's words → what is wrong, and the mend
_KNOWN: tuple[tuple[str, Text, Text], ...] = (
    (
        "mapping values are not allowed",
        Text("ここに「:」は書けません。", "a `:` cannot stand here"),
        Text(
            "字下げを確かめ、値の中に「: 」がある場合は値を引用符で囲んでください。",
            "check the indentation; put the value in quotes if it holds a `: `",
        ),
    ),
    (
        "unexpected end of stream",
        Text("引用符が閉じられていません。", "a quotation mark is not closed"),
        Text("閉じる引用符を書いてください。", "write the closing quotation mark"),
    ),
    (
        "',' or ']'",
        Text(
            "「[」で始まる並びが閉じられていないか、「,」が抜けています。",
            "a list that starts with [ is not closed, or lacks a comma",
        ),
        Text("「]」か「,」を書いてください。", "write the `]` or the comma"),
    ),
    (
        "',' or '}'",
        Text(
            "「{」で始まる組が閉じられていないか、「,」が抜けています。",
            "a group that starts with { is not closed, or lacks a comma",
        ),
        Text("「}」か「,」を書いてください。", "write the `}` or the comma"),
    ),
    (
        "block sequence entries are not allowed",
        Text("ここに「- 」は書けません。", "a `- ` cannot stand here"),
        Text("次の行に移し、字下げをそろえてください。", "move it to the next line and line it up"),
    ),
    ("could not find expected ':'", Text("「:」がありません。", "a `:` is missing"), _INDENT),
    (
        "did not find expected",
        Text("行の並びがそろっていません。", "this line does not fit the lines before it"),
        _INDENT,
    ),
    (
        "unknown escape character",
        Text('"…" の中の「\\」の使い方が正しくありません。', 'the \\ inside "…" means nothing'),
        Text("'…' で囲むか、\\\\ と書いてください。", "put the value in '…' or write \\\\"),
    ),
)


def explain(error: yaml.YAMLError, lines: Sequence[str]) -> tuple[Text, Text]:
    """What is wrong and the mend, in plain words; `lines` is the file as the parser saw it."""
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "")
    mark = getattr(error, "problem_mark", None)
    number = mark.line if mark is not None else 0
    near = lines[max(0, number - 1) : number + 1]
    line = lines[number] if number < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return (
            Text("字下げにタブが使われています。", "the indentation holds a tab"),
            Text("タブを半角の空白に置きかえてください。", "replace the tab by spaces"),
        )
    wide = any("：" in one or "\u3000" in one for one in near)
    for piece, text, mend in _KNOWN:
        if piece in said:
            return text, WIDE if wide else mend
    return (
        Text("YAML として読めません（{said}）。", "this cannot be read as YAML ({said})").with_(said=said or "?"),
        WIDE if wide else _INDENT,
    )
