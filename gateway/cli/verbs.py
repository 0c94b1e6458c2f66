"""Verbs and their help in the reader's language: a verb is loaded only where the command line names it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from cyclopts import App, Group, Parameter
from cyclopts.help import DefaultFormatter, HelpEntry, HelpPanel
from rich.console import Console, ConsoleOptions
from rich.text import Text as RichText

from gateway.text import Text


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: its name, what it does, and its code: a function, several sub-verbs, or `module:attribute` for later."""

    name: str
    code: str | Callable[..., Any] | tuple[Verb, ...]
    about: Text

    def load(self) -> Callable[..., Any] | tuple[Verb, ...]:
        """The function or the sub-verbs, imported where they are not yet."""
        if not isinstance(self.code, str):
            return self.code
        module, _, attribute = self.code.partition(":")
        found: Callable[..., Any] | tuple[Verb, ...] = getattr(import_module(module), attribute)
        return found


def add(app: App, verbs: Sequence[Verb], language: str, named: Collection[str] | None = None) -> None:
    """Put verbs under `app`. One that `named` does not hold can only be listed, so that its code is not loaded."""
    for place, verb in enumerate(verbs):
        about = verb.about.in_(language).removesuffix("。")
        made = App(name=verb.name, help=about, sort_key=place)
        if named is None or verb.name in named:
            code = verb.load()
            if isinstance(code, tuple):
                add(made, code, language)
            else:
                made.default(in_language(code, language))
            speak(made, language)
        app.command(made)


def speak(app: App, language: str) -> None:
    """Give an app the headings of its help in one language."""
    app.group_commands = Group(COMMANDS.in_(language), sort_key=1)
    app.group_arguments = Group(ARGUMENTS.in_(language), sort_key=2)
    app.group_parameters = Group(OPTIONS.in_(language), sort_key=3)
    other = Group(OTHER.in_(language), sort_key=9)
    for flag, about in (("--help", HELP), ("--version", VERSION)):
        if flag in app:
            app[flag].group = other
            app[flag].help = about.in_(language)


def in_language(function: Callable[..., Any], language: str) -> Callable[..., Any]:
    """The same function for cyclopts: a `Text` beside a parameter's type (`Annotated[str, Text(…)]`) is its help."""
    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    spoken = {name: _spoken(hint, language) for name, hint in hints.items()}
    call: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call(*arguments: Any, **named: Any) -> Any:
            return await function(*arguments, **named)

    else:

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            return function(*arguments, **named)

    del call.__wrapped__  # type: ignore[attr-defined]  # the annotations of the original are not what counts
    call.__annotations__ = spoken
    call.__doc__ = None
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[p.replace(annotation=spoken.get(p.name, p.annotation)) for p in signature.parameters.values()]
    )
    return call


def _spoken(hint: Any, language: str) -> Any:
    kind, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    said: list[Any] = [Parameter(metavar=_METAVARS[kind])] if kind in _METAVARS else []
    said += [Parameter(help=extra.in_(language)) if isinstance(extra, Text) else extra for extra in extras]
    return Annotated[(kind, *said)] if said else hint


class Formatter(DefaultFormatter):
    """Help as cyclopts shows it, with the few words of its own in the reader's language."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """The line that says how the command is written."""
        said = str(usage)
        for english, text in _USAGE.items():
            said = said.replace(english, text.in_(self._language))
        console.print(RichText(f"{USAGE.in_(self._language)}: {said}", "bold"))

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """A table of commands or options."""
        super().__call__(console, options, panel.copy(entries=[self._entry(entry) for entry in panel.entries]))

    def _entry(self, entry: HelpEntry) -> HelpEntry:
        notes = [" | ".join(choice for choice in entry.choices if choice)] if entry.choices else []
        if entry.required:
            notes.append(REQUIRED.in_(self._language))
        said = _plain(entry.description)
        if notes:
            said.append(f" [{', '.join(notes)}]", "dim")
        return entry.copy(description=said, choices=None, required=False)


def _plain(description: Any) -> RichText:
    said = getattr(description, "primary_renderable", description)
    return said.copy() if isinstance(said, RichText) else RichText(str(said or ""))


_METAVARS = {str: "TEXT", int: "N", Path: "FILE"}
COMMANDS = Text("コマンド", "Commands")
ARGUMENTS = Text("引数", "Arguments")
OPTIONS = Text("オプション", "Options")
COMMON = Text("共通オプション", "Common options")
OTHER = Text("その他", "Other")
HELP = Text("この説明を表示します。", "Show this help.")
VERSION = Text("版を表示します。", "Show the version.")
USAGE = Text("使い方", "Usage")
REQUIRED = Text("必須", "required")
_USAGE = {
    "COMMAND": Text("コマンド", "COMMAND"),
    "OPTIONS": Text("オプション", "OPTIONS"),
    "ARGS": Text("引数", "ARGS"),
}
