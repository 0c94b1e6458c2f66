"""`sekisho replay`: what rules would have done to the mail on record, beside what was done."""

from __future__ import annotations

import os
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import TaskID

from filters.registry import FILTERS, SPECS
from gateway.cli.context import current
from gateway.cli.output import emit, progress
from gateway.cli.replay_report import as_json, show
from gateway.cli.replay_workers import in_workers
from gateway.cli.usage import WrongUsage
from gateway.cli.when import ago
from gateway.config import load_ruleset
from gateway.errors import NotFound
from gateway.screening.replay import Replay
from gateway.screening.replay_tally import Tally
from gateway.store import past
from gateway.text import Text

PART = 2000  # numbers of the log that are counted together
ALONE = 4000  # mails up to which workers are not worth their start
MOST_WORKERS = 4

_SCREENING = Text("過去のメールを判定しています", "screening past mail")
_LIMIT = Text("--limit と --workers は 0 以上にしてください。", "--limit and --workers must be 0 or more.")
_NO_RULES = Text("ルールのファイル {path} がありません。", "there is no rules file {path}")
_When = Parameter(metavar="WHEN")


async def replay(
    *,
    rules: Annotated[
        Path | None,
        Parameter(metavar="FILE"),
        Text("試すルール（下書き）。省略時は設定のもの。", "The rules to try; otherwise those of the config."),
    ] = None,
    since: Annotated[
        str,
        _When,
        Text("これ以降のメール（既定 90d）: 2026-11-01、7d、24h。", "Mail from then on (90d): 2026-11-01, 7d."),
    ] = "90d",
    until: Annotated[str, _When, Text("これ以前（日付はその日を含みます）。", "Until; a day is included.")] = "",
    limit: Annotated[
        int,
        Text(
            "例として示すメールの最大件数（変化の種類ごと、既定 10）。", "At most so many samples of each change (10)."
        ),
    ] = 10,
    workers: Annotated[
        int, Text("並行して使うプロセスの数（0: 自動）。", "How many processes share the work (0: by itself).")
    ] = 0,
) -> int:
    """Screen the mail on record with these rules and compare; nothing is changed, nobody is asked, nothing is sent."""
    context = current()
    if limit < 0 or workers < 0:
        raise WrongUsage(_LIMIT)
    if rules is not None and not rules.is_file():
        raise NotFound(_NO_RULES.with_(path=rules))
    settings = context.settings
    file = rules or settings.rules
    ruleset = load_ruleset(file, SPECS, settings=settings)
    first, last = ago(since), ago(until, whole_day=True)
    async with context.store(create=False) as store:
        span = await past.span(store, first, last)
        count = workers or (1 if span.mails <= ALONE else min(MOST_WORKERS, os.cpu_count() or 1))
        tally = Tally(most=limit)
        with progress() as bar:
            task: TaskID = bar.add_task(_SCREENING.in_(context.language), total=span.mails)
            if count > 1:
                shared = in_workers(context.path, context.environ, file, ruleset.hash, span.parts(PART), limit, count)
                async with aclosing(shared) as counted:
                    async for counts in counted:
                        tally.merge(counts)
                        bar.update(task, completed=tally.seen)
            else:
                engine = Replay(settings, ruleset, FILTERS, store)
                for part in span.parts(PART):
                    await engine.run(part, tally)
                    bar.update(task, completed=tally.seen)
    if context.json:
        emit(as_json(tally, file, ruleset, first, last))
    else:
        show(tally, file, ruleset, first, last)
    return 1 if tally.failed else 0
