"""Reads a folder to its end: what is new there is taken, in bounded portions, each mail once on record."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from gateway.clients.imap.errors import ImapRefused
from gateway.clients.imap.session import CHUNK, ImapSession, Overview, Selected, search_date
from gateway.errors import SekishoError
from gateway.intake.imap import texts
from gateway.intake.imap.envelope import is_draft
from gateway.intake.imap.telling import Teller
from gateway.mime.message import Message
from gateway.model.mailbox import Place
from gateway.model.settings import Imap
from gateway.store import imap as records
from gateway.store.engine import Store
from gateway.text import Text

logger = structlog.get_logger()

PORTION = 8 * 1024 * 1024  # bytes in memory at a time, or one mail
LARGEST = 150 * 1024 * 1024  # bytes of a mail; providers allow 25 to 50 MB
TRIES = 3
AT_ONCE = 16  # mails in work at a time
BEHIND = timedelta(days=2)  # how far before the last look a renumbered folder is read again


class Found:
    """One mail as it was found: its place, bytes and digest, and the folder's state at that moment."""

    __slots__ = ("digest", "overview", "place", "raw", "state")

    def __init__(self, place: Place, raw: bytes, digest: bytes, overview: Overview, state: records.FolderState) -> None:
        self.place = place
        self.raw = raw
        self.digest = digest
        self.overview = overview
        self.state = state

    @property
    def before(self) -> bool:
        """Whether it lay there before the first contact or before the folder was numbered anew."""
        return self.place.uid < self.state.first_uid


Take = Callable[[Found], Awaitable[None]]


class FolderReader:
    """One folder of an account. `take` puts a mail on record that is not there yet."""

    def __init__(self, account: Imap, folder: str, store: Store, teller: Teller, take: Take, *, sent: bool) -> None:
        self._account = account
        self.folder = folder
        self._store = store
        self._teller = teller
        self._take = take
        self._sent = sent
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._turn = asyncio.Lock()
        self._stubborn: dict[int, int] = {}
        self.waiting = 0
        self.done = 0

    async def changed(self, session: ImapSession) -> bool:
        """Whether there is anything to read, without opening the folder."""
        uidvalidity, uidnext, _ = await session.status(self.folder)
        state = await records.folder_state(self._store, self._account.name, self.folder)
        return state is None or state.uidvalidity != uidvalidity or not uidnext or uidnext > state.next_uid

    async def read(self, session: ImapSession) -> int:
        """Take everything that is new; gives how many mails. Raises `ImapError` and `StoreError`: it is read again."""
        selected = await session.select(self.folder, read_only=self._sent)
        state = await self._begin(session, selected)
        uids = await self._new(session, state)
        self.waiting, self.done = len(uids), 0
        for start in range(0, len(uids), CHUNK):
            chunk = uids[start : start + CHUNK]
            await self._chunk(session, state, chunk)
            await self._progress(state, chunk[-1] + 1, seen=start + CHUNK >= len(uids))
            if len(uids) > CHUNK:
                logger.info(
                    "imap_progress", account=self._account.name, folder=self.folder, done=self.done, of=len(uids)
                )
        if not uids and datetime.now(UTC) - state.seen_at > timedelta(hours=1):
            await self._progress(state, state.next_uid, seen=True)
        self.waiting = 0
        return len(uids)

    async def _progress(self, state: records.FolderState, next_uid: int, *, seen: bool) -> None:
        unit = records.Progress(self._account.name, self.folder, state.uidvalidity, next_uid, seen)
        await self._store.committer.submit(unit)

    async def _begin(self, session: ImapSession, selected: Selected) -> records.FolderState:
        """How far the folder was read; at the first contact and after a new numbering, where reading begins."""
        name, now = self._account.name, datetime.now(UTC)
        state = await records.folder_state(self._store, name, self.folder)
        if state is not None and state.uidvalidity == selected.uidvalidity:
            return state
        uidnext = selected.uidnext or await self._uidnext(session)
        if state is None:
            since = now - timedelta(seconds=self._account.since) if self._account.since is not None else None
        else:
            # Everything older was read under the old numbers, except where something was still to be done.
            oldest = await records.oldest_pending(self._store, name, self.folder)
            since = min(state.seen_at, oldest or state.seen_at) - BEHIND
            logger.warning("imap_renumbered", account=name, folder=self.folder)
        fresh = records.FolderState(
            name,
            self.folder,
            selected.uidvalidity,
            1 if since is not None else uidnext,
            uidnext,
            since,
            state is not None,
            now,
        )
        await self._store.committer.submit(records.Begin(fresh))
        logger.info("imap_first_contact", account=name, folder=self.folder, mails=selected.exists, since=str(since))
        return fresh

    async def _uidnext(self, session: ImapSession) -> int:
        uids = await session.search("ALL")
        return uids[-1] + 1 if uids else 1

    async def _new(self, session: ImapSession, state: records.FolderState) -> list[int]:
        """UIDs to look at, ascending: of those before the first contact only what came since then."""
        found: list[int] = []
        if state.next_uid < state.first_uid and state.since is not None:
            day = state.since - timedelta(days=1)  # SINCE knows no time zone
            found += await session.search("UID", f"{state.next_uid}:{state.first_uid - 1}", "SINCE", search_date(day))
        start = max(state.next_uid, state.first_uid)
        found += [uid for uid in await session.search("UID", f"{start}:*") if uid >= start]
        return sorted(set(found))

    async def _chunk(self, session: ImapSession, state: records.FolderState, uids: Sequence[int]) -> None:
        known = await records.known_uids(self._store, self._account.name, self.folder, state.uidvalidity, uids)
        overviews = await session.overview([uid for uid in uids if uid not in known])
        wanted = [o for o in overviews if not self._too_old(o, state)]
        drafts = tuple(self._place(state, o.uid) for o in wanted if "\\draft" in o.flags)
        if drafts:
            await self._store.committer.submit(records.LeaveOut(drafts, "draft"))
        for overview in wanted:
            if overview.size > LARGEST:
                await self._leave_out(state, overview.uid, "too big", texts.TOO_BIG.with_(size=overview.size))
        wanted = [o for o in wanted if "\\draft" not in o.flags and o.size <= LARGEST]
        for portion in _portions(wanted):
            raws = await self._fetch(session, state, portion)
            await self._take_all([(o, raws.pop(o.uid)) for o in portion if o.uid in raws], state)
        self.done += len(uids)

    def _too_old(self, overview: Overview, state: records.FolderState) -> bool:
        if overview.uid >= state.first_uid or state.since is None or overview.date is None:
            return False
        return overview.date < state.since

    async def _fetch(
        self, session: ImapSession, state: records.FolderState, portion: Sequence[Overview]
    ) -> dict[int, bytes]:
        """The bytes of a portion; what the server will not give is left out after three tries, and told."""
        try:
            raws = await session.fetch([o.uid for o in portion], sum(o.size for o in portion))
        except ImapRefused:
            raws = {}
        missing = [o for o in portion if o.uid not in raws]
        for overview in await session.overview([o.uid for o in missing]):
            try:
                raws.update(await session.fetch([overview.uid], overview.size))
            except ImapRefused as error:
                logger.warning("imap_not_given", folder=self.folder, uid=overview.uid, why=error.why)
            if overview.uid not in raws:
                await self._leave_out(state, overview.uid, "not given", texts.NOT_GIVEN)
        return raws

    async def _take_all(self, mails: Sequence[tuple[Overview, bytes]], state: records.FolderState) -> None:
        digests = await asyncio.to_thread(lambda: [hashlib.sha256(raw).digest() for _, raw in mails])
        known = await records.known_bytes(self._store, self._account.name, digests)
        results = await asyncio.gather(
            *(
                self._one(Found(self._place(state, overview.uid), raw, digest, overview, state), known.get(digest))
                for (overview, raw), digest in zip(mails, digests, strict=True)
            ),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _one(self, found: Found, known: str | None) -> None:
        async with self._slots:
            async with self._turn:  # a backlog begins one mail a turn of the loop: others are served in between
                await asyncio.sleep(0)
            if known is not None:
                await self.adopt(found, known)
            elif is_draft(Message(found.raw), found.overview.flags):
                await self._store.committer.submit(records.LeaveOut((found.place,), "draft"))
            else:
                await self._try(found)

    async def _try(self, found: Found) -> None:
        """Take it; what fails by a defect of ours is tried three times, and does not keep the others waiting then."""
        try:
            await self._take(found)
        except SekishoError:
            raise
        except Exception:
            uid = found.place.uid
            self._stubborn[uid] = self._stubborn.get(uid, 0) + 1
            if self._stubborn[uid] < TRIES:
                raise
            logger.exception("imap_not_taken", account=self._account.name, uid=uid)
            await self._leave_out(found.state, uid, "not understood", texts.NOT_UNDERSTOOD)

    async def adopt(self, found: Found, id: str) -> None:
        """The mail is on record already: only its place is noted."""
        what = await self._store.committer.submit(records.Adopt(found.place, found.digest, id))
        logger.info("imap_known", account=self._account.name, uid=found.place.uid, exchange=id, what=what)

    async def _leave_out(self, state: records.FolderState, uid: int, why: str, said: Text) -> None:
        await self._store.committer.submit(records.LeaveOut((self._place(state, uid),), why))
        await self._teller.tell(
            texts.UNREADABLE, texts.UNREADABLE_BODY, about=str(uid), folder=self.folder, uid=uid, why=said
        )

    def _place(self, state: records.FolderState, uid: int) -> Place:
        return Place(self._account.name, self.folder, state.uidvalidity, uid)


def _portions(overviews: Sequence[Overview]) -> Iterator[list[Overview]]:
    """Mails to fetch together: at most `CHUNK`, at most `PORTION` bytes or one."""
    portion: list[Overview] = []
    size = 0
    for overview in overviews:
        if portion and (len(portion) >= CHUNK or size + overview.size > PORTION):
            yield portion
            portion, size = [], 0
        portion.append(overview)
        size += overview.size
    if portion:
        yield portion
