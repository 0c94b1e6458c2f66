"""`sekisho check`: every fault in config, rules, lists and templates, then the rules' own tests."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from filters.registry import FILTERS, SPECS
from gateway import config
from gateway.cli.context import current
from gateway.cli.output import emit, say, warn
from gateway.config.schema import schema_of
from gateway.errors import Fault
from gateway.model.settings import Settings
from gateway.replies.templates import Templates
from gateway.screening.rule_tests import run_rule_tests
from gateway.text import Text

_GOOD = Text(
    "問題は見つかりませんでした。ルール {rules} 件、テスト {tests} 件、リスト {lists} 件。",
    "no fault found: {rules} rules, {tests} tests, {lists} lists",
)
_FOUND = Text("問題が {count} 件見つかりました。", "{count} faults found")


async def check(
    *,
    schema: Annotated[
        Literal["", "config", "rules"],
        Parameter(metavar="FILE"),
        Text(
            "調べる代わりに、エディター用の JSON Schema を出力します。",
            "Print the JSON Schema for editors instead of checking.",
        ),
    ] = "",
) -> int:
    """Check everything that the shop wrote; exit 1 where there is a fault."""
    context = current()
    if schema:
        sys.stdout.write(json.dumps(schema_of(schema, SPECS), ensure_ascii=False, indent=2) + "\n")
        return 0
    context.require_file()
    checked = config.check(context.path, context.environ, SPECS, _templates)
    faults: list[Fault] = list(checked.faults)
    ruleset = checked.ruleset
    if ruleset is not None:
        faults += await run_rule_tests(ruleset, checked.settings, FILTERS)
    language = context.lang or checked.settings.shop.language
    if context.json:
        emit(
            {
                "ok": not faults,
                "faults": [
                    {
                        "file": fault.file,
                        "line": fault.line,
                        "column": fault.column,
                        "text": fault.text.in_(language),
                        "mend": fault.mend.in_(language) if fault.mend else None,
                    }
                    for fault in faults
                ],
            }
        )
        return 1 if faults else 0
    for fault in faults:
        warn(fault.in_(language))
    if faults:
        warn(_FOUND.with_(count=len(faults)).in_(language))
        return 1
    assert ruleset is not None
    say(_GOOD.with_(rules=len(ruleset.rules), tests=len(ruleset.tests), lists=len(ruleset.lists)).in_(language))
    return 0


def _templates(settings: Settings) -> object:
    return Templates(settings.templates, settings)
