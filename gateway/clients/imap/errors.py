"""What can go wrong with a mailbox: the connection, the login, or one thing that the server will not do."""

from __future__ import annotations

import errno
import socket
import ssl

from gateway.errors import SekishoError
from gateway.text import Text, plain

_LOST = Text("{host} との接続が使えません（{why}）。", "the connection to {host} cannot be used: {why}")
_LOST_MEND = Text(
    "サーバー名・ポート・証明書・ネットワークを確かめてください。", "check server, port, certificate and network"
)
NO_CONNECTION = Text("時間内につながりませんでした", "no connection in time")
NO_ANSWER = Text("{seconds:g} 秒以内に応答がありません", "no answer within {seconds:g} s")
NO_PASSWORD = Text(
    "この接続ではパスワードを受け付けないサーバーです", "the server takes no password on this connection"
)
NO_STARTTLS = Text("サーバーに STARTTLS がありません", "the server offers no STARTTLS")
ENDED = Text("サーバー側から切断されました", "closed by the server")
BROKEN = Text("接続が切れました", "connection lost")
GOODBYE = Text("サーバーが接続を終えました: {said}", "the server said goodbye: {said}")
_NO_NAME = Text("その名前のサーバーは見つかりません", "there is no server of that name")
_CLOSED = Text("そのポートでは接続を受け付けていません", "nothing takes connections at that port")
_NO_WAY = Text("サーバーまで届きません", "there is no way to it")
_NO_TLS = Text(
    "そのポートは最初から TLS では話しません。imap:// と imaps:// を取り違えていませんか",
    "that port does not speak TLS from the first byte: imap:// instead of imaps://?",
)
_CERTIFICATE = Text("証明書を信用できません: {why}", "its certificate is not trusted: {why}")
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

    def __init__(self, host: str, why: str | Text) -> None:
        super().__init__(_LOST.with_(host=host, why=why), _LOST_MEND)
        self.why = why


class ImapLogin(ImapError):
    """The server does not accept who we say we are."""

    def __init__(self, host: str, user: str, why: str | Text, mend: Text | None = None) -> None:
        super().__init__(_LOGIN.with_(host=host, user=user, why=why), mend or _LOGIN_MEND)
        self.why = why


class ImapRefused(ImapError):
    """The server answered NO or BAD; `code` is the response code in capitals (RFC 5530), "" where it gives none."""

    def __init__(self, command: str, code: str, why: str) -> None:
        super().__init__(_REFUSED.with_(command=command, why=why or code or "NO"))
        self.command = command
        self.code = code
        self.why = why


def reason(error: Exception) -> Text:
    """Why a connection was not made, in plain words where the cause is a usual one."""
    if isinstance(error, socket.gaierror):
        return _NO_NAME
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.with_(why=error.verify_message)
    if isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return _NO_TLS
    if isinstance(error, ConnectionRefusedError):
        return _CLOSED
    if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return _NO_WAY
    return plain(str(error))
