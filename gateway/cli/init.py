"""`sekisho init`: everything a shop needs to begin, to edit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from filters.registry import SPECS
from gateway.cli.context import current
from gateway.cli.output import emit, say
from gateway.config import scaffold
from gateway.config.schema import NAMES, schema_of
from gateway.evidence.key_files import ecdsa_file, load_keys
from gateway.text import Text

_MADE = Text("{folder} に {count} 個のファイルを作りました。", "{count} files were written to {folder}")
_NEXT = Text(
    "次に:\n  1. {folder}/config.yaml の店名・アドレス・パスワードを書き換えてください。\n"
    "  2. sekisho -c {folder}/config.yaml check で確かめます。\n"
    "  3. sekisho -c {folder}/config.yaml run で動かします。",
    "next:\n  1. put your shop's name, addresses and servers into {folder}/config.yaml\n"
    "  2. sekisho -c {folder}/config.yaml check\n  3. sekisho -c {folder}/config.yaml run",
)


def init(folder: Annotated[Path, Text("一式を作るフォルダー。", "The folder to write to.")], /) -> int:
    """Write config, rules, lists, templates and samples in the shop's language, and keys; nothing is overwritten."""
    context = current()
    # The first line of config and rules names these to editors, which then complete and explain what is written.
    schemas = {f".schema/{name}.json": json.dumps(schema_of(name, SPECS), ensure_ascii=False) for name in NAMES}
    written = (*scaffold.write(folder, context.language, schemas), *_keys(folder))
    if context.json:
        emit({"folder": str(folder), "files": [str(path) for path in written]})
    say(_MADE, folder=folder, count=len(written))
    say(_NEXT, folder=folder)
    return 0


def _keys(folder: Path) -> tuple[Path, ...]:
    """Make the signing keys where the config that was written puts them, for their owner alone."""
    key = folder / "data" / "checkpoint.key"
    load_keys(key)
    return key, ecdsa_file(key)
