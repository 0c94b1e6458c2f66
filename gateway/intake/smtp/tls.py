"""The server's certificate: loaded at the start, read again when its files change, never replaced by a broken one."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from gateway.errors import SekishoError
from gateway.model.settings import TlsFiles
from gateway.text import Text

CHECK_EVERY = 2.0  # seconds between two looks at the files

Stamp = tuple[tuple[int, int, int], ...]


class TlsError(SekishoError):
    """Certificate or key cannot be used."""


def load_context(files: TlsFiles) -> ssl.SSLContext:
    """A server context for TLS 1.2 and later; raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        # a key with a passphrase must not make OpenSSL ask for it on a terminal
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise TlsError(
            Text(
                "TLS の証明書または鍵を読み込めません（{certificate}、{key}）：{reason}",
                "The TLS certificate or key cannot be loaded ({certificate}, {key}): {reason}",
            ).with_(certificate=files.certificate, key=files.key, reason=reason),
            Text(
                "PEM 形式の証明書チェーンと、それに合う鍵（パスフレーズなし）を指定してください。",
                "Name a certificate chain and the key that belongs to it, both in PEM, the key without a passphrase.",
            ),
        ) from None
    return context


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)


class Certificates:
    """Gives the context for each new TLS session; the first load raises TlsError, later ones keep what works."""

    def __init__(self, files: TlsFiles, log: Any) -> None:
        self._files = files
        self._log = log
        self._stamp = self._look()
        self._context = load_context(files)
        self._looked = 0.0

    def context(self, now: float) -> ssl.SSLContext:
        """The context of this moment, `now` in seconds of the event loop; looks at the files now and then."""
        if now - self._looked >= CHECK_EVERY:
            self._looked = now
            if self._look() != self._stamp:
                self.reload()
        return self._context

    def reload(self) -> bool:
        """Load the files again; on a fault the old certificate stays, the fault is logged, and this is False."""
        self._stamp = self._look()
        try:
            self._context = load_context(self._files)
        except TlsError as error:
            self._log.error("tls certificate not reloaded, the old one stays", error=str(error))
            return False
        self._log.info("tls certificate reloaded", certificate=str(self._files.certificate))
        return True

    def _look(self) -> Stamp:
        return _stamp(self._files.certificate), _stamp(self._files.key)
