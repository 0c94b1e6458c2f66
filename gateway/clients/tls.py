"""TLS towards the servers that mail is handed to: when it is a must, how a certificate is judged (RFC 8314)."""

from __future__ import annotations

import ssl
from functools import lru_cache

from gateway.model.settings import Target


def must_encrypt(target: Target) -> bool:
    """Whether nothing may be said in the clear: asked for, or a password is to be sent (RFC 4954 §4)."""
    return target.scheme == "smtps" or target.starttls == "required" or bool(target.user and target.starttls != "never")


@lru_cache(maxsize=8)
def client_context(target: Target) -> ssl.SSLContext:
    """The context for one target.

    The certificate is verified against `target.ca` (or the system's authorities) wherever TLS is a must or `ca` is
    given. With `starttls: auto` and neither, encryption is opportunistic and takes any certificate (RFC 7435): still
    better than none, which an attacker in between could enforce anyway. Kept, for reading the system's authorities
    takes long. Raises OSError or ssl.SSLError for an unusable `ca`.
    """
    context = ssl.create_default_context(cafile=str(target.ca) if target.ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not must_encrypt(target) and target.ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
