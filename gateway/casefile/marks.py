"""How exhibits are numbered and what their files are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

# The party that hands the exhibits in, and how its letter is written in file names.
PARTIES: Final = {"甲": "ko", "乙": "otsu", "丙": "hei", "弁": "ben"}
LONGEST_NAME: Final = 50

_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9]{1,5}")
# What a double click would run; such files get a harmless ending after their own.
_RUNS: Final = frozenset(
    (
        *(".app", ".bat", ".cmd", ".com", ".cpl", ".dll", ".exe", ".hta", ".htm", ".html", ".iso", ".jar", ".js"),
        *(".jse", ".lnk", ".msi", ".ps1", ".reg", ".scr", ".sh", ".svg", ".url", ".vbe", ".vbs", ".wsf", ".xhtml"),
    )
)


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of an exhibit: party, number, and the branch where it has several (0: it has none)."""

    party: str
    number: int
    branch: int = 0

    @property
    def text(self) -> str:
        """As it is stamped: 甲第1号証, 甲第1号証の2."""
        return f"{self.party}第{self.number}号証" + (f"の{self.branch}" if self.branch else "")

    @property
    def name(self) -> str:
        """The same in ASCII, for file names: `ko-001`, `ko-001-02`."""
        return f"{PARTIES[self.party]}-{self.number:03d}" + (f"-{self.branch:02d}" if self.branch else "")

    def with_branch(self, branch: int) -> Mark:
        """Another branch of the same number."""
        return Mark(self.party, self.number, branch)


def file_suffix(name: str) -> str:
    """The ending for an attachment's file: that of its own name where it is plain and runs nothing."""
    suffix = PurePosixPath(name).suffix.lower()
    if not _SUFFIX.fullmatch(suffix):
        return ".bin"
    return f"{suffix}.bin" if suffix in _RUNS else suffix
