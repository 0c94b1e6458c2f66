"""How we speak IMAP (RFC 3501) to the shop's mailbox: one session class, and the way to log in."""

from gateway.clients.imap.access import open_session
from gateway.clients.imap.errors import ImapError, ImapLogin, ImapLost, ImapRefused
from gateway.clients.imap.session import ImapSession

__all__ = ["ImapError", "ImapLogin", "ImapLost", "ImapRefused", "ImapSession", "open_session"]
