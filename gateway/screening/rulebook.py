"""The rulebook: the ruleset in force, and how a changed one takes its place between two messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from filters.api import Filter
from gateway.config import load_ruleset
from gateway.errors import ConfigError
from gateway.model.fact import FactSpec
from gateway.model.rule import RuleSet
from gateway.model.settings import Settings
from gateway.screening.rule_tests import run_rule_tests

logger = structlog.get_logger()

Stamp = tuple[tuple[str, int, int, int], ...]


class Rulebook:
    """Holds the current ruleset; a faulty new one never replaces it."""

    def __init__(self, settings: Settings, filters: Sequence[Filter]) -> None:
        self._settings = settings
        self._filters = filters
        self._specs: Mapping[str, FactSpec] = {spec.name: spec for f in filters for spec in f.facts}
        self._current: RuleSet | None = None
        self._stamp: Stamp = ()
        self._reloading = asyncio.Lock()
        self.on_change: Callable[[RuleSet], Awaitable[None]] | None = None
        self.on_fault: Callable[[ConfigError], Awaitable[None]] | None = None

    @property
    def current(self) -> RuleSet:
        """The ruleset in force; a message keeps the one it began with."""
        if self._current is None:
            raise RuntimeError("the rulebook has not been loaded")
        return self._current

    async def load(self) -> RuleSet:
        """Read, check and test the rules for the first time; raises `ConfigError`."""
        self._current, self._stamp = await self._read()
        return self._current

    async def reload(self, seen: Stamp | None = None) -> bool:
        """Read the rules again; on a fault the old ones stay, the fault is handed on, and the answer is False.

        With `seen`, the files as somebody saw them, nothing is done where they were read in this state meanwhile.
        """
        async with self._reloading:
            if seen is not None and seen == self._stamp:
                return True
            before = await asyncio.to_thread(self._look)
            try:
                ruleset, stamp = await self._read()
            except ConfigError as error:
                self._stamp = before
                logger.warning("rules_kept", reason="the new rules have faults", faults=error.in_("en"))
                if self.on_fault is not None:
                    await self.on_fault(error)
                return False
            self._stamp = stamp
            if ruleset.hash == self.current.hash:
                return True
            self._current = ruleset
            logger.info("rules_changed", ruleset=ruleset.hash)
            if self.on_change is not None:
                await self.on_change(ruleset)
            return True

    async def watch(self, every: float = 1.0) -> None:
        """Reload whenever one of the rules' files changes; runs until cancelled."""
        while True:
            await asyncio.sleep(every)
            seen = await asyncio.to_thread(self._look)
            if seen == self._stamp:
                continue
            # An editor may still be writing: wait until two looks agree.
            await asyncio.sleep(min(every, 0.2))
            if await asyncio.to_thread(self._look) == seen:
                await self.reload(seen)

    async def _read(self) -> tuple[RuleSet, Stamp]:
        """The ruleset, and its files as they were before they were read: what changes meanwhile is seen as a change."""
        before = {file[0]: file for file in await asyncio.to_thread(self._look)}
        ruleset = await asyncio.to_thread(load_ruleset, self._settings.rules, self._specs, settings=self._settings)
        faults = await run_rule_tests(ruleset, self._settings, self._filters)
        if faults:
            raise ConfigError(faults)
        after = await asyncio.to_thread(stamp_of, (str(self._settings.rules), *ruleset.files))
        return ruleset, tuple(before.get(file[0], file) for file in after)

    def _look(self) -> Stamp:
        files = self._current.files if self._current is not None else ()
        return stamp_of((str(self._settings.rules), *files))


def stamp_of(files: Sequence[str]) -> Stamp:
    """What tells a changed file: name, inode, size and time of change (ns); a missing one has zeros."""
    found = []
    for name in sorted(set(files)):
        try:
            status = Path(name).stat()
            found.append((name, status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            found.append((name, 0, 0, 0))
    return tuple(found)
