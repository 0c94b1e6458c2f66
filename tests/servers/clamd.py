"""ClamAV's daemon with one signature of the test's own, on a unix socket and on TCP; no database is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.process import free_port, program, running, server_folder, want

# What the signature finds, so that nothing harmful is needed.
MARK = b"sekisho-test-virus-0f3b9c"
NAME = "Sekisho.Test.Mark"
LARGEST = 1024 * 1024  # bytes that it takes


@dataclass(frozen=True)
class Clamd:
    """A running clamd: its unix socket, and its port on 127.0.0.1."""

    socket: Path
    port: int


@pytest.fixture(scope="session")
def clamd() -> Iterator[Clamd]:
    """ClamAV's daemon."""
    binary = program("clamd")
    if binary is None:
        want("clamd", "package clamav-daemon")
    with server_folder("clamd") as folder:
        database = folder / "db"
        database.mkdir(mode=0o755)
        # extended signature: name, any file type, any offset, hexadecimal
        (database / "test.ndb").write_text(f"{NAME}:0:*:{MARK.hex()}\n")
        socket, port = folder / "clamd.ctl", free_port()
        settings = {
            "DatabaseDirectory": database,
            "LocalSocket": socket,
            "TCPSocket": port,
            "TCPAddr": "127.0.0.1",
            "TemporaryDirectory": folder,
            "Foreground": "yes",
            "StreamMaxLength": LARGEST,
            "ConcurrentDatabaseReload": "no",
        }
        config = folder / "clamd.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        own = folder / "clamd"  # AppArmor knows the installed path, and forbids it our folder
        shutil.copy2(binary, own)
        with running([str(own), "--config-file", str(config)], folder / "clamd.log", socket, timeout=60):
            yield Clamd(socket, port)
