"""Reply templates: one file a template and language, the first line the subject; the shop's own before the packaged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import Template
from jinja2.exceptions import TemplateError, TemplateSyntaxError

from gateway.errors import ConfigError, Fault, NotFound, SekishoError
from gateway.model.settings import Settings
from gateway.replies.sandbox import Exhausted, Finding, NotAllowed, Sandbox
from gateway.text import Text, plain

# What a template can say: the names of values and, for groups of them, of their parts.
VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "shop": ("name", "contact"),
    "id": (),  # our number of the message, for the customer to quote
    "subject": (),  # of the customer's mail, one line
    "sender": (),  # the customer's address
    "sender_name": (),  # as written in From; may be empty
    "received_at": (),  # date and time in the shop's zone
    "order": (),  # the order number found in the mail; may be empty
}
_FILE = re.compile(r"([a-z0-9][a-z0-9-]{0,63})\.(ja|en)\.txt")
# What a rendering can raise on values of an unexpected kind.
_FAILURES = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError)
_MAX_VALUE = 500
_SUBJECT_LENGTH = 150

BAD_NAME = Text(
    "テンプレートのファイル名は「名前.ja.txt」または「名前.en.txt」とします（名前は半角の小文字・数字・ハイフン）。",
    "A template is named NAME.ja.txt or NAME.en.txt (small letters, digits, hyphens).",
)
NO_SUBJECT = Text("1行目が空です。", "The first line is empty.")
SUBJECT_MEND = Text("1行目に件名を書きます。", "Write the subject on the first line.")
NOT_UTF8 = Text("UTF-8 ではないため読めません。", "The file is not UTF-8.")
NO_TEMPLATE = Text("「{name}」というテンプレートはありません。", "There is no template called `{name}`.")
FAILED = Text("テンプレート「{name}」を差し込めませんでした：{why}", "The template `{name}` cannot be filled in: {why}")

_FULL = {
    "shop": {"name": "見本の店", "contact": "support@shop.example"},
    "id": "abcdefghijklmnop",
    "subject": "見本の件名",
    "sender": "customer@example.com",
    "sender_name": "見本 太郎",
    "received_at": "2026-01-31 12:34",
    "order": "1001",
}
_SPARE = {**_FULL, "subject": "", "sender_name": "", "order": ""}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A filled-in template: one line of subject, text with LF lines."""

    subject: str
    body: str


Stamp = tuple[tuple[str, int, int, int], ...]


class TemplateFault(SekishoError):
    """A template that passed the check and yet cannot be filled in for this message."""


class Templates:
    """The templates in force. Reading them again replaces all or, on a fault, none."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        """Read and check every template; raises ConfigError with every fault."""
        self._directory = directory
        self._language = settings.shop.language
        self._sandbox = Sandbox()
        self.reload()

    def reload(self) -> None:
        """Read all files again; raises ConfigError and then keeps what was."""
        self.stamp = self.look()  # of the files when they were last read, whether they had a fault or not
        self._kept = self._load()
        self.names = frozenset(name for name, _ in self._kept)  # that a rule may use

    def look(self) -> Stamp:
        """What tells that a file of the shop's folder was changed, added or taken away."""
        found = []
        for path in sorted(self._directory.glob("*.txt")):
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((path.name, status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)

    def render(self, name: str, values: Mapping[str, object], language: str = "") -> Rendered:
        """The template in `language` (the shop's by default, else the other one), filled in.

        Raises NotFound for an unknown name, TemplateFault where it cannot be filled in.
        """
        first = language or self._language
        template = self._kept.get((name, first)) or self._kept.get((name, "en" if first == "ja" else "ja"))
        if template is None:
            raise NotFound(NO_TEMPLATE.with_(name=name))
        try:
            rendered = _split(self._sandbox.run(template, _clean(values)))
        except Exhausted as error:
            raise TemplateFault(FAILED.with_(name=name, why=error.text)) from error
        except _FAILURES as error:
            raise TemplateFault(FAILED.with_(name=name, why=plain(str(error)))) from error
        if not rendered.subject:
            raise TemplateFault(FAILED.with_(name=name, why=NO_SUBJECT))
        return rendered

    def _load(self) -> dict[tuple[str, str], Template]:
        faults: list[Fault] = []
        kept: dict[tuple[str, str], Template] = {}
        for folder in (Path(str(files("filters"))) / "defaults" / "templates", self._directory):
            for path in sorted(folder.glob("*.txt")):
                named = _FILE.fullmatch(path.name)
                if named is None:
                    faults.append(Fault(str(path), 0, 0, BAD_NAME))
                    continue
                template = self._compile(path)
                if isinstance(template, Template):
                    kept[named[1], named[2]] = template
                else:
                    faults += template
        if faults:
            raise ConfigError(faults)
        return kept

    def _compile(self, path: Path) -> Template | list[Fault]:
        """The compiled template, or what is wrong with the file."""
        file = str(path)
        try:
            source = path.read_text("utf-8-sig")
        except UnicodeDecodeError:
            return [Fault(file, 1, 1, NOT_UTF8)]
        except OSError as error:
            return [Fault(file, 0, 0, plain(error.strerror or str(error)))]
        try:
            template = self._sandbox.build(source, VARIABLES)
        except NotAllowed as error:
            return [Fault(file, f.line, _column(source, f), f.text, f.mend) for f in error.findings]
        except TemplateSyntaxError as error:
            return [Fault(file, error.lineno, 1, plain(error.message or ""))]
        for sample in (_FULL, _SPARE):
            try:
                if not _split(self._sandbox.run(template, sample)).subject:
                    return [Fault(file, 1, 1, NO_SUBJECT, SUBJECT_MEND)]
            except Exhausted as error:
                return [Fault(file, 1, 1, error.text)]
            except _FAILURES as error:
                return [Fault(file, _line_of(error), 1, plain(str(error)))]
        return template


def _split(text: str) -> Rendered:
    subject, _, body = text.replace("\r\n", "\n").partition("\n")
    return Rendered(_one_line(subject)[:_SUBJECT_LENGTH], body.strip("\n") + "\n")


def _clean(values: Mapping[str, object]) -> dict[str, object]:
    """The values as a template may show them: bounded, each on one line, nothing invisible that could act."""
    cleaned: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            cleaned[name] = _clean(value)
        else:
            cleaned[name] = _one_line(value)[:_MAX_VALUE] if isinstance(value, str) else value
    return cleaned


def _one_line(text: str) -> str:
    if text.isprintable():  # then there is nothing of the kind below
        return " ".join(text.split())
    shown = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") or c in _DIRECTION else c for c in text)
    return " ".join("".join(shown).split())


# Marks that change the direction of the text after them and so what a reader sees.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def _column(source: str, finding: Finding) -> int:
    lines = source.split("\n")
    line = lines[finding.line - 1] if 0 < finding.line <= len(lines) else ""
    return line.find(finding.word) + 1 or 1


def _line_of(error: Exception) -> int:
    """The template's line that an error of a rendering came from; jinja2 rewrites tracebacks to it."""
    line, frame = 1, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == "<template>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return line
