"""Automatic replies, notices to the owner and delivery reports: their words, and whether they may go."""
