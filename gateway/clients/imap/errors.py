"""What can go wrong with a mailbox: the connection, the login, or one thing that the server will not do."""

from __future__ import annotations

from gateway.errors import SekishoError
from gateway.text import Text

_LOST = Text("{host} との接続が使えません（{why}）。", "the connection to {host} cannot be used: {why}")
_LOST_MEND = Text(
    "サーバー名・ポート・証明書・ネットワークを確かめてください。", "check server, port, certificate and network"
)
_LOGIN = Text("{user} として {host} にログインできません（{why}）。", "{host} does not let {user} in: {why}")
_LOGIN_MEND = Text(
    "ユーザー名とパスワードを確かめてください（アプリ用のパスワードが必要な事業者もあります）。",
    "check user and password (some providers want a password made for the application)",
)
_REFUSED = Text("メールサーバーが {command} を断りました（{why}）。", "the mail server refused {command}: {why}")


class ImapError(SekishoError):
    """Base of what goes wrong with a mailbox."""


class ImapLost(ImapError):
    """The connection is of no more use: closed, broken, silent for too long, or not speaking IMAP."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(_LOST.with_(host=host, why=why), _LOST_MEND)
        self.why = why


class ImapLogin(ImapError):
    """The server does not accept who we say we are."""

    def __init__(self, host: str, user: str, why: str, mend: Text | None = None) -> None:
        super().__init__(_LOGIN.with_(host=host, user=user, why=why), mend or _LOGIN_MEND)


class ImapRefused(ImapError):
    """The server answered NO or BAD; `code` is the response code in capitals (RFC 5530), "" where it gives none."""

    def __init__(self, command: str, code: str, why: str) -> None:
        super().__init__(_REFUSED.with_(command=command, why=why or code or "NO"))
        self.command = command
        self.code = code
        self.why = why
