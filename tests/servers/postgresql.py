"""A PostgreSQL 15 of the tests' own: made by initdb in a folder that goes away, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import free_port, program, server_folder, wait_until, want

_BIN = Path("/usr/lib/postgresql/15/bin")


class PostgresqlServer:
    """One server process; it may be stopped, killed and started again on the same data."""

    def __init__(self, bin: Path, folder: Path) -> None:
        self._bin = bin
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        # the server refuses to run as root
        self._user = "postgres" if os.geteuid() == 0 else None
        self.port = free_port()
        self.user = "sekisho"
        if self._user is not None:
            folder.chmod(0o755)
            self._data.mkdir(mode=0o700)
            subprocess.run(["chown", "-R", self._user, str(folder)], check=True)
        self._run("initdb", "-D", str(self._data), "-U", self.user, "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it lets clients in."""
        arguments = ["-D", str(self._data), "-p", str(self.port), "-k", str(self._folder)]
        options = ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=60", "log_min_messages=fatal"]
        for option in options:
            arguments += ["-c", option]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), *arguments],
                user=self._user,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
            )
        wait_until(self._ready, "PostgreSQL to start", detail=lambda: (self._folder / "log").read_text()[-2000:])

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Shut it down: clients are cut off (SIGINT), or everything dies at once (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{secrets.token_hex(6)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, name)
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{name}"

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self._folder / "log").read_text()[-2000:])
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                pass
        except OSError:
            return False
        asked = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "postgres"]
        return subprocess.run(asked, check=False).returncode == 0

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / name), *arguments],
            user=self._user,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A running PostgreSQL for the whole session; each test takes a database of its own from it."""
    found = program("postgres")
    folder_of_programs = _BIN if (_BIN / "postgres").exists() else Path(found).parent if found else None
    if folder_of_programs is None:
        want("PostgreSQL", "postgres is not installed")
    with server_folder("postgresql") as folder:
        server = PostgresqlServer(folder_of_programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
