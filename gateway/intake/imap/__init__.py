"""Intake over IMAP: the shop's mailbox is watched, and what comes in there is screened where it lies."""

from gateway.intake.imap.service import ImapWatchers

__all__ = ["ImapWatchers"]
