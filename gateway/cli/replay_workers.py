"""Processes that share a replay: each reads config and rules for itself, and answers with counts."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from filters.registry import FILTERS, SPECS
from gateway.config import load_ruleset, load_settings
from gateway.errors import Refused, SekishoError
from gateway.screening.replay import Replay
from gateway.screening.replay_tally import Tally
from gateway.store.engine import open_store
from gateway.store.past import Span
from gateway.text import Text

_CHANGED = Text("ルールが途中で書き換えられました。", "The rules were changed meanwhile.")
_ENDED = Text("処理を分担するプロセスが途中で終わりました。", "A process that shared the work ended before its time.")
_AGAIN = Text("もう一度実行してください。", "Run it again.")
_ALONE = Text("「--workers 1」を付けて実行してください。", "Run it with `--workers 1`.")


async def in_workers(
    config: Path, environ: Mapping[str, str], rules: Path, expected: str, parts: Iterator[Span], most: int, count: int
) -> AsyncGenerator[Tally]:
    """The tally of each part, in their order, found by `count` processes; raises `Refused` where one cannot go on."""
    pool = ProcessPoolExecutor(
        count,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(config, dict(environ), rules, most),
    )
    loop = asyncio.get_running_loop()
    waiting: deque[asyncio.Future[_Answer]] = deque()
    try:
        for part in parts:
            waiting.append(loop.run_in_executor(pool, _count, part))
            if len(waiting) > 2 * count:
                yield _checked(await waiting.popleft(), expected)
        while waiting:
            yield _checked(await waiting.popleft(), expected)
    except BrokenProcessPool as error:
        raise Refused(_ENDED, _ALONE) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        await asyncio.gather(*waiting, return_exceptions=True)  # else asyncio prints what nobody asked for


@dataclass(frozen=True)
class _Answer:
    """What a process says of a part: its counts by which rules, or why there are none."""

    ruleset: str
    tally: Tally | None = None
    fault: tuple[Text, Text | None] | None = None


def _checked(answer: _Answer, expected: str) -> Tally:
    if answer.fault is not None:
        raise SekishoError(*answer.fault)
    if answer.ruleset != expected or answer.tally is None:
        raise Refused(_CHANGED, _AGAIN)
    return answer.tally


@dataclass(frozen=True)
class _Worker:
    """What a process keeps from one part to the next."""

    runner: asyncio.Runner
    engine: Replay
    ruleset: str
    most: int


_worker: _Worker | None = None


def _begin(config: Path, environ: Mapping[str, str], rules: Path, most: int) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked is told, and ends its workers
    os.nice(10)  # a gateway that runs beside goes first
    runner = asyncio.Runner()
    try:
        settings = load_settings(config, environ)
        ruleset = load_ruleset(rules, SPECS, settings=settings)
        store = runner.run(open_store(settings.storage.database, create=False))
    except SekishoError:  # all was well a moment ago; an exception would be printed with its traceback
        os._exit(1)
    _worker = _Worker(runner, Replay(settings, ruleset, FILTERS, store), ruleset.hash, most)


def _count(part: Span) -> _Answer:
    assert _worker is not None
    tally = Tally(most=_worker.most)
    try:
        _worker.runner.run(_worker.engine.run(part, tally))
    except SekishoError as error:
        return _Answer(_worker.ruleset, fault=(error.text, error.mend))
    return _Answer(_worker.ruleset, tally)
