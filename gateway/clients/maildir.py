"""Delivery into a Maildir: written to `tmp`, synced, moved to `new`, the folder synced."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway.clients.transport import SendResult, Status, same_for_all
from gateway.model.acceptance import Leased
from gateway.model.settings import Target

_THREADS = 4
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.EIO, errno.EPERM}


class MaildirTransport:
    """One Maildir. A message for several of its recipients is one file; its lines stay CRLF, byte for byte.

    The file's name comes from the queue entry: a second attempt after a crash replaces the file of the first.
    """

    def __init__(self, target: Target) -> None:
        assert target.path is not None
        self._path = target.path
        self._name = target.name
        self._host = socket.gethostname().replace("/", "\\057").replace(":", "\\072")
        self._pool = ThreadPoolExecutor(_THREADS, "maildir")

    async def send(self, leased: Leased) -> SendResult:
        """Write the message; on any error of the file system it is deferred."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._write, leased)
        except OSError as error:
            text = f"{error.strerror or error}"
            results = same_for_all(leased.recipients, Status.DEFERRED, 0, text)
            return SendResult(results, self._name, down=error.errno in _DISK)
        return SendResult(same_for_all(leased.recipients, Status.DELIVERED, 250, "2.0.0 saved"), self._name)

    async def close(self) -> None:
        """Wait for the files under way."""
        await asyncio.to_thread(self._pool.shutdown)

    def _write(self, leased: Leased) -> None:
        folders = {name: self._path / name for name in ("tmp", "new", "cur")}
        if not folders["cur"].is_dir():
            for folder in folders.values():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{int(leased.created_at.timestamp())}.Q{leased.id}.{self._host}"
        if (leased.attempts or leased.crashes) and any(folders["cur"].glob(f"{name}*")):
            return  # delivered before a crash and read since
        temporary, final = folders["tmp"] / name, folders["new"] / name
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
                _write_all(file.fileno(), envelope_lines(leased) + leased.raw)
                os.fsync(file.fileno())
            temporary.rename(final)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(folders["new"])


def envelope_lines(leased: Leased) -> bytes:
    """`Return-Path` and `Delivered-To`, which final delivery puts on top (RFC 5321 §4.4)."""
    lines = [f"Return-Path: <{leased.mail_from}>", *(f"Delivered-To: {r}" for r in leased.recipients)]
    return b"".join(_CONTROL.sub("?", line).encode() + b"\r\n" for line in lines)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
