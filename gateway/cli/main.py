"""The entry point: global options, the table of verbs, exit codes, and errors as people read them."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter

from gateway.cli.context import STANDARD_INPUT, Context, enter, terminal_language
from gateway.cli.safe import printable
from gateway.cli.usage import WrongUsage, wrong_usage
from gateway.cli.verbs import COMMON, Formatter, Verb, add, in_language, speak
from gateway.errors import SekishoError
from gateway.text import Text

DONE, FAULT, USAGE = 0, 1, 2
LANGUAGES = ("ja", "en")

ABOUT = Text(
    "関所（Sekisho）: ネットショップのためのメールゲートウェイ",
    "Sekisho: a mail gateway for online shops",
)

# Loaded only where the command line names them: `sekisho --help` answers at once.
VERBS = (
    Verb(
        "init",
        "gateway.cli.init:init",
        Text(
            "設定・ルール・文面・リストの一式を作ります。",
            "Write a working config, rules, templates and lists to edit.",
        ),
    ),
    Verb("run", "gateway.cli.run:run", Text("ゲートウェイを動かします。", "Run the gateway.")),
    Verb(
        "check",
        "gateway.cli.check:check",
        Text(
            "設定とルールを調べ、ルールのテストを行います。",
            "Check config, rules, lists and templates, then run the rules' own tests.",
        ),
    ),
    Verb(
        "explain",
        "gateway.cli.explain:explain",
        Text(
            "メールがどう判定されるか、理由とともに示します（何も変えません）。",
            "Show what would happen to a message and why, without any side effect.",
        ),
    ),
    Verb(
        "replay",
        "gateway.cli.replay:replay",
        Text(
            "ルールの下書きを過去のメールで試し、実際の判定と比べます（何も変えません）。",
            "Try rules on the mail on record and compare with what was done; nothing is changed.",
        ),
    ),
    Verb(
        "block",
        "gateway.cli.block:block",
        Text("取引停止の相手を登録します。", "Block addresses, domains, networks or phone numbers."),
    ),
    Verb(
        "unblock",
        "gateway.cli.block:unblock",
        Text("取引停止を解除します（履歴は残ります）。", "End a block; its history is kept."),
    ),
    Verb(
        "people",
        "gateway.cli.people:VERBS",
        Text("お客様ごとの記録を扱います。", "Look after what is on record of persons."),
    ),
    Verb("log", "gateway.cli.log:VERBS", Text("記録を探し、表示します。", "Search and show what is on record.")),
    Verb("quarantine", "gateway.cli.quarantine:VERBS", Text("保留中のメールを扱います。", "Look after held mail.")),
    Verb("queue", "gateway.cli.queue:VERBS", Text("配送待ちを扱います。", "Look after mail that waits for delivery.")),
    Verb("call", "gateway.cli.call:VERBS", Text("電話を証拠として記録します。", "Keep telephone calls as evidence.")),
    Verb("case", "gateway.cli.case:VERBS", Text("案件と、その保全を扱います。", "Look after cases and their holds.")),
    Verb("status", "gateway.cli.status:status", Text("動作状況を示します。", "Show how the gateway is doing.")),
    Verb(
        "export",
        "gateway.cli.export:export",
        Text("弁護士に渡す証拠一式（zip）を書き出します。", "Write the evidence bundle for a lawyer."),
    ),
    Verb(
        "verify",
        "gateway.cli.verify:verify",
        Text("記録が改ざんされていないことを確かめます。", "Verify that nothing in the log was altered."),
    ),
    Verb(
        "checkpoint",
        "gateway.cli.keys:checkpoint",
        Text("ここまでの記録を封印します。", "Seal what is on record now."),
    ),
    Verb("keys", "gateway.cli.keys:VERBS", Text("署名鍵を扱います。", "Look after the signing keys.")),
    Verb(
        "imap",
        "gateway.cli.imap:VERBS",
        Text("見張るメールボックス（IMAP）を扱います。", "Look after the mailboxes watched over IMAP."),
    ),
    Verb("db", "gateway.cli.db:VERBS", Text("データベースを扱います。", "Look after the database.")),
    Verb(
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


def build(language: str, named: Collection[str] | None = None) -> App:
    """The command line with its help in one language; of the verbs only those in `named` can be called (None: all)."""
    app = App(
        name="sekisho",
        help=ABOUT.in_(language),
        help_format="plaintext",
        help_formatter=Formatter(language),
        version=f"sekisho {version('sekisho')}",
        version_flags=["--version"],
        help_flags=["--help", "-h"],
        default_parameter=Parameter(negative="", show_default=False),
        result_action="return_value",
    )
    add(app, VERBS, language, named)
    speak(app, language)
    app.meta.group_parameters = Group(COMMON.in_(language), sort_key=5)
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
    context.lang = language_asked(arguments)
    language = context.lang or terminal_language(context.environ)
    app = build(language, arguments)
    # A parameter that may begin with a hyphen would swallow the options after it, so `-` goes under its other name.
    arguments = [STANDARD_INPUT if argument == "-" else argument for argument in arguments]

    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[
            Path | None,
            Parameter(["--config", "-c"], metavar="FILE"),
            Text(
                "設定ファイル。省略時は環境変数 SEKISHO_CONFIG、次に ./config.yaml。",
                "The config file; otherwise SEKISHO_CONFIG of the environment, then ./config.yaml.",
            ),
        ] = None,
        lang: Annotated[
            Literal["", "ja", "en"],
            Parameter(show_choices=False, metavar="ja|en"),
            Text("表示の言語。省略時は店の設定（shop.language）。", "Language of the output; otherwise the shop's."),
        ] = "",
        json: Annotated[
            bool, Text("プログラム向けに JSON で出力します。", "Print JSON, one object or one a line for lists.")
        ] = False,
    ) -> object:
        context.config, context.lang, context.json = config, lang, json
        return app(tokens, exit_on_error=False, print_error=False)

    app.meta.default(in_language(launch, language))
    try:
        result = app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        sys.stderr.write(f"sekisho: {wrong_usage(error).in_(language)}\n")
        return USAGE
    except SekishoError as error:
        sys.stderr.write(printable(error.in_(context.language)) + "\n")
        return USAGE if isinstance(error, WrongUsage) else FAULT
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except Exception as error:
        if context.environ.get("SEKISHO_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(_INTERNAL.with_(kind=type(error).__name__).in_(context.language) + "\n")
        sys.stderr.write(f"  → {_INTERNAL_MEND.in_(context.language)}\n")
        return FAULT
    if isinstance(result, int):
        return result
    # help was shown: asked for, or because no verb was named
    return DONE if _ASKED.intersection(arguments) else USAGE


_ASKED = {"--help", "-h", "--version"}


def language_asked(arguments: list[str]) -> str:
    """The value of --lang, needed before the command line is built, because help is in that language."""
    asked = ""
    for at, argument in enumerate(arguments):
        if argument.startswith("--lang="):
            asked = argument.partition("=")[2]
        elif argument == "--lang" and at + 1 < len(arguments):
            asked = arguments[at + 1]
    return asked if asked in LANGUAGES else ""


if __name__ == "__main__":
    main()
