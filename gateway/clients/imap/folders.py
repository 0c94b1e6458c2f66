"""Commands about the folders of an account: opened, listed, made; their rights and their room."""

from __future__ import annotations

import contextlib

from aioimaplib.aioimaplib import AUTH, SELECTED

from gateway.clients.imap.connection import Connection
from gateway.clients.imap.errors import ImapRefused
from gateway.clients.imap.names import decode_name, mailbox
from gateway.clients.imap.values import Folder, Selected, number, text


class FolderCommands(Connection):
    """A connection that knows the account's folders, named as in the config."""

    selected: Selected | None = None
    root = ""  # the prefix of the user's own folders, taken off names and put on

    async def select(self, folder: str, *, read_only: bool = False) -> Selected:
        """Open a folder."""
        self._protocol.state = AUTH if self._protocol.state == SELECTED else self._protocol.state
        self.selected = None
        self._protocol.exists = 0
        answer = await self._run(self._command("EXAMINE" if read_only else "SELECT", self._name(folder)))
        self._protocol.state = SELECTED
        codes = answer.codes()
        flags = codes.get("PERMANENTFLAGS", b"")
        self.selected = Selected(
            folder,
            number(codes.get("UIDVALIDITY")),
            number(codes.get("UIDNEXT")),
            self._protocol.exists,
            "READ-ONLY" in codes,
            b"\\*" in flags,
        )
        return self.selected

    async def status(self, folder: str) -> tuple[int, int, int]:
        """UIDVALIDITY, UIDNEXT and the number of mails of a folder that is not open."""
        answer = await self._run(self._command("STATUS", self._name(folder), "(UIDVALIDITY UIDNEXT MESSAGES)"))
        for words in answer.named(b"STATUS"):
            if words and isinstance(words[-1], list):
                given = words[-1]
                found = {text(n).upper(): number(v) for n, v in zip(given[::2], given[1::2], strict=False)}
                return found.get("UIDVALIDITY", 0), found.get("UIDNEXT", 0), found.get("MESSAGES", 0)
        raise ImapRefused("STATUS", "", "no answer")

    async def folders(self) -> list[Folder]:
        """Every folder of the account."""
        answer = await self._run(self._command("LIST", '""', '"*"'))
        found = []
        for words in answer.named(b"LIST"):
            if len(words) >= 3 and isinstance(words[0], list) and isinstance(words[2], bytes):
                attributes = frozenset(text(word).lower() for word in words[0])
                name = decode_name(text(words[2]))
                found.append(Folder(name.removeprefix(self.root) or name, attributes, text(words[1])))
        return found

    async def create(self, folder: str) -> None:
        """Make a folder and subscribe to it, so that mail programs show it; one that is there already is fine."""
        try:
            await self._run(self._command("CREATE", self._name(folder)))
        except ImapRefused as error:
            if error.code != "ALREADYEXISTS":
                raise
        with contextlib.suppress(ImapRefused):
            await self._run(self._command("SUBSCRIBE", self._name(folder)))

    async def find_root(self) -> None:
        """Ask for the prefix of the user's own folders (RFC 2342), so that names in the config do without it."""
        if self.has("NAMESPACE"):
            for words in (await self._run(self._command("NAMESPACE"))).named(b"NAMESPACE"):
                own = words[0] if words else None
                if isinstance(own, list) and own and isinstance(own[0], list) and own[0]:
                    self.root = decode_name(text(own[0][0]))

    async def rights(self, folder: str) -> str | None:
        """Our rights on a folder (RFC 4314), None where the server does not tell."""
        if not self.has("ACL"):
            return None
        for words in (await self._run(self._command("MYRIGHTS", self._name(folder)))).named(b"MYRIGHTS"):
            return text(words[-1]) if words else None
        return None

    async def quota(self, folder: str) -> tuple[int, int] | None:
        """Used and allowed kilobytes (RFC 9208), None where there is no limit."""
        if not self.has("QUOTA"):
            return None
        command = self._command("GETQUOTAROOT", self._name(folder), key="QUOTA")
        for words in (await self._run(command)).named(b"QUOTA"):
            if words and isinstance(words[-1], list):
                given = words[-1]
                for place, word in enumerate(given[:-2]):
                    if isinstance(word, bytes) and word.upper() == b"STORAGE":
                        return number(given[place + 1]), number(given[place + 2])
        return None

    def _name(self, folder: str) -> str:
        own = folder.upper() == "INBOX" or folder.startswith(self.root)
        return mailbox(folder if own else self.root + folder)
