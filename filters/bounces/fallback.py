"""flufl.bounce as a second opinion on whom a report is about, kept within bounds."""

from __future__ import annotations

import logging
from email import message_from_bytes
from typing import Final

from flufl.bounce import scan_message

# Detectors that stumble write tracebacks with parts of the message into the log.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)

_BYTES: Final = 32 * 1024
_LINE: Final = 1000  # its patterns take quadratic time on a line
_LINES: Final = 1500
_DELIMITERS: Final = 100
_BRACKETS: Final = 200


def detected_addresses(raw: bytes) -> tuple[str, ...]:
    """The failed addresses that flufl.bounce sees, () where it sees none or cannot cope.

    Takes milliseconds: for messages that look like reports only.
    """
    raw = raw[:_BYTES]
    # The standard library's parser recurses and repeats itself on these.
    lines = raw.split(b"\n")
    if raw.count(b"\n--") > _DELIMITERS or raw.count(b"(") > _BRACKETS or len(lines) > _LINES:
        return ()
    if max(map(len, lines)) > _LINE:
        return ()
    try:
        found = scan_message(message_from_bytes(raw))
        return tuple(sorted(address.decode("ascii", "replace") for address in found if b"@" in address))
    except Exception:  # whatever the library stumbles over, the report is read without it
        return ()
