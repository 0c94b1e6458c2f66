"""Documents to go on writing in: the draft 証拠説明書 and the memo for the police, as docx."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from gateway.casefile.csv_table import uncontrolled

MINCHO: Final = "ＭＳ 明朝"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")  # no XML 1.0 may hold these


class Paper:
    """A docx of headings, paragraphs and tables, in Mincho on A4."""

    def __init__(self, title: str, author: str, made_at: datetime, *, landscape: bool = False) -> None:
        self._document = Document()
        properties = self._document.core_properties
        at = made_at.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        properties.title, properties.author = fit(title)[:255], fit(author)[:255]
        properties.created = properties.modified = at
        properties.last_modified_by, properties.comments = "", ""
        section = self._document.sections[0]
        width, height = Mm(210), Mm(297)
        if landscape:
            section.orientation = WD_ORIENT.LANDSCAPE
            width, height = height, width
        section.page_width, section.page_height = width, height
        section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(22)
        for name in ("Normal", "Title", "Heading 1", "Heading 2"):
            style = self._document.styles[name]
            style.font.name = MINCHO
            fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
            for attribute in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
                fonts.attrib.pop(qn(attribute), None)
            for attribute in ("w:ascii", "w:hAnsi", "w:eastAsia"):
                fonts.set(qn(attribute), MINCHO)
        self._document.styles["Normal"].font.size = Pt(10.5)
        self._document.add_heading(fit(title), 0)

    def heading(self, text: str) -> None:
        """A heading."""
        self._document.add_heading(fit(text), 1)

    def text(self, text: str) -> None:
        """A paragraph; line feeds are line breaks."""
        self._document.add_paragraph(fit(text))

    def quote(self, text: str) -> None:
        """Somebody's words, set apart."""
        paragraph = self._document.add_paragraph(fit(text))
        paragraph.paragraph_format.left_indent = Mm(10)

    def table(self, columns: Sequence[tuple[str, float]], rows: Iterable[Sequence[str]]) -> None:
        """A table; `columns` are headings with their widths in millimetres."""
        table: Any = self._document.add_table(rows=1, cols=len(columns), style="Table Grid")
        table.autofit = False
        for cell, (name, _) in zip(table.rows[0].cells, columns, strict=True):
            cell.text = name
        header = table.rows[0]._tr.get_or_add_trPr()
        header.append(header.makeelement(qn("w:tblHeader"), {qn("w:val"): "true"}))
        for row in rows:
            for cell, said in zip(table.add_row().cells, row, strict=True):
                cell.text = fit(said)
        for at, (_, width) in enumerate(columns):
            for cell in table.columns[at].cells:
                cell.width = Mm(width)
                for paragraph in cell.paragraphs:
                    for run in paragraph.runs:
                        run.font.size = Pt(9)

    def content(self) -> bytes:
        """The file, the same bytes for the same content."""
        out = io.BytesIO()
        self._document.save(out)
        return _timeless(out.getvalue())


def fit(text: str) -> str:
    """The text without what XML cannot hold, and with the codes of what upsets a screen."""
    return _UNFIT.sub("�", uncontrolled(text))


def _timeless(docx: bytes) -> bytes:
    """The same archive without the times at which its parts were written."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(docx)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            kept = zipfile.ZipInfo(info.filename, _EPOCH)
            kept.compress_type, kept.create_system, kept.external_attr = zipfile.ZIP_DEFLATED, 0, 0
            target.writestr(kept, source.read(info))
    return out.getvalue()
