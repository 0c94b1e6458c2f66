"""What every server fixture needs: a want that is on record, a folder, a free port, and an end by process id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

WANT = "no server: "  # how the reason of a skip for want of a server starts; tests/conftest.py counts these
_SBIN = ("/usr/sbin", "/sbin", "/usr/lib/postfix/sbin", "/usr/libexec/postfix", "/usr/local/sbin")


def servers_required() -> bool:
    """Whether a missing server is a failure (in CI, where all of them are installed first)."""
    return os.environ.get("CI", "").lower() in {"true", "1"} or os.environ.get("SEKISHO_REQUIRE_SERVERS") == "1"


def want(server: str, why: str) -> NoReturn:
    """Give up this test for want of a server: the closing line names the skip; where servers are required it fails."""
    reason = f"{WANT}{server} ({why})"
    if servers_required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(name: str) -> str | None:
    """The path of a server program, also where only root's PATH has it."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def server_folder(server: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder that the server's own users may enter, removed at the end; its path is short (sockets: 107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix=f"sekisho-{server}-", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(ready: Callable[[], bool], what: str, *, timeout: float = 20.0, detail: Callable[[], str] = str) -> None:
    """Poll `ready`; TimeoutError with `what` and `detail()` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} within {timeout:g} s\n{detail()}")
        time.sleep(0.02)


def answers(address: tuple[str, int] | Path) -> bool:
    """Whether somebody accepts connections at a TCP address or a unix socket."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex(str(address) if isinstance(address, Path) else address) == 0


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    ready: tuple[str, int] | Path,
    *,
    timeout: float = 20.0,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server in the foreground until the block ends; its output goes to `log`, and it must answer at `ready`."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def up() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}\n{tail(log)}")
        return answers(ready)

    try:
        wait_until(up, f"{command[0]} answers", timeout=timeout, detail=lambda: tail(log))
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def tail(log: Path, lines: int = 40) -> str:
    """The last lines of a log file, for messages of failure."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
