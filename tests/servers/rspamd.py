"""rspamd with the rules its package ships, as a milter on a unix socket, its Redis beside it, and no network."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.process import program, running, server_folder, want

_SHIPPED = Path("/etc/rspamd/rspamd.conf")


@dataclass(frozen=True)
class Rspamd:
    """A running rspamd. `milter` is Postfix's way to name its socket; `pids` are its and its Redis's main processes."""

    folder: Path
    milter: str
    pids: tuple[int, ...]


@contextlib.contextmanager
def run_rspamd(*, name_server: tuple[str, int] = ("127.0.0.1", 9), parent: Path | None = None) -> Iterator[Rspamd]:
    """rspamd in milter mode until the block ends; questions to the DNS go to `name_server` alone."""
    binary, redis = program("rspamd"), program("redis-server")
    if binary is None or not _SHIPPED.exists():
        want("rspamd", "package rspamd")
    if redis is None:
        want("redis", "package redis-server")
    root = os.geteuid() == 0
    with server_folder("rspamd", parent) as folder, contextlib.ExitStack() as stack:
        redis_socket, milter_socket = folder / "redis.sock", folder / "milter.sock"
        store = [redis, "--port", "0", "--unixsocket", str(redis_socket), "--unixsocketperm", "777", "--save", ""]
        store += ["--dir", str(folder), "--daemonize", "no"]
        redis_process = stack.enter_context(running(store, folder / "redis.log", redis_socket))
        local = _write_overrides(folder, redis_socket, milter_socket, name_server)
        command = [binary, "-f", "-c", str(_SHIPPED)]
        for name in ("DBDIR", "RUNDIR", "LOGDIR"):
            command.append(f"--var={name}={folder}")
        command.append(f"--var=LOCAL_CONFDIR={local}")
        if root:
            user = pwd.getpwnam("_rspamd")
            shutil.chown(folder, user.pw_uid, user.pw_gid)
            command += ["-u", "_rspamd", "-g", "_rspamd"]
        process = stack.enter_context(running(command, folder / "rspamd.log", milter_socket, timeout=60))
        yield Rspamd(folder, f"unix:{milter_socket}", (process.pid, redis_process.pid))


def _write_overrides(folder: Path, redis: Path, milter: Path, name_server: tuple[str, int]) -> Path:
    """The shop's part of rspamd's config: sockets in our folder, no network, one milter worker that scans by itself."""
    local = folder / "etc"
    (local / "local.d").mkdir(parents=True)
    (local / "override.d").mkdir()
    host, port = name_server
    parts = {
        "options.inc": f'dns {{ nameserver = ["{host}:{port}"]; timeout = 0.5s; retransmits = 1; }}',
        "redis.conf": f'servers = "{redis}";',
        "worker-normal.inc": "enabled = false;",
        "worker-controller.inc": "enabled = false;",
        "worker-fuzzy.inc": "enabled = false;",
        "worker-proxy.inc": (
            f'bind_socket = "{milter} mode=0666";\nmilter = yes;\n'
            'upstream "local" { default = yes; self_scan = yes; hosts = "localhost"; }'
        ),
        "logging.inc": 'type = "console";\nlevel = "warning";',
        "fuzzy_check.conf": "enabled = false;",  # asks a server on the internet
        "rspamd_update.conf": "enabled = false;",
        "asn.conf": "enabled = false;",
    }
    for name, text in parts.items():
        (local / "override.d" / name).write_text(text + "\n")
    return local


@pytest.fixture(scope="session")
def rspamd() -> Iterator[Rspamd]:
    """rspamd as a milter."""
    with run_rspamd() as server:
        yield server
