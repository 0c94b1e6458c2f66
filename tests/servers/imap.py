"""Dovecots for the tests of IMAP: one for all of them, and fresh ones that may be killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.testing.dovecot import DovecotServer
from tests.servers.process import server_folder, want

NewServer = Callable[..., DovecotServer]


def _need() -> None:
    if not DovecotServer.installed():
        want("dovecot", "package dovecot-imapd")


@pytest.fixture(scope="session")
def mailserver() -> Iterator[DovecotServer]:
    """One Dovecot for every test that does it no harm; a user name of one's own is a mailbox of one's own."""
    _need()
    with server_folder("imap") as folder:
        server = DovecotServer(folder).start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def new_mailserver() -> Iterator[NewServer]:
    """Dovecots of this test's own, with options of `DovecotServer`."""
    _need()
    with contextlib.ExitStack() as stack:

        def make(**options: Any) -> DovecotServer:
            folder = stack.enter_context(server_folder("imap"))
            server = DovecotServer(folder, **options).start()
            stack.callback(server.kill)
            return server

        yield make
