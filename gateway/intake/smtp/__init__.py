"""SMTP intake: aiosmtpd's protocol, made lean and strict, in our own event loop."""

from gateway.intake.smtp.context import host_name
from gateway.intake.smtp.server import SmtpServer

__all__ = ["SmtpServer", "host_name"]
