"""From an account of the config to a session that is logged in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable
from typing import Protocol

from gateway.clients.imap.errors import ImapLogin, ImapLost
from gateway.clients.imap.session import ImapSession
from gateway.clients.tls import client_context
from gateway.model.settings import Imap, Target
from gateway.text import Text

_AGAIN = Text(
    "「sekisho imap login {name}」でもう一度許可してください。",
    "give the permission again: `sekisho imap login {name}`",
)


class Tokens(Protocol):
    """Gives an access token; with `fresh` one that was just made."""

    async def __call__(self, *, fresh: bool = False) -> str:
        """The token."""


async def open_session(account: Imap, tokens: Tokens | None = None) -> ImapSession:
    """Connect and log in. Raises `ImapLost`, `ImapLogin`, and what `tokens` raises.

    A token that is refused before its time is renewed once, for providers end them when they like.
    """
    if tokens is None:
        session = await _connect(account)
        return await _login(session, session.login(account.user, account.password))
    try:
        return await _by_token(account, await tokens())
    except ImapLogin:
        token = await tokens(fresh=True)
    try:
        return await _by_token(account, token)
    except ImapLogin as error:
        raise ImapLogin(account.server.host, account.user, error.why, _AGAIN.with_(name=account.name)) from error


async def _by_token(account: Imap, token: str) -> ImapSession:
    session = await _connect(account)
    return await _login(session, session.xoauth2(account.user, token))


async def _connect(account: Imap) -> ImapSession:
    server = account.server
    return await ImapSession.connect(
        server.host,
        server.port,
        tls=await asyncio.to_thread(_context, server),  # reading the system's authorities takes tens of milliseconds
        starttls=_starttls(account),
        implicit_tls=server.scheme == "imaps",
        timeout=account.timeout,
    )


async def _login(session: ImapSession, entering: Awaitable[None]) -> ImapSession:
    try:
        await entering
        await session.find_root()
    except BaseException:
        session.close()
        raise
    return session


def _starttls(account: Imap) -> str:
    """A password never travels in the clear, except to this machine or where the config says so."""
    server = account.server
    local = server.host == "localhost" or server.host == "::1" or server.host.startswith("127.")
    return "required" if server.starttls == "auto" and not local else server.starttls


def _context(server: Target) -> ssl.SSLContext:
    """The context for an account: a password is sent, so the certificate counts, except on this machine."""
    judged = Target("smtps", server.host, server.port, ca=server.ca)
    local = server.scheme == "imap" and server.starttls == "auto" and server.ca is None
    if local and (server.host in ("localhost", "::1") or server.host.startswith("127.")):
        judged = Target("smtp", server.host, server.port, starttls="auto")
    try:
        return client_context(judged)
    except (OSError, ssl.SSLError) as error:
        raise ImapLost(server.host, f"CA: {error}") from error
