"""A session with a mailbox: what can be asked about mail there, and done to it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.clients.imap.folders import FolderCommands
from gateway.clients.imap.protocol import USUAL_BUDGET
from gateway.clients.imap.response import Token, internal_date, number_ranges
from gateway.clients.imap.values import Folder, Overview, Selected, append_date, copied, number, search_date, text

__all__ = ["CHUNK", "Folder", "ImapSession", "Overview", "Selected", "search_date"]

SLOWEST = 50_000  # bytes a second; a transfer may take as much longer
CHUNK = 200  # UIDs a command
CANDIDATES = 20  # mails of the same size that are compared when one is looked for


class ImapSession(FolderCommands):
    """A session; made by `connect`. Every method raises `ImapLost`, and `ImapRefused` where the server says no."""

    async def search(self, *criteria: str) -> list[int]:
        """UIDs, ascending. No CHARSET is sent, which some servers refuse: criteria are ASCII."""
        self._protocol.news.clear()
        answer = await self._run(self._command("SEARCH", *criteria, uid=True))
        found = {int(w) for words in answer.named(b"SEARCH") for w in words if isinstance(w, bytes) and w.isdigit()}
        return sorted(found)

    async def overview(self, uids: Sequence[int]) -> list[Overview]:
        """Size, flags and date of mails, ascending; those that are gone are left out."""
        found = []
        for some in _chunks(uids):
            for items in await self._fetch(some, "(UID FLAGS INTERNALDATE RFC822.SIZE)"):
                flags = items.get("FLAGS")
                names = frozenset(text(f).lower() for f in flags) if isinstance(flags, list) else frozenset()
                size = number(items.get("RFC822.SIZE"))
                found.append(Overview(number(items.get("UID")), size, names, internal_date(items.get("INTERNALDATE"))))
        return sorted((o for o in found if o.uid), key=lambda o: o.uid)

    async def fetch(self, uids: Sequence[int], expected: int) -> dict[int, bytes]:
        """The raw bytes of at most `CHUNK` mails, together about `expected` bytes, without marking them as read."""
        if len(uids) > CHUNK:
            raise ValueError(f"more than {CHUNK} at a time")
        found = {}
        for items in await self._fetch(uids, "(UID BODY.PEEK[])", expected):
            raw = items.get("BODY[]")
            if isinstance(raw, bytes):
                found[number(items.get("UID"))] = raw
        return found

    async def find(self, size: int, digest: bytes) -> int:
        """The UID of a mail in the open folder, told by its size and SHA-256; 0 where it is not there."""
        uids = await self.search("LARGER", str(size - 1), "SMALLER", str(size + 1))
        for uid in reversed(uids[-CANDIDATES:]):
            raw = (await self.fetch([uid], size)).get(uid, b"")
            if await asyncio.to_thread(_digest, raw) == digest:
                return uid
        return 0

    async def move(self, uids: Sequence[int], folder: str) -> dict[int, int]:
        """Move mails (RFC 6851); gives the new UIDs by the old where the server tells (RFC 4315)."""
        return await self._to(folder, "MOVE", uids)

    async def copy(self, uids: Sequence[int], folder: str) -> dict[int, int]:
        """Copy mails; gives the new UIDs by the old where the server tells."""
        return await self._to(folder, "COPY", uids)

    async def flag(self, uids: Sequence[int], *flags: str) -> None:
        """Add flags or keywords."""
        words = (number_ranges(uids), "+FLAGS.SILENT", f"({' '.join(flags)})")
        await self._run(self._command("STORE", *words, uid=True, key="FETCH"))

    async def expunge(self, uids: Sequence[int]) -> bool:
        """Remove mails that are flagged deleted, and no others; False where the server cannot do just that."""
        if self.has("UIDPLUS"):
            await self._run(self._command("EXPUNGE", number_ranges(uids), uid=True))
            return True
        if set(await self.search("DELETED")) <= set(uids):
            await self._run(self._command("EXPUNGE"))
            return True
        return False  # others would go with them, which somebody may want back

    async def append(self, folder: str, raw: bytes, flags: str = "", date: datetime | None = None) -> int:
        """Put a mail into a folder; its UID where the server tells (RFC 4315), else 0."""
        words = [self._name(folder), *([f"({flags})"] if flags else []), *([append_date(date)] if date else [])]
        command = self._command("APPEND", *words, f"{{{len(raw)}}}")
        self._protocol.literal_data = raw
        try:
            answer = await self._run(command, seconds=self._timeout + len(raw) / SLOWEST)
        finally:
            self._protocol.literal_data = None
        given = answer.codes().get("APPENDUID", b"").split()
        return number(given[1]) if len(given) == 2 else 0

    async def _to(self, folder: str, name: str, uids: Sequence[int]) -> dict[int, int]:
        """A server that is still at it must not be asked again, so it is given a second more for each mail."""
        command = self._command(name, number_ranges(uids), self._name(folder), uid=True)
        return copied(await self._run(command, seconds=self._timeout + len(uids)))

    async def _fetch(self, uids: Sequence[int], items: str, expected: int = 0) -> list[dict[str, Token]]:
        if not uids:
            return []
        command = self._command("FETCH", number_ranges(uids), items, uid=True)
        seconds = self._timeout + expected / SLOWEST
        answer = await self._run(command, seconds=seconds, budget=USUAL_BUDGET + 2 * expected)
        wanted = set(uids)
        return [found for found in answer.fetched() if number(found.get("UID")) in wanted]


def _chunks(uids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (uids[start : start + CHUNK] for start in range(0, len(uids), CHUNK))


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()
