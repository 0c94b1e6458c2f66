"""What a section is called in error messages."""

from __future__ import annotations

from gateway.text import Text


def title(name: str) -> Text:
    """A section's name as Japanese and English quote it."""
    return Text(f"「{name}」", name)
