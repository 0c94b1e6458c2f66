"""What every verb needs to know: which config, which language, for people or for programs."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import NotFound, SekishoError
from gateway.text import Text

# What a verb does not use is not imported: `sekisho --help` answers at once.
if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gateway.model.rule import RuleSet
    from gateway.model.settings import Settings, Shop
    from gateway.store.engine import Store

_NO_CONFIG = Text("設定ファイルが見つかりません。{path} を探しました。", "no config file is found; looked for {path}")
_NO_CONFIG_MEND = Text(
    "「sekisho init フォルダー」で一式を作り、「sekisho -c フォルダー/config.yaml …」のように指定してください。",
    "make one with `sekisho init DIR`, then name it: `sekisho -c DIR/config.yaml …`",
)

BEGIN = 65536  # characters of a config file
_LANGUAGE = re.compile(r"^[ \t{]*language:[ \t]*[\"']?(ja|en)\b", re.MULTILINE)

STANDARD_INPUT = "/dev/stdin"  # what `-` stands for


@dataclass
class Context:
    """The global options of one call, and what is read because of them."""

    config: Path | None = None
    lang: str = ""
    json: bool = False
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    _faulty: bool = field(default=False, init=False)

    @property
    def path(self) -> Path:
        """The config file: `-c`, else SEKISHO_CONFIG, else ./config.yaml."""
        return self.config or Path(self.environ.get("SEKISHO_CONFIG") or "config.yaml")

    @cached_property
    def settings(self) -> Settings:
        """The settings; raises `ConfigError`, or `NotFound` where there is no file."""
        self.require_file()
        from gateway.config import load_settings

        return load_settings(self.path, self.environ)

    def require_file(self) -> None:
        """Raise `NotFound` where there is no config file."""
        if not self.path.is_file():
            raise NotFound(_NO_CONFIG.with_(path=self.path), _NO_CONFIG_MEND)

    @property
    def language(self) -> str:
        """The language people read: `--lang`, else the shop's, else the terminal's."""
        if self.lang:
            return self.lang
        shop = self._shop
        return shop.language if shop is not None else self._language_written or terminal_language(self.environ)

    @property
    def zone(self) -> ZoneInfo | None:
        """The shop's time zone; None, the machine's own, where there is no config."""
        shop = self._shop
        return shop.timezone if shop is not None else None

    @property
    def _language_written(self) -> str:
        """The language that a config with faults seems to name: the faults are told in it, too."""
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                found = _LANGUAGE.search(file.read(BEGIN))
        except OSError:
            return ""
        return found[1] if found else ""

    @property
    def _shop(self) -> Shop | None:
        if "settings" not in self.__dict__ and not self._faulty:
            try:
                return self.settings.shop
            except SekishoError:
                self._faulty = True  # the verb itself says what is wrong
        return None if self._faulty else self.settings.shop

    def rules(self) -> RuleSet:
        """The rules that the config names."""
        from filters.registry import SPECS
        from gateway.config import load_ruleset

        return load_ruleset(self.settings.rules, SPECS, settings=self.settings)

    @asynccontextmanager
    async def store(self, *, create: bool = True) -> AsyncIterator[Store]:
        """The database of the config, closed at the end."""
        from gateway.store.engine import open_store

        opened = await open_store(self.settings.storage.database, create=create)
        try:
            yield opened
        finally:
            await opened.close()


_current: ContextVar[Context] = ContextVar("context")


def current() -> Context:
    """The context of the running command."""
    return _current.get()


def enter(context: Context) -> None:
    """Make `context` the running command's."""
    _current.set(context)


def terminal_language(environ: dict[str, str]) -> str:
    """`ja` where the terminal's locale is Japanese, otherwise `en`."""
    locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
    return "ja" if locale.startswith("ja") else "en"


def operator() -> str:
    """Who gives this command, as the records name it: the user of this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
