"""rspamd with the rules its package ships, as a milter and over HTTP, its Redis beside it, and no network."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.process import answers, free_port, program, running, server_folder, tail, wait_until, want

_SHIPPED = Path("/etc/rspamd/rspamd.conf")


@dataclass(frozen=True)
class Rspamd:
    """A running rspamd. `milter` is Postfix's way to name its socket; `pids` are its and its Redis's main processes.

    `port` is that of /checkv2 on 127.0.0.1, 0 where it was not asked for.
    """

    folder: Path
    milter: str
    pids: tuple[int, ...]
    port: int = 0


@contextlib.contextmanager
def run_rspamd(
    *, name_server: tuple[str, int] = ("127.0.0.1", 9), parent: Path | None = None, http: bool = False
) -> Iterator[Rspamd]:
    """rspamd in milter mode, with `http` also over HTTP, until the block ends; it asks `name_server` alone."""
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
        port = free_port() if http else 0
        local = _write_overrides(folder, redis_socket, milter_socket, name_server, port)
        command = [binary, "-f", "-c", str(_SHIPPED)]
        for name in ("DBDIR", "RUNDIR", "LOGDIR"):
            command.append(f"--var={name}={folder}")
        command.append(f"--var=LOCAL_CONFDIR={local}")
        if root:
            user = pwd.getpwnam("_rspamd")
            shutil.chown(folder, user.pw_uid, user.pw_gid)
            command += ["-u", "_rspamd", "-g", "_rspamd"]
        process = stack.enter_context(running(command, folder / "rspamd.log", milter_socket, timeout=60))
        if http:
            log = folder / "rspamd.log"
            wait_until(lambda: answers(("127.0.0.1", port)), "rspamd answers over HTTP", detail=lambda: tail(log))
        yield Rspamd(folder, f"unix:{milter_socket}", (process.pid, redis_process.pid), port)


def _write_overrides(folder: Path, redis: Path, milter: Path, name_server: tuple[str, int], http: int) -> Path:
    """The shop's part of rspamd's config: sockets in our folder, no network, workers that scan by themselves."""
    local = folder / "etc"
    (local / "local.d").mkdir(parents=True)
    (local / "override.d").mkdir()
    host, port = name_server
    parts = {
        "options.inc": f'dns {{ nameserver = ["{host}:{port}"]; timeout = 0.5s; retransmits = 1; }}',
        "redis.conf": f'servers = "{redis}";',
        "worker-normal.inc": f'bind_socket = "127.0.0.1:{http}";\ncount = 1;' if http else "enabled = false;",
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
    """rspamd as a milter and over HTTP."""
    with run_rspamd(http=True) as server:
        yield server
