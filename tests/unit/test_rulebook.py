"""The rulebook notices every change of its files, once, however changes and reloads fall together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from filters.registry import FILTERS
from gateway.errors import ConfigError
from gateway.model.settings import Settings
from gateway.screening import rulebook as module
from gateway.screening.rulebook import Rulebook

GOOD = "version: 1\nrules: []\ndefault: {then: deliver}\n"
OTHER = "version: 1\nrules: []\ndefault: {then: quarantine}\n"
FAULTY = "version: 1\nrules: []\ndefault: {then: devour}\n"


def book(folder: Path) -> tuple[Rulebook, Path, list[ConfigError]]:
    rules = folder / "rules.yaml"
    rules.write_text(GOOD)
    made = Rulebook(Settings(rules=rules, base=folder), FILTERS)
    faults: list[ConfigError] = []

    async def told(error: ConfigError) -> None:
        faults.append(error)

    made.on_fault = told
    return made, rules, faults


async def test_a_change_while_the_rules_are_being_read_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, rules, _ = book(tmp_path)
    real = module.load_ruleset

    def read_and_change(*arguments: object, **named: object) -> object:
        ruleset = real(*arguments, **named)  # type: ignore[arg-type]
        rules.write_text(OTHER)
        return ruleset

    monkeypatch.setattr(module, "load_ruleset", read_and_change)
    old = await made.load()
    monkeypatch.setattr(module, "load_ruleset", real)
    watch = asyncio.create_task(made.watch(0.02))
    try:
        async with asyncio.timeout(10):
            while made.current.hash == old.hash:
                await asyncio.sleep(0.02)
    finally:
        watch.cancel()
    assert str(made.current.default.then) == "quarantine"


async def test_a_fault_that_is_found_twice_at_once_is_told_once(tmp_path: Path) -> None:
    made, rules, faults = book(tmp_path)
    await made.load()
    rules.write_text(FAULTY)
    seen = made._look()
    assert await asyncio.gather(made.reload(), made.reload(seen), made.reload(seen)) == [False, True, True]
    assert len(faults) == 1
    assert await made.reload() is False  # asked for by name, it is told again
    assert len(faults) == 2
