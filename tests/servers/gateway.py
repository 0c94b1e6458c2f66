"""`sekisho run` as a process of its own, with the rules that `sekisho init` writes and a config for the test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import free_port, running, server_folder

RECIPIENT = "shop@shop.example"

_CONFIG = """
shop:
  name: Test shop
  contact: support@shop.example
  addresses: ["@shop.example"]
  owner: owner@elsewhere.example
  language: en
storage:
  database: sqlite:///{folder}/sekisho.db
smtp:
  listen: ["127.0.0.1:{port}"]
mailbox: {mailbox}
{outgoing}rules: rules.yaml
templates: templates/
{extra}"""


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its port, process, config file and log."""

    folder: Path
    config: Path
    port: int
    pid: int
    log: Path


@contextmanager
def run_gateway(
    mailbox: str,
    *,
    outgoing: str = "",
    extra: str = "",
    parent: Path | None = None,
    wrapper: tuple[str, ...] = (),
) -> Iterator[Gateway]:
    """The gateway until the block ends; `extra` is added to its config, `wrapper` stands before `-m gateway`."""
    with server_folder("gateway", parent) as folder:
        shop = folder / "shop"
        made = subprocess.run([sys.executable, "-m", "gateway", "init", str(shop)], capture_output=True, check=False)
        if made.returncode != 0:
            raise RuntimeError(f"sekisho init: {made.stdout.decode()}{made.stderr.decode()}")
        port, config, log = free_port(), shop / "config.yaml", folder / "sekisho.log"
        mail_out = f"outgoing: {outgoing}\n" if outgoing else ""
        config.write_text(_CONFIG.format(folder=folder, port=port, mailbox=mailbox, outgoing=mail_out, extra=extra))
        command = [sys.executable, *wrapper, "-m", "gateway", "-c", str(config), "run"]
        with running(command, log, ("127.0.0.1", port), timeout=60) as process:
            yield Gateway(folder, config, port, process.pid, log)
