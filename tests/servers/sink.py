"""Postfix's own test programs: smtp-sink takes mail and counts it, smtp-source sends it."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.process import answers, free_port, program, server_folder, wait_until, want

_PACKAGE = "package postfix"


@dataclass
class Sink:
    """A running smtp-sink: how many messages it took, when it took the last one, and their bytes if it dumps them."""

    port: int
    folder: Path | None
    process: subprocess.Popen[bytes]
    count: int = 0
    last: float = 0.0  # time.monotonic() of the latest change of `count`
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def follow(self) -> None:
        """Read the running counters (`sess=1 quit=1 mesg=1`) until the program ends."""
        assert self.process.stdout is not None
        buffer = b""
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            *whole, buffer = (buffer + chunk).replace(b"\n", b"\r").split(b"\r")
            counted = [int(line.rpartition(b"mesg=")[2]) for line in whole if b"mesg=" in line]
            if counted and counted[-1] != self.count:
                with self._changed:
                    self.count, self.last = counted[-1], time.monotonic()
                    self._changed.notify_all()

    def wait_for(self, count: int, *, timeout: float = 30.0) -> None:
        """Return when the sink has taken `count` messages since it started; TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count >= count, timeout):
                raise TimeoutError(f"the sink has {self.count} of {count} messages")

    def messages(self) -> list[bytes]:
        """Every message dumped so far, lines ending in CRLF, without the lines that smtp-sink puts on top."""
        assert self.folder is not None, "this sink does not dump"
        return [_content(path.read_bytes()) for path in sorted(self.folder.iterdir())]


def _content(dump: bytes) -> bytes:
    """What came by DATA: smtp-sink puts X-* notes and a Received field of three lines on top, a blank line below."""
    lines = dump.split(b"\n")
    at = next(number for number, line in enumerate(lines) if line.startswith(b"Received: "))
    at += 1
    while lines[at][:1] in {b" ", b"\t"}:
        at += 1
    return b"\r\n".join(lines[at:-1])


@contextlib.contextmanager
def run_sink(port: int | None = None, *, dump: bool = True, options: tuple[str, ...] = ()) -> Iterator[Sink]:
    """smtp-sink on 127.0.0.1 until the block ends; `options` as in its manual (`-r RCPT` to refuse, `-L` for LMTP)."""
    binary = program("smtp-sink")
    if binary is None:
        want("smtp-sink", _PACKAGE)
    port = port or free_port()
    with server_folder("sink") as folder:
        command = [binary, "-4", "-c", *options]
        if os.geteuid() == 0:  # it refuses to stay root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            command += ["-u", "nobody"]
        if dump:
            command += ["-d", f"{folder}/%s."]
        command += [f"127.0.0.1:{port}", "1000"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        sink = Sink(port, folder if dump else None, process)
        reader = threading.Thread(target=sink.follow, name="smtp-sink", daemon=True)
        reader.start()
        try:
            wait_until(lambda: answers(("127.0.0.1", sink.port)), "smtp-sink answers")
            yield sink
        finally:
            process.terminate()
            process.wait(10)
            reader.join(5)


@pytest.fixture
def smtp_sink() -> Iterator[Sink]:
    """A sink of this test's own, which dumps every message to a file."""
    with run_sink() as sink:
        yield sink


def smtp_source(
    port: int,
    messages: int,
    *,
    sender: str = "customer@mail.example",
    recipient: str = "shop@shop.example",
    sessions: int = 20,
    length: int = 4096,
    reuse: bool = False,
    options: tuple[str, ...] = (),
    timeout: float = 300.0,
) -> float:
    """Send `messages` by smtp-source and return the seconds it took; RuntimeError where the peer refused one."""
    binary = program("smtp-source")
    if binary is None:
        want("smtp-source", _PACKAGE)
    command = [binary, "-4", "-s", str(sessions), "-m", str(messages), "-l", str(length), "-f", sender, "-t", recipient]
    command += [*(("-d",) if reuse else ()), *options, f"127.0.0.1:{port}"]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, timeout=timeout, check=False)
    took = time.monotonic() - started
    if done.returncode != 0 or b"fatal" in done.stderr:
        raise RuntimeError(f"smtp-source ended with {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-500:]}")
    return took
