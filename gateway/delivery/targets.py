"""The way to a target that the config names."""

from __future__ import annotations

import socket

from gateway.clients.imap.transport import ImapTransport
from gateway.clients.maildir import MaildirTransport
from gateway.clients.oauth import client_for
from gateway.clients.smtp import SmtpTransport
from gateway.clients.transport import SendResult, Status, Transport, same_for_all
from gateway.errors import SekishoError
from gateway.model.acceptance import Leased
from gateway.model.settings import Imap, Settings, Target
from gateway.text import Text

NO_SUCH = Text("配送先の種類「{scheme}」には対応していません。", "Mail cannot be handed on by `{scheme}`.")
NO_SUCH_MEND = Text(
    "lmtp・smtp・smtps・maildir・imaps のいずれかを指定してください。", "Use lmtp, smtp, smtps, maildir or imaps."
)


class Nowhere:
    """Stands for a target that is no longer configured: what was queued for it waits until it is, or is given up."""

    async def send(self, leased: Leased) -> SendResult:
        """Defer."""
        return SendResult(same_for_all(leased.recipients, Status.DEFERRED, 0, "not configured"), "-")

    async def close(self) -> None:
        """Nothing is open."""


def transports(settings: Settings) -> dict[str, Transport]:
    """A transport for `mailbox` and one for `outgoing`; raises SekishoError for what cannot be."""
    outgoing = settings.outgoing
    return {
        "mailbox": transport(settings.mailbox, settings),
        "outgoing": transport(outgoing.target, settings) if outgoing is not None else Nowhere(),
    }


def transport(target: Target, settings: Settings) -> Transport:
    """The transport for one target."""
    if target.scheme == "maildir":
        return MaildirTransport(target)
    if target.scheme in ("imap", "imaps"):
        account = _account(target, settings)
        tokens = client_for(account.name, account.oauth2, settings.data).access_token if account.oauth2 else None
        return ImapTransport(account, tokens)
    if target.scheme in ("smtp", "smtps", "lmtp"):
        hostname = (settings.smtp.hostname if settings.smtp else "") or socket.gethostname()
        return SmtpTransport(target, hostname, settings.delivery.timeout)
    raise SekishoError(NO_SUCH.with_(scheme=target.scheme), NO_SUCH_MEND)


def _account(target: Target, settings: Settings) -> Imap:
    """The watched account that a target means, so that both log in alike; else one for delivery alone."""
    for account in settings.imap:
        if (account.server.host, account.server.port, account.user) == (target.host, target.port, target.user):
            return account
    return Imap("mailbox", target, target.user, target.password)
