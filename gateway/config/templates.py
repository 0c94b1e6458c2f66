"""Reply templates checked without being rendered: encoding, size, syntax, names, and a subject on the first line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.config.document import suggestion
from gateway.config.files import Faults, Place, decode, read_bounded, shown
from gateway.errors import Fault
from gateway.text import Text

MAX_BYTES = 64 * 1024
VARIABLES = {"shop": ("name", "contact"), "subject": (), "date": (), "order": (), "sender_name": ()}


def check_templates(folder: Path, language: str) -> list[Fault]:
    """Every fault in the templates of a language; a folder that does not exist leaves the packaged ones in use."""
    found: list[Fault] = []
    if not folder.is_dir():
        if folder.exists():
            Faults(shown(folder), found).add(
                None,
                Text("templates はフォルダーではありません。", "templates is not a folder"),
                Text(
                    "文面のファイルを置いたフォルダーを書いてください。",
                    "name the folder that holds the template files",
                ),
            )
        return found
    for path in sorted(folder.glob(f"*.{language}.txt")):
        _check(path, Faults(shown(path), found))
    return found


def _check(path: Path, faults: Faults) -> None:
    raw = read_bounded(path, MAX_BYTES, faults)
    text = decode(raw, faults) if raw is not None else None
    if text is None:
        return
    if not text.split("\n", 1)[0].strip():
        faults.add(
            Place(1, 1),
            Text("一行目に件名がありません。", "the first line, which is the subject, is empty"),
            Text("一行目に件名を書いてください。", "write the subject on the first line"),
        )
    try:
        tree = ImmutableSandboxedEnvironment(autoescape=False).parse(text)
    except TemplateSyntaxError as error:
        faults.add(
            Place(error.lineno, 1),
            Text("文面の書き方が正しくありません（{reason}）。", "the template cannot be read ({reason})").with_(
                reason=error.message
            ),
            Text("{{ }} と {% %} の対応を確かめてください。", "check that every {{ }} and {% %} is closed"),
        )
        return
    except RecursionError:
        faults.add(Place(1, 1), Text("文面の入れ子が深すぎます。", "the template is nested too deeply"))
        return
    for line, name, allowed in _unknown(tree):
        faults.add(
            Place(line, 1),
            Text("「{name}」は文面では使えません。", "{name} means nothing in a template").with_(name=name),
            suggestion(name, allowed),
        )


def _unknown(tree: nodes.Template) -> Iterator[tuple[int, str, list[str]]]:
    """Names that no template is given, with those that it is."""
    stored = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    for name in tree.find_all(nodes.Name):
        if name.name not in VARIABLES and name.name not in stored:
            yield name.lineno, name.name, [*VARIABLES, "shop.name", "shop.contact"]
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and attribute.node.name == "shop":
            fields = VARIABLES["shop"]
            if attribute.attr not in fields:
                yield attribute.lineno, f"shop.{attribute.attr}", [f"shop.{field}" for field in fields]
