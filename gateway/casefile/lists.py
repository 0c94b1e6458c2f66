"""Lists on paper as data for the template `list`: the draft 証拠説明書 and the timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any

from gateway.casefile.frame import Frame
from gateway.casefile.glyphs import Shown
from gateway.casefile.redaction import Redaction

LONGEST_CELL = 1_500


def listing(
    frame: Frame,
    heading: str,
    kind: str,
    columns: Sequence[tuple[str, int]],
    rows: Iterable[Sequence[str]],
    *,
    fields: Sequence[Sequence[str]] = (),
    notices: Sequence[str] = (),
    strict: bool = False,
) -> dict[str, Any]:
    """Data for the template: `columns` are headings with their share of the width, 0 for as much as they need.

    `strict` as in `Shown`.
    """
    shown, redaction = Shown(strict), Redaction(frame.words)
    at = frame.made_at.astimezone(UTC)
    return {
        "title": heading,
        "author": Shown().text(frame.shop),
        "date": [at.year, at.month, at.day, at.hour, at.minute, at.second],
        "stamp": "",
        "landscape": True,
        "kind": kind,
        "heading": heading,
        "running": heading,
        "footer": shown.text(f"{frame.shop}  {frame.checkpoint}")[:160],
        "fields": [[label, shown.breakable(redaction.text(said))] for label, said in fields],
        "notices": list(notices),
        "columns": [[name, share or "auto"] for name, share in columns],
        "rows": [[shown.in_cell(redaction.text(one_line(cell))) for cell in row] for row in rows],
    }


def one_line(text: str) -> str:
    """The text on one line, cut where it is very long."""
    said = " ".join(text.split())
    return said if len(said) <= LONGEST_CELL else said[:LONGEST_CELL] + "…"
