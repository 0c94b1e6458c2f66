"""What is wrong with a command line, in the reader's language."""

from __future__ import annotations

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from gateway.cli.safe import printable
from gateway.errors import SekishoError
from gateway.text import Text, plain

_OPTION = Text("{what} というオプションはありません。", "There is no option {what}.")
_COMMAND = Text("「{what}」というコマンドはありません。", "There is no command {what!r}.")
_TOO_MUCH = Text("余分な指定があります: {what}", "This is too much: {what}")
_MISSING = Text("{what} の指定が必要です。", "{what} is required.")
_TWICE = Text("{what} が重複しています。", "{what} is given twice.")
_VALUE = Text("{what} の値「{value}」は使えません。", "{value!r} is no value for {what}.")
_CHOICES = Text("{said} 次のいずれかです: {choices}", "{said} It is one of: {choices}")
_HELP = Text(
    "{said}\n  → 使い方は「sekisho {chain}--help」で表示できます。",
    "{said}\n  → `sekisho {chain}--help` shows how it is used.",
)


class WrongUsage(SekishoError):
    """The command line as a whole says nothing that can be done; exit 2."""


def wrong_usage(error: CycloptsError) -> Text:
    """One sentence on what is wrong, and where the help is."""
    chain = "".join(f"{printable(name)} " for name in error.command_chain or ())
    return _HELP.with_(said=_said(error), chain=chain)


def _said(error: CycloptsError) -> Text:
    name = error.argument.name.lstrip("-").upper() if error.argument is not None else ""
    if error.argument is not None and error.argument.name.startswith("--"):
        name = error.argument.name
    if isinstance(error, UnknownOptionError):
        return _OPTION.with_(what=printable(error.token.keyword or error.token.value))
    if isinstance(error, UnknownCommandError):
        return _COMMAND.with_(what=printable((error.unused_tokens or [""])[0]))
    if isinstance(error, UnusedCliTokensError):
        return _TOO_MUCH.with_(what=printable(" ".join(error.unused_tokens or ())))
    if isinstance(error, RepeatArgumentError):
        return _TWICE.with_(what=error.token.keyword or name)
    if isinstance(error, MissingArgumentError):
        return _MISSING.with_(what=error.keyword or name)
    if isinstance(error, CoercionError) and error.token is not None:
        said = _VALUE.with_(what=error.token.keyword or name, value=printable(error.token.value))
        choices = error.argument.get_choices(force=True) if error.argument is not None else None
        return _CHOICES.with_(said=said, choices=", ".join(c for c in choices if c)) if choices else said
    return plain(printable(str(error)))
