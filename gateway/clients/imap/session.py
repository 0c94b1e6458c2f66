"""One connection to a mailbox: a deadline for every step, one command at a time, and none is used after a doubt."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ssl
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from aioimaplib.aioimaplib import AUTH, NONAUTH, SELECTED, AioImapException, Command

from gateway.clients.imap.errors import ImapLogin, ImapLost, ImapRefused, reason
from gateway.clients.imap.names import decode_name, mailbox, quoted
from gateway.clients.imap.protocol import USUAL_BUDGET, Protocol
from gateway.clients.imap.response import Answer, Token, internal_date, number_ranges, number_set, readable

TIMEOUT = 30.0  # seconds for one step
SLOWEST = 50_000  # bytes a second; a transfer may take as much longer
CHUNK = 200  # UIDs a command
CANDIDATES = 20  # mails of the same size that are compared when one is looked for
IDLE_AT_MOST = 9 * 60.0  # seconds; RFC 2177 asks for less than 29 minutes, NAT boxes for less than ten

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Selected:
    """A folder as it was opened. `uidnext` is 0 where the server does not say."""

    name: str
    uidvalidity: int
    uidnext: int
    exists: int
    read_only: bool
    keywords: bool  # whether keywords can be kept


@dataclass(frozen=True, slots=True)
class Overview:
    """What is known about a mail before it is fetched; `size` in bytes as the server says."""

    uid: int
    size: int
    flags: frozenset[str]  # in lower case
    date: datetime | None


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the account with its attributes in lower case (`\\drafts`, `\\noselect`)."""

    name: str
    attributes: frozenset[str]
    delimiter: str


class ImapSession:
    """A session; made by `connect`. Every method raises `ImapLost`, and `ImapRefused` where the server says no."""

    def __init__(self, protocol: Protocol, host: str, timeout: float) -> None:
        self._protocol = protocol
        self._timeout = timeout
        self._lock = asyncio.Lock()
        self.host = host
        self.selected: Selected | None = None
        self.root = ""  # the prefix of the user's own folders, taken off names and put on

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        starttls: str = "auto",
        implicit_tls: bool = True,
        timeout: float = TIMEOUT,
    ) -> ImapSession:
        """Connect, and go over to TLS: from the first byte, or by STARTTLS (`auto`, `required`, `never`)."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, protocol = await loop.create_connection(Protocol, host, port, ssl=tls if implicit_tls else None)
        except TimeoutError as error:
            raise ImapLost(host, "no connection in time") from error
        except (OSError, ssl.CertificateError) as error:
            raise ImapLost(host, reason(error)) from error
        session = cls(protocol, host, timeout)
        try:
            await session._bounded(protocol.greeting(), timeout)
            await session.ask_capabilities()
            if not implicit_tls and starttls != "never":
                await session._starttls(tls, required=starttls == "required")
        except BaseException:
            session.close()
            raise
        return session

    @property
    def alive(self) -> bool:
        """Whether the connection can be used."""
        return not self._protocol.lost

    def has(self, capability: str) -> bool:
        """Whether the server announced a capability."""
        return capability.upper() in self._protocol.capabilities

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server announced, in capitals."""
        return frozenset(self._protocol.capabilities)

    # who we are

    async def login(self, user: str, password: str) -> None:
        """Log in by LOGIN, or AUTHENTICATE PLAIN where that must be; raises `ImapLogin`."""
        if self._protocol.state != NONAUTH:
            return
        plain = self.has("AUTH=PLAIN") and (self.has("LOGINDISABLED") or not (user + password).isascii())
        if plain:
            coded = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
            await self._enter(user, self._sasl("PLAIN", coded))
        elif self.has("LOGINDISABLED"):
            raise ImapLogin(self.host, user, "the server takes no password on this connection")
        else:
            await self._enter(user, self._command("LOGIN", quoted(user), quoted(password)))

    async def xoauth2(self, user: str, token: str) -> None:
        """Log in by an OAuth 2 access token (XOAUTH2); raises `ImapLogin`. A refusal is answered, so it never hangs."""
        coded = base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode("ascii")
        await self._enter(user, self._sasl("XOAUTH2", coded))

    async def ask_capabilities(self) -> None:
        """Ask for the capabilities; they change with TLS and with the login."""
        await self._run(self._command("CAPABILITY"))

    # folders

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
            _number(codes.get("UIDVALIDITY")),
            _number(codes.get("UIDNEXT")),
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
                found = {_text(n).upper(): _number(v) for n, v in zip(given[::2], given[1::2], strict=False)}
                return found.get("UIDVALIDITY", 0), found.get("UIDNEXT", 0), found.get("MESSAGES", 0)
        raise ImapRefused("STATUS", "", "no answer")

    async def folders(self) -> list[Folder]:
        """Every folder of the account."""
        answer = await self._run(self._command("LIST", '""', '"*"'))
        found = []
        for words in answer.named(b"LIST"):
            if len(words) >= 3 and isinstance(words[0], list) and isinstance(words[2], bytes):
                attributes = frozenset(_text(word).lower() for word in words[0])
                name = decode_name(_text(words[2]))
                found.append(Folder(name.removeprefix(self.root) or name, attributes, _text(words[1])))
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
                    self.root = decode_name(_text(own[0][0]))

    async def rights(self, folder: str) -> str | None:
        """Our rights on a folder (RFC 4314), None where the server does not tell."""
        if not self.has("ACL"):
            return None
        for words in (await self._run(self._command("MYRIGHTS", self._name(folder)))).named(b"MYRIGHTS"):
            return _text(words[-1]) if words else None
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
                        return _number(given[place + 1]), _number(given[place + 2])
        return None

    # mail

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
                names = frozenset(_text(f).lower() for f in flags) if isinstance(flags, list) else frozenset()
                size = _number(items.get("RFC822.SIZE"))
                found.append(Overview(_number(items.get("UID")), size, names, internal_date(items.get("INTERNALDATE"))))
        return sorted((o for o in found if o.uid), key=lambda o: o.uid)

    async def fetch(self, uids: Sequence[int], expected: int) -> dict[int, bytes]:
        """The raw bytes of at most `CHUNK` mails, together about `expected` bytes, without marking them as read."""
        if len(uids) > CHUNK:
            raise ValueError(f"more than {CHUNK} at a time")
        found = {}
        for items in await self._fetch(uids, "(UID BODY.PEEK[])", expected):
            raw = items.get("BODY[]")
            if isinstance(raw, bytes):
                found[_number(items.get("UID"))] = raw
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
        answer = await self._run(self._command("MOVE", number_ranges(uids), self._name(folder), uid=True))
        return _copied(answer)

    async def copy(self, uids: Sequence[int], folder: str) -> dict[int, int]:
        """Copy mails; gives the new UIDs by the old where the server tells."""
        return _copied(await self._run(self._command("COPY", number_ranges(uids), self._name(folder), uid=True)))

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
        words = [self._name(folder), *([f"({flags})"] if flags else []), *([_date(date)] if date else [])]
        command = self._command("APPEND", *words, f"{{{len(raw)}}}")
        self._protocol.literal_data = raw
        try:
            answer = await self._run(command, seconds=self._timeout + len(raw) / SLOWEST)
        finally:
            self._protocol.literal_data = None
        given = answer.codes().get("APPENDUID", b"").split()
        return _number(given[1]) if len(given) == 2 else 0

    async def noop(self) -> None:
        """Let the server tell what is new."""
        await self._run(self._command("NOOP"))

    async def wait_for_news(self, seconds: float) -> bool:
        """IDLE (RFC 2177) until something comes into the folder, at most `seconds`; True where something did."""
        protocol = self._protocol
        async with self._lock:
            if protocol.news.is_set():
                self._check()
                return True
            protocol.idling.clear()
            command = asyncio.ensure_future(protocol.run(self._command("IDLE")))
            acknowledged = asyncio.ensure_future(protocol.idling.wait())
            try:
                await asyncio.wait({command, acknowledged}, timeout=self._timeout, return_when="FIRST_COMPLETED")
                if not protocol.idling.is_set() and not command.done():
                    protocol.fail("no answer to IDLE in time")
                if not command.done() and not protocol.lost:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(min(seconds, IDLE_AT_MOST)):
                            await protocol.news.wait()
                    if not protocol.lost:
                        protocol.send("DONE")
                self._accept("IDLE", await self._bounded(command, self._timeout))
            except BaseException:
                protocol.fail("IDLE was broken off")
                raise
            finally:
                acknowledged.cancel()
                command.cancel()
                await asyncio.gather(command, acknowledged, return_exceptions=True)
            return protocol.news.is_set()

    def wake(self) -> None:
        """End the wait for news of another task."""
        self._protocol.news.set()

    async def logout(self) -> None:
        """Say goodbye and close; never raises."""
        if self.alive:
            with contextlib.suppress(ImapLost, ImapRefused):
                await self._run(self._command("LOGOUT"), seconds=min(5.0, self._timeout))
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._protocol.fail("closed")

    # inside

    def _name(self, folder: str) -> str:
        own = folder.upper() == "INBOX" or folder.startswith(self.root)
        return mailbox(folder if own else self.root + folder)

    def _command(self, name: str, *words: str, uid: bool = False, key: str = "") -> Command:
        protocol = self._protocol
        prefix = "UID" if uid else None
        return Command(name, protocol.new_tag(), *words, prefix=prefix, untagged_resp_name=key or None)

    def _sasl(self, mechanism: str, first: str) -> Command:
        if self.has("SASL-IR"):
            self._protocol.answers = []
            return self._command("AUTHENTICATE", mechanism, first)
        self._protocol.answers = [first]
        return self._command("AUTHENTICATE", mechanism)

    async def _enter(self, user: str, command: Command) -> None:
        before = self.capabilities
        try:
            answer = await self._run(command)
        except ImapRefused as error:
            if error.code == "UNAVAILABLE":  # RFC 5530: a fault of the server's, not of ours
                raise ImapLost(self.host, error.why) from error
            raise ImapLogin(self.host, user, error.why) from error
        self._protocol.state = AUTH
        if "CAPABILITY" not in answer.codes() and self.capabilities == before:
            await self.ask_capabilities()

    async def _starttls(self, tls: ssl.SSLContext | None, *, required: bool) -> None:
        if not self.has("STARTTLS") or tls is None:
            if required:
                raise ImapLost(self.host, "the server offers no STARTTLS")
            return
        await self._run(self._command("STARTTLS"))
        if self._protocol.unread:
            self._protocol.fail("data before the TLS handshake")  # what came in the clear is an injection
            raise ImapLost(self.host, self._protocol.lost)
        loop = asyncio.get_running_loop()
        upgrade = loop.start_tls(self._protocol.transport, self._protocol, tls, server_hostname=self.host)
        try:
            self._protocol.transport = await self._bounded(upgrade, self._timeout)
        except (OSError, ssl.CertificateError) as error:
            self._protocol.fail(f"TLS: {error}")
            raise ImapLost(self.host, self._protocol.lost) from error
        self._protocol.capabilities = set()  # what was announced in the clear counts for nothing (RFC 3501 §6.2.1)
        await self.ask_capabilities()

    async def _fetch(self, uids: Sequence[int], items: str, expected: int = 0) -> list[dict[str, Token]]:
        if not uids:
            return []
        command = self._command("FETCH", number_ranges(uids), items, uid=True)
        seconds = self._timeout + expected / SLOWEST
        answer = await self._run(command, seconds=seconds, budget=USUAL_BUDGET + 2 * expected)
        wanted = set(uids)
        return [found for found in answer.fetched() if _number(found.get("UID")) in wanted]

    async def _run(self, command: Command, *, seconds: float = 0.0, budget: int = USUAL_BUDGET) -> Answer:
        """Run one command alone; a connection that does not answer in time is thrown away."""
        async with self._lock:
            self._check()
            answer = await self._bounded(self._protocol.run(command, budget), seconds or self._timeout)
        return self._accept(command.name, answer)

    def _accept(self, name: str, answer: Answer) -> Answer:
        if answer.status != "OK":
            raise ImapRefused(name, answer.code, readable(answer.text))
        return answer

    async def _bounded(self, work: Awaitable[T], seconds: float) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError as error:
            self._protocol.fail(f"no answer within {seconds:g} s")
            raise ImapLost(self.host, self._protocol.lost) from error
        except AioImapException as error:
            self._protocol.fail(str(error))
            raise ImapLost(self.host, self._protocol.lost) from error
        except asyncio.CancelledError:
            self._protocol.fail("broken off")  # the answer would be taken for that of the next command
            raise

    def _check(self) -> None:
        if self._protocol.lost:
            raise ImapLost(self.host, self._protocol.lost)


def _chunks(uids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (uids[start : start + CHUNK] for start in range(0, len(uids), CHUNK))


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def _copied(answer: Answer) -> dict[int, int]:
    given = answer.codes().get("COPYUID", b"").split()
    if len(given) != 3:
        return {}
    old, new = number_set(given[1]), number_set(given[2])
    return dict(zip(old, new, strict=True)) if len(old) == len(new) else {}


def _number(value: Token) -> int:
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) <= 20 else 0


def _text(value: Token) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def search_date(moment: datetime) -> str:
    """A day as SEARCH takes it (RFC 3501 §9, `date`)."""
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year:04}"


def _date(moment: datetime) -> str:
    return f'"{moment.day:2}-{_MONTHS[moment.month - 1]}-{moment.year:04} {moment:%H:%M:%S} {moment:%z}"'
