"""What the demos share: a folder of their own, a gateway as a process, and the command as its user would call it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from gateway.cli.context import current
from gateway.config import scaffold
from gateway.errors import Refused, SekishoError
from gateway.text import Text

BLOCKING = Text("■ sekisho block {who}", "■ sekisho block {who}")
REASON = Text("繰り返しの脅し（見本）", "repeated threats (sample)")
VERIFY = Text("■ sekisho verify", "■ sekisho verify")
LEFT = Text(
    "すべて {folder} に残っています。例: sekisho -c {folder}/config.yaml log search --since 1d",
    "everything stays in {folder}; try: sekisho -c {folder}/config.yaml log search --since 1d",
)
_OTHER = Text(
    "{folder} は実演のフォルダーではないため、触れません。", "{folder} is not a folder of the demo: it is left alone"
)
_OTHER_MEND = Text("--dir で別の名前を指定してください。", "name another one with --dir")
DIED = Text("ゲートウェイが起動しませんでした: {said}", "the gateway did not start: {said}")
MARK = ".sekisho-demo"


def prepare(folder: Path, language: str) -> None:
    """Make a fresh folder; one that the demo did not make is never touched."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise Refused(_OTHER.with_(folder=folder), _OTHER_MEND)
        shutil.rmtree(folder)
    scaffold.write(folder, language)
    (folder / MARK).touch()
    partners = folder / "lists" / "partners.txt"
    partners.write_text(partners.read_text(encoding="utf-8") + "@partner.example\n", encoding="utf-8")


async def start(config: Path) -> asyncio.subprocess.Process:
    """Run the gateway; its log comes by standard error."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "-c",
        str(config),
        "run",
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


_background: set[asyncio.Task[None]] = set()


def keep(reader: asyncio.StreamReader, log: Path) -> None:
    """Put what the gateway logs from now on into a file, until `stop`."""
    _background.add(asyncio.create_task(keep_log(reader, log)))


async def keep_log(reader: asyncio.StreamReader, log: Path) -> None:
    """Put what the gateway logs into a file."""
    with log.open("a", encoding="utf-8") as kept:
        while line := await reader.readline():
            kept.write(line.decode("utf-8", "replace"))


async def stop(gateway: asyncio.subprocess.Process) -> None:
    """End the gateway in good order."""
    if gateway.returncode is None:
        gateway.send_signal(signal.SIGTERM)
    await asyncio.wait_for(gateway.wait(), 60)
    await asyncio.gather(*_background)
    _background.clear()


async def run_sekisho(config: Path, *arguments: str, show: bool = False) -> int:
    """Run the command as its user would; its output is shown only where asked for, or where it failed."""
    context = current()
    extra: tuple[str, ...] = ("--lang", context.language)
    pipe: Any = None if show and not context.json else asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "-c", str(config), *extra, *arguments, stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    if process.returncode and pipe is not None:
        raise SekishoError(DIED.with_(said=((out or b"") + (err or b"")).decode("utf-8", "replace")[-800:]))
    return process.returncode or 0
