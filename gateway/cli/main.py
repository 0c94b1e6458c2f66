"""The entry point: global options, the table of verbs, exit codes, and errors as people read them."""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from gateway.cli.context import Context, enter, terminal_language
from gateway.errors import SekishoError
from gateway.text import Text

DONE, FAULT, USAGE = 0, 1, 2

ABOUT = Text(
    "関所（Sekisho）: ネットショップのためのメールゲートウェイ",
    "Sekisho: a mail gateway for online shops",
)

# verb, where its code is, what it does. Imported only when called.
VERBS: tuple[tuple[str, str, Text], ...] = (
    (
        "init",
        "gateway.cli.init:init",
        Text(
            "設定・ルール・文面・リストの一式を作ります。",
            "Write a working config, rules, templates and lists to edit.",
        ),
    ),
    ("run", "gateway.cli.run:run", Text("ゲートウェイを動かします。", "Run the gateway.")),
    (
        "check",
        "gateway.cli.check:check",
        Text(
            "設定とルールを調べ、ルールのテストを行います。",
            "Check config, rules, lists and templates, then run the rules' own tests.",
        ),
    ),
    (
        "explain",
        "gateway.cli.explain:explain",
        Text(
            "メールがどう判定されるか、理由とともに示します（何も変えません）。",
            "Show what would happen to a message and why, without any side effect.",
        ),
    ),
    (
        "block",
        "gateway.cli.block:block",
        Text("取引停止の相手を登録します。", "Block addresses, domains, networks or phone numbers."),
    ),
    (
        "unblock",
        "gateway.cli.block:unblock",
        Text("取引停止を解除します（履歴は残ります）。", "End a block; its history is kept."),
    ),
    ("log", "gateway.cli.log:app", Text("記録を探し、表示します。", "Search and show what is on record.")),
    ("quarantine", "gateway.cli.quarantine:app", Text("保留中のメールを扱います。", "Look after held mail.")),
    ("queue", "gateway.cli.queue:app", Text("配送待ちを扱います。", "Look after mail that waits for delivery.")),
    ("status", "gateway.cli.status:status", Text("動作状況を示します。", "Show how the gateway is doing.")),
    (
        "verify",
        "gateway.cli.verify:verify",
        Text("記録が改ざんされていないことを確かめます。", "Verify that nothing in the log was altered."),
    ),
    ("db", "gateway.cli.db:app", Text("データベースを扱います。", "Look after the database.")),
    (
        "demo",
        "gateway.cli.demo:demo",
        Text("見本のお客様で一通りを実演します。", "Show everything at work with sample customers."),
    ),
)

_INTERNAL = Text(
    "内部の問題が起きました（{kind}）。メールは失われていません。",
    "an internal fault occurred ({kind}); no mail is lost by it",
)
_INTERNAL_MEND = Text(
    "同じ操作で繰り返すときは、SEKISHO_DEBUG=1 を付けて実行した出力を添えてお知らせください。",
    "if it happens again, run the command with SEKISHO_DEBUG=1 and report what it prints",
)


def build(language: str) -> App:
    """The command line with its help in one language."""
    app = App(
        name="sekisho",
        help=ABOUT.in_(language),
        version=f"sekisho {version('sekisho')}",
        version_flags=["--version"],
        help_flags=["--help", "-h"],
        result_action="return_value",
    )
    app["--help"].group = app["--version"].group = Group(Text("その他", "Other").in_(language), sort_key=9)
    app.group_commands = Group(Text("コマンド", "Commands").in_(language), sort_key=1)
    for name, where, about in VERBS:
        app.command(where, name=name, help=about.in_(language))
    app.meta.group_parameters = Group(Text("共通オプション", "Common options").in_(language), sort_key=5)
    return app


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with 0 (done), 1 (a fault, or not done) or 2 (wrong usage)."""
    arguments = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    context = Context()
    enter(context)
    try:
        code = _call(arguments, context)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: `sekisho log search | head`
        code = DONE
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _call(arguments: list[str], context: Context) -> int:
    language = _language_asked(arguments) or terminal_language(context.environ)
    app = build(language)

    @app.meta.default
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[Path | None, Parameter(["--config", "-c"], help="config.yaml")] = None,
        lang: Annotated[str, Parameter(help="ja | en")] = "",
        json: Annotated[bool, Parameter(negative="", help="JSON")] = False,
    ) -> object:
        context.config, context.lang, context.json = config, lang, json
        return app(tokens, exit_on_error=False, print_error=False)

    try:
        result = app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        sys.stderr.write(f"sekisho: {error}\n")
        return USAGE
    except SekishoError as error:
        sys.stderr.write(error.in_(context.language) + "\n")
        return FAULT
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        if context.environ.get("SEKISHO_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(_INTERNAL.with_(kind=type(error).__name__).in_(context.language) + "\n")
        sys.stderr.write(f"  → {_INTERNAL_MEND.in_(context.language)}\n")
        return FAULT
    return result if isinstance(result, int) and not isinstance(result, bool) else DONE


def _language_asked(arguments: list[str]) -> str:
    """The value of --lang, needed before the command line is built, because help is in that language."""
    for at, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            return argument.partition("=")[2]
        if argument == "--lang" and at + 1 < len(arguments):
            return arguments[at + 1]
    return ""


if __name__ == "__main__":
    main()
