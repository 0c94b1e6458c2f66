"""Papers out of data: Typst with fonts of our own, without the system's, the same bytes for the same content."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import typst

from gateway.casefile.fonts import folders

TEMPLATES: Final = Path(__file__).parent / "typst"
STANDARD: Final = "a-2u"  # PDF/A-2 with Unicode for every glyph, so that texts can be searched


class NotSet(Exception):
    """The data cannot be set as they are, such as a picture that is broken or a character without a glyph."""


class Typesetter:
    """Sets papers one after the other; to be used by one thread and closed at the end."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="sekisho-"))
        for file in TEMPLATES.glob("*.typ"):
            shutil.copy(file, self._root)
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True, font_paths=folders())
        self._compilers = {
            file.stem: typst.Compiler(file, root=self._root, font_paths=fonts, ignore_system_fonts=True)
            for file in self._root.glob("*.typ")
        }

    def pdf(self, template: str, data: Mapping[str, Any], at: datetime, pictures: Mapping[str, bytes] = {}) -> bytes:
        """The paper as PDF/A; `pictures` are files by the names that `data` uses for them. Raises `NotSet`."""
        # The same names for every paper: what was read under a name stays in memory until it is read again.
        places = {picture: f"picture-{at}{Path(picture).suffix}" for at, picture in enumerate(pictures)}
        files = [self._root / "paper.json", *(self._root / place for place in places.values())]
        try:
            files[0].write_text(json.dumps({**data, "places": places}, ensure_ascii=False), "utf-8")
            for picture, content in pictures.items():
                (self._root / places[picture]).write_bytes(content)
            made = self._compilers[template].compile(
                format="pdf", sys_inputs={"data": "paper.json"}, pdf_standards=STANDARD, timestamp=int(at.timestamp())
            )
        except typst.TypstError as error:
            raise NotSet(error.message) from error
        finally:
            for file in files:
                file.unlink(missing_ok=True)
        assert isinstance(made, bytes)
        return made

    def shows(self, name: str, content: bytes, at: datetime) -> bool:
        """Whether a picture can be shown."""
        try:
            self.pdf("picture", {"picture": name}, at, {name: content})
        except NotSet:
            return False
        return True

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self._root, ignore_errors=True)
