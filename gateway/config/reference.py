"""The reference page of facts and operators, made from their declarations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.config.operators import operators_of
from gateway.model.fact import FactSpec, Kind
from gateway.text import Text

KINDS = {
    Kind.ADDRESS: Text("アドレス", "address"),
    Kind.TEXT: Text("文字", "text"),
    Kind.YES_NO: Text("true / false", "true / false"),
    Kind.IP: Text("IP アドレス", "IP address"),
    Kind.NUMBER: Text("数", "number"),
    Kind.CHOICE: Text("選択", "choice"),
    Kind.SET: Text("分類の集まり", "set"),
}

OPERATORS = {
    "is": Text(
        '等しい。並べればそのどれか。`none` は「ない」。アドレスは `"@example.com"`（ドメイン）、`"*.example.com"`'
        "（その下）、IP は `192.0.2.0/24` や `192.0.2.*` も書けます。",
        'Equal; of several, any. `none` means that there is none. An address may be `"@example.com"` (its domain) or '
        '`"*.example.com"` (below it), an IP `192.0.2.0/24` or `192.0.2.*`.',
    ),
    "contains": Text("この言葉を含む。並べればそのどれか。", "Contains this; of several, any."),
    "starts_with": Text("この言葉で始まる。", "Begins with this."),
    "ends_with": Text("この言葉で終わる。", "Ends with this."),
    "matches": Text(
        "正規表現（RE2）に合う。全角・半角や大文字・小文字は区別しません。",
        "Fits a regular expression (RE2), whatever the case and width of the letters.",
    ),
    "in": Text(
        "`lists:` に名前のあるリスト、または `[A, B]` と並べたものにある。",
        "Is on a list that `lists:` names, or among `[A, B]`.",
    ),
    "at_least": Text("この数以上。", "This number or more."),
    "at_most": Text("この数以下。", "This number or less."),
    "between": Text(
        '時間帯。`"22:00-06:00"` は 22 時から翌 6 時になる前まで。',
        'A span of hours; `"22:00-06:00"` is from 22:00 until before 6:00.',
    ),
    "has": Text("この分類がある。並べればそのどれか。", "Has this category; of several, any."),
    "within": Text(
        "演算子ではなく、数える期間（`24h`、`7d`）。ほかの演算子と並べて書きます。",
        "No operator but the span that is counted (`24h`, `7d`), written beside one.",
    ),
}

_HEAD = """\
<!-- made from the code by `make docs`: change the declarations, not this page -->

# Facts and operators · ファクトと演算子

A rule's condition is `fact: value` or `fact: {operator: value}`; without an operator the first of the fact is meant.
Text is compared after NFKC, case folding and removal of zero-width characters. No condition holds on a fact that could
not be found out.

ルールの条件は `ファクト: 値` か `ファクト: {演算子: 値}` と書きます。演算子を省くと、最初の演算子になります。
文字は全角・半角、大文字・小文字などの違いをそろえてから比べます。調べられなかったファクトの条件は、成り立ちません。

`replay`, which tries rules on the mail on record, takes **recorded** facts as they were when the mail came. Where a
fact was not recorded because no rule asked for it then, it is counted from the mail before (**else as of then**), or
unknown. All other facts are found out again from the original bytes, by the rules, lists and config of today.

`replay`（過去のメールでルールを試す）では、**recorded** のファクトは受信したときの値を使います。
そのとき調べていなければ、**else as of then** のものはそれ以前の記録から数え、ほかは「不明」です。
残りは、今のルール・リスト・設定で原文から調べ直します。
"""


def reference(
    filters: Iterable[tuple[str, Sequence[FactSpec]]],
    replayed: Callable[[FactSpec], str],
) -> str:
    """The page in Markdown, both languages side by side; `replayed` tells where a replay has a fact from."""
    lines = [_HEAD, "## Facts · ファクト", ""]
    for name, specs in filters:
        lines += [f"### {name}", "", _row("fact", "kind", "operators", "意味", "meaning", "replay"), _row(*["---"] * 6)]
        for spec in specs:
            lines.append(
                _row(
                    _name(spec),
                    _kind(spec),
                    " ".join(f"`{one}`" for one in _operators(spec)),
                    spec.about.ja.rstrip("。"),
                    spec.about.en.rstrip("."),
                    replayed(spec),
                )
            )
        lines.append("")
    lines += ["## Operators · 演算子", "", _row("operator", "意味", "meaning"), _row(*["---"] * 3)]
    lines += [_row(f"`{name}`", text.ja, text.en) for name, text in OPERATORS.items()]
    return "\n".join(lines) + "\n"


def _name(spec: FactSpec) -> str:
    return f"`{spec.name}.NAME`" if spec.argument == "name" else f"`{spec.name}`"


def _kind(spec: FactSpec) -> str:
    kind = KINDS[spec.kind]
    said = kind.en if kind.en == kind.ja else f"{kind.en} {kind.ja}"
    if spec.choices:
        said += ": " + " ".join(f"`{choice}`" for choice in spec.choices)
    return f"{said}, any of several" if spec.many else said


def _operators(spec: FactSpec) -> tuple[str, ...]:
    return (*operators_of(spec), *(("within",) if spec.argument == "within" else ()))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
