"""Postfix instances in folders of their own: they take mail on a free port and hand it on where a test says."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.process import answers, free_port, program, server_folder, tail, wait_until, want
from tests.servers.trust import Trust

_SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
"""
_LOG_SERVICE = "postlog unix-dgram n - n - 1 postlogd\n"

_SETTINGS: Mapping[str, str] = {
    "compatibility_level": "3.6",
    "myhostname": "postfix.test",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "local_recipient_maps": "",
    "alias_maps": "",
    "alias_database": "",
    "local_transport": "error:no local mail here",
    "smtp_host_lookup": "native",
    "smtp_dns_support_level": "disabled",
    "smtpd_peername_lookup": "no",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "maximal_backoff_time": "2s",
    "minimal_backoff_time": "1s",
    "queue_run_delay": "1s",
    "message_size_limit": "104857600",
    "mailbox_size_limit": "0",
    "smtputf8_enable": "yes",
}


@dataclass(frozen=True)
class Postfix:
    """A running Postfix that relays all it takes on `port`; `pid` is its master's."""

    folder: Path
    port: int
    pid: int

    @property
    def log(self) -> str:
        """The last lines of its log."""
        return tail(self.folder / "mail.log")

    def waiting(self) -> int:
        """How many messages lie in its queue."""
        queue = self.folder / "queue"
        folders = ("incoming", "active", "deferred", "hold", "maildrop")
        return sum(path.is_file() for name in folders for path in (queue / name).rglob("*"))

    def wait_until_empty(self, *, timeout: float = 30.0) -> None:
        """Return when every message was handed on."""
        wait_until(lambda: self.waiting() == 0, "postfix hands everything on", timeout=timeout, detail=lambda: self.log)


def _require() -> str:
    binary = program("postfix")
    if binary is None:
        want("postfix", "package postfix")
    if os.geteuid() != 0:
        want("postfix", "its master process starts as root only")
    return binary


@contextlib.contextmanager
def run_postfix(
    relay: int | str,
    settings: Mapping[str, str] | None = None,
    *,
    parent: Path | None = None,
    log: bool = True,
) -> Iterator[Postfix]:
    """A Postfix that relays to a port on 127.0.0.1 (or a `transport:nexthop`) until the block ends.

    `settings` are added to its main.cf. Without `log` it speaks to syslog, as Debian's package does by default.
    """
    binary = _require()
    nexthop = f"smtp:[127.0.0.1]:{relay}" if isinstance(relay, int) else relay
    with server_folder("postfix", parent) as folder:
        port = free_port()
        config, queue, data = folder / "etc", folder / "queue", folder / "data"
        for path in (config, queue, data):
            path.mkdir()
        shutil.chown(data, pwd.getpwnam("postfix").pw_uid)
        values = {
            **_SETTINGS,
            "queue_directory": str(queue),
            "data_directory": str(data),
            "default_transport": nexthop,
            "relay_transport": nexthop,
            **({"maillog_file": str(folder / "mail.log"), "maillog_file_prefixes": str(folder)} if log else {}),
            **(settings or {}),
        }
        (config / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in values.items()))
        (config / "master.cf").write_text(_SERVICES.format(port=port).lstrip() + (_LOG_SERVICE if log else ""))
        command = [binary, "-c", str(config)]
        started = subprocess.run([*command, "start"], capture_output=True, timeout=60, check=False)
        if started.returncode != 0:
            raise RuntimeError(f"postfix start: {started.stderr.decode()}{tail(folder / 'mail.log')}")
        try:
            log_file = folder / "mail.log"
            wait_until(lambda: answers(("127.0.0.1", port)), "postfix answers", detail=lambda: tail(log_file))
            yield Postfix(folder, port, int((queue / "pid" / "master.pid").read_text()))
        finally:
            subprocess.run([*command, "stop"], capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="session")
def postfix_relaying_to(trust: Trust) -> Iterator[Callable[..., Postfix]]:
    """`postfix_relaying_to(port)` gives a Postfix that relays there and trusts the test authority.

    With `tls="verify"` it hands mail on over STARTTLS only to a server whose certificate it can verify; `"may"` (the
    default) takes STARTTLS where offered; `"none"` never. One instance for each port and level.
    """
    running: dict[tuple[int, str], Postfix] = {}
    with contextlib.ExitStack() as stack:

        def factory(port: int, tls: str = "may") -> Postfix:
            if (port, tls) not in running:
                settings = {
                    "smtp_tls_security_level": tls,
                    "smtp_tls_CAfile": str(trust.ca),
                    "smtp_tls_verify_cert_match": "hostname",
                    "smtp_tls_loglevel": "1",
                }
                nexthop = f"smtp:[localhost]:{port}"  # the name that the certificate bears
                running[port, tls] = stack.enter_context(run_postfix(nexthop, settings))
            return running[port, tls]

        yield factory
