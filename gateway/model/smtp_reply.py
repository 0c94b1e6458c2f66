"""Every reply of the SMTP server in one table: code, enhanced code (RFC 3463), ASCII text, nothing internal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

LINE = 400  # characters of text in one reply line; RFC 5321 §4.5.3.1.5 allows 512 with code and CRLF
LINES = 12


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """One reply (RFC 5321 §4.2); lines of `text` are parted by newlines, `wire` is the reply as it is sent.

    Raises ValueError on a code that is none, an enhanced code of another class, and text that is not printable ASCII.
    """

    code: int
    enhanced: str  # "" where RFC 2034 wants none: greeting, EHLO, 354
    text: str
    wire: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599 or (self.enhanced and self.enhanced[0] != str(self.code)[0]):
            raise ValueError(f"code {self.code} {self.enhanced}")
        lines = self.text.split("\n")
        if any(not (line.isascii() and line.isprintable()) or len(line) > LINE for line in lines):
            raise ValueError("a reply line must be printable ASCII of moderate length")
        between = f" {self.enhanced} " if self.enhanced else " "
        told = [f"{self.code}-{between[1:]}{line}\r\n" for line in lines[:-1]]
        told.append(f"{self.code}{between}{lines[-1]}\r\n")
        object.__setattr__(self, "wire", "".join(told).encode("ascii"))

    @property
    def positive(self) -> bool:
        """2xx or 3xx: what was asked is done, or goes on."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """4xx: the peer keeps the mail and tries again."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced} {self.text}".replace("  ", " ")


def clean(text: str) -> str:
    """Any text as one that a reply can carry: printable ASCII, `?` for the rest, lines and their number bounded."""
    lines = ("".join(c if " " <= c <= "~" else "?" for c in line)[:LINE].strip() for line in text.splitlines()[:LINES])
    return "\n".join(line for line in lines if line)


# Session
CLOSING: Final = SmtpReply(221, "2.0.0", "Bye")
OK: Final = SmtpReply(250, "2.0.0", "Ok")
HELP: Final = SmtpReply(
    214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP STARTTLS\nSee RFC 5321"
)
VERIFY: Final = SmtpReply(252, "2.0.0", "Cannot verify the address; send the mail and see")
START_TLS: Final = SmtpReply(220, "2.0.0", "Ready to start TLS")
TLS_UNAVAILABLE: Final = SmtpReply(454, "4.7.0", "TLS not available for the moment")

# Transaction
SENDER_OK: Final = SmtpReply(250, "2.1.0", "Sender ok")
RECIPIENT_OK: Final = SmtpReply(250, "2.1.5", "Recipient ok")
GO_AHEAD: Final = SmtpReply(354, "", "End data with <CR><LF>.<CR><LF>")
ACCEPTED: Final = SmtpReply(250, "2.0.0", "Ok: accepted")

# What the gateway cannot do at this moment: the peer tries again
FAILED: Final = SmtpReply(451, "4.3.0", "Temporary failure, please try again later")
STORE_BUSY: Final = SmtpReply(451, "4.3.0", "Mail system busy, please try again later")
STORAGE_FULL: Final = SmtpReply(452, "4.3.1", "Insufficient system storage, please try again later")
MEMORY_FULL: Final = SmtpReply(452, "4.3.1", "Too much mail at the same time, please try again later")
TOO_MANY_RECIPIENTS: Final = SmtpReply(452, "4.5.3", "Too many recipients, send the others in another transaction")
SHUTTING_DOWN: Final = SmtpReply(421, "4.3.2", "Service shutting down, please try again later")
BROKEN: Final = SmtpReply(421, "4.3.0", "Temporary failure, closing connection")
TIMEOUT: Final = SmtpReply(421, "4.4.2", "Timeout, closing connection")
TOO_MANY_CONNECTIONS: Final = SmtpReply(421, "4.7.0", "Too many connections, please try again later")
TOO_MANY_FROM_ADDRESS: Final = SmtpReply(421, "4.7.0", "Too many connections from your address")
TOO_FAST: Final = SmtpReply(421, "4.7.0", "Connections come too fast from your address")
TOO_MANY_ERRORS: Final = SmtpReply(421, "4.7.0", "Too many errors, closing connection")
TOO_MANY_COMMANDS: Final = SmtpReply(421, "4.7.0", "Too many commands, closing connection")
TOO_MANY_MESSAGES: Final = SmtpReply(421, "4.7.0", "Too many messages in this session, please connect again")

# What the peer did wrong
UNKNOWN_COMMAND: Final = SmtpReply(500, "5.5.2", "Command not recognized")
BAD_LINE: Final = SmtpReply(500, "5.5.2", "Syntax error")
COMMAND_TOO_LONG: Final = SmtpReply(500, "5.5.2", "Command line too long")
NOT_IMPLEMENTED: Final = SmtpReply(502, "5.5.1", "Command not implemented")
NOT_SMTP: Final = SmtpReply(554, "5.5.1", "This is a mail server, closing connection")
NO_PROXY: Final = SmtpReply(554, "5.7.1", "PROXY protocol not accepted from your address")
HELO_SYNTAX: Final = SmtpReply(501, "5.5.4", "Syntax: EHLO hostname")
MAIL_SYNTAX: Final = SmtpReply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX: Final = SmtpReply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
NO_ARGUMENT: Final = SmtpReply(501, "5.5.4", "No argument allowed")
VRFY_SYNTAX: Final = SmtpReply(501, "5.5.4", "Syntax: VRFY address")
PARAMETER: Final = SmtpReply(501, "5.5.4", "Malformed parameter")
UNSUPPORTED_PARAMETER: Final = SmtpReply(555, "5.5.4", "Parameter not supported")
HELO_FIRST: Final = SmtpReply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST: Final = SmtpReply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST: Final = SmtpReply(503, "5.5.1", "Send RCPT first")
NESTED_MAIL: Final = SmtpReply(503, "5.5.1", "Sender already given")
NO_TLS_NOW: Final = SmtpReply(503, "5.5.1", "TLS already active")
UNEXPECTED_INPUT: Final = SmtpReply(554, "5.5.1", "Data sent before it was asked for, closing connection")
BAD_SENDER: Final = SmtpReply(553, "5.1.7", "Malformed sender address")
BAD_RECIPIENT: Final = SmtpReply(553, "5.1.3", "Malformed recipient address")
NOT_ASCII: Final = SmtpReply(553, "5.6.7", "Non-ASCII address not permitted without SMTPUTF8")
NOT_HERE: Final = SmtpReply(550, "5.7.1", "Relaying denied: mail for this address is not accepted here")

# What is wrong with a message
TOO_BIG: Final = SmtpReply(552, "5.3.4", "Message too big")
LINE_TOO_LONG: Final = SmtpReply(554, "5.6.0", "Message has a line that is too long")
BARE_CR_LF: Final = SmtpReply(554, "5.6.0", "Message has a bare CR or LF: lines must end with CR LF")
NUL: Final = SmtpReply(554, "5.6.0", "Message has a NUL character")
LOOP: Final = SmtpReply(554, "5.4.6", "Too many hops: mail loop")
REJECTED: Final = SmtpReply(550, "5.7.1", "Message refused")

REPLIES: Final[Mapping[str, SmtpReply]] = {k: v for k, v in list(globals().items()) if isinstance(v, SmtpReply)}


def accepted(message_id: str) -> SmtpReply:
    """The reply that hands responsibility over (RFC 5321 §6.1), with the id under which the message is on record."""
    return SmtpReply(250, "2.0.0", f"Ok: accepted as {message_id}")


def rejected(text: str = "") -> SmtpReply:
    """The reply to a message that a rule rejects, with the rule's `smtp_text` where it has one."""
    said = clean(text)
    return SmtpReply(550, "5.7.1", said) if said else REJECTED
