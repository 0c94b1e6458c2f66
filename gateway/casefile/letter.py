"""A message on record on its way to become an exhibit, and the attachments found in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.casefile.marks import Mark
from gateway.errors import MimeLimit
from gateway.mime.message import Message
from gateway.mime.parts import Part

MOST_BRANCHES = 50  # attachments with an exhibit of their own; the others are listed and handed over as files


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its record. `raw` and `record` are None where they were deleted; times are UTC."""

    mark: Mark  # without a branch
    id: str
    seq: int
    direction: str  # in | out
    kind: str  # mail | reply | notice | report | forward
    about: str | None
    received_at: datetime
    sha256: str
    size: int
    mail_from: str
    recipients: tuple[str, ...]
    subject: str
    from_header: str
    message_id: str
    state: str
    raw: bytes | None = field(repr=False)
    record: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that is no text of it, decoded. `mark` is its own, with its branch."""

    mark: Mark
    name: str
    content_type: str
    size: int  # bytes, decoded
    sha256: str
    data: bytes = field(repr=False)
    text: str | None = field(default=None, repr=False)

    @property
    def has_exhibit(self) -> bool:
        """Whether there is a paper of its own about it."""
        return self.mark.branch <= MOST_BRANCHES + 1


def find_attachments(message: Message, mark: Mark) -> tuple[Attachment, ...]:
    """The attachments with branch numbers from 2 on (1 is the message); none where the message cannot be parsed."""
    try:
        parts = [part for part in message.parts() if part.is_attachment]
    except MimeLimit:
        return ()
    return tuple(_attachment(part, mark.with_branch(number)) for number, part in enumerate(parts, 2))


def _attachment(part: Part, mark: Mark) -> Attachment:
    data = part.data()
    text = part.text() if part.content_type.startswith("text/") and part.content_type != "text/html" else None
    return Attachment(mark, part.name, part.content_type, len(data), hashlib.sha256(data).hexdigest(), data, text)
