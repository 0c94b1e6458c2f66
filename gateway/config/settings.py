"""The config file read into immutable settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.config.compose import read_document
from gateway.config.description import CONFIG
from gateway.config.document import Faulty, Table, known
from gateway.config.files import Faults
from gateway.config.kinds import Reading
from gateway.config.packaged import packaged
from gateway.errors import ConfigError, Fault
from gateway.model.settings import Imap, Listen, Outgoing, Settings, Smtp, Storage, Target
from gateway.text import Text


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a config file, or the embedded ones (SQLite, Maildir, loopback) where `path` is None.

    Raises `ConfigError` with every fault.
    """
    if path is None:
        return embedded(Path.cwd())
    settings, faults = read_settings(path, environ)
    if faults:
        raise ConfigError(faults)
    return settings


def read_settings(path: Path, environ: Mapping[str, str]) -> tuple[Settings, list[Fault]]:
    """What can be read of a config file, defaults where it cannot, and every fault."""
    found: list[Fault] = []
    top, faults, _ = read_document(str(path), found)
    base = path.absolute().parent
    values: dict[str, Any] = {}
    if top is not None:
        values = _read(top, Reading(faults, base, environ))
    return _settle(values, base, path.absolute()), found


def _read(top: Table, reading: Reading) -> dict[str, Any]:
    faults = reading.faults
    values: dict[str, Any] = {}
    # key by key, so that one faulty section does not hide what the others say
    for key in CONFIG.keys:
        node = top.get(key.name)
        if node is not None:
            try:
                values[key.name] = key.kind.read(node, reading)
            except Faulty:
                values[key.name] = None
    present = {name.text for name, _ in top.pairs}
    names = [key.name for key in CONFIG.keys]
    unread = Table(tuple(pair for pair in top.pairs if pair[0].text not in names), top.line, top.column)
    meant: set[str] = set()
    known(unread, names, faults, meant)
    _require(top, present | meant, faults)
    _names_once(top, values, faults)
    _hands_on(top, present, values, faults)
    return {name: value for name, value in values.items() if value is not None} | (
        {"smtp": None} if "imap" in present and "smtp" not in present else {}
    )


def _require(top: Table, present: set[str], faults: Faults) -> None:
    needed = ["shop"]
    if "smtp" in present or "imap" not in present:
        needed.append("mailbox")
    for key in CONFIG.keys:
        if key.name in needed and key.name not in present:
            faults.add(
                top,
                Text("「{key}」がありません。", "{key} is missing").with_(key=key.name),
                Text("「{key}: …」を足してください。{about}", "add `{key}: …`; {about}").with_(
                    key=key.name, about=key.about
                ),
            )


def _names_once(top: Table, values: Mapping[str, Any], faults: Faults) -> None:
    names = [account.name for account in values.get("imap") or ()]
    for name in {name for name in names if names.count(name) > 1}:
        faults.add(
            top.get("imap"),
            Text("imap の name「{name}」が二度使われています。", "the imap name {name} is used twice").with_(name=name),
            Text("別の名前にしてください。", "give them different names"),
        )


def _hands_on(top: Table, present: set[str], values: Mapping[str, Any], faults: Faults) -> None:
    if "mailbox" in present or not any(account.actions.deliver == "mailbox" for account in values.get("imap") or ()):
        return
    faults.add(
        top.get("imap"),
        Text("「deliver: mailbox」の届け先がありません。", "there is no `mailbox` that `deliver: mailbox` could mean"),
        Text("「mailbox: …」を足すか、deliver: leave にしてください。", "add `mailbox: …`, or write `deliver: leave`"),
    )


def _settle(values: dict[str, Any], base: Path, source: Path | None) -> Settings:
    settled = dict(values)
    settled.setdefault("storage", Storage())
    storage = settled["storage"]
    if storage.database == Storage().database:
        settled["storage"] = Storage(**{**vars(storage), "database": f"sqlite:///{base / 'data/sekisho.db'}"})
    settled.setdefault("mailbox", _usual_mailbox(settled, base))
    settled.setdefault("rules", _rules_beside(base, settled["shop"].language if "shop" in settled else "ja"))
    settled.setdefault("templates", base / "templates")
    return Settings(**settled, base=base, source=source)


def _rules_beside(base: Path, language: str) -> Path:
    """`rules.yaml` beside the config; where there is none, the packaged rules, so that a short config works."""
    own = base / "rules.yaml"
    return own if own.exists() else packaged(language) / "rules.yaml"


def _usual_mailbox(settled: Mapping[str, Any], base: Path) -> Target:
    """Where no `mailbox` is given: the first watched one, so that notices reach their reader; else a Maildir."""
    accounts: tuple[Imap, ...] = settled.get("imap") or ()
    for account in accounts:
        return replace(account.server, user=account.user, password=account.password)
    return Target("maildir", path=base / "data/maildir")


def embedded(base: Path) -> Settings:
    """The settings without a config file: everything below `base`/data, on loopback, with the packaged rules."""
    return _settle(
        {
            "smtp": Smtp(listen=(Listen("127.0.0.1", 2525),)),
            "outgoing": Outgoing(Target("maildir", path=base / "data/outgoing")),
            "rules": packaged("ja") / "rules.yaml",
            "templates": packaged("templates"),
        },
        base,
        None,
    )
