"""Fakes that ship: servers and sample mails for tests, for the demonstration, and for shops that try their rules."""
