"""Watches one mailbox: IDLE with polling as the safety net, reconnecting with backoff, catching up after hours away."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from gateway.clients.imap import ImapError, ImapLogin, ImapLost, ImapRefused, ImapSession, open_session
from gateway.clients.imap.access import Tokens
from gateway.clients.oauth import OAuthAway, OAuthError, OAuthRevoked
from gateway.errors import SekishoError, StoreError
from gateway.intake.imap import texts
from gateway.intake.imap.acts import Actor
from gateway.intake.imap.reader import FolderReader
from gateway.intake.imap.taking import Taking
from gateway.intake.imap.telling import Teller
from gateway.intake.receive import Receiver
from gateway.model.settings import Imap, Settings
from gateway.replies.compose import local_time
from gateway.store import imap as records
from gateway.store.engine import Store
from gateway.text import Text

logger = structlog.get_logger()

LEASE = timedelta(seconds=45)
FIRST_WAIT = 1.0  # seconds; doubled at each failure
LONGEST_WAIT = 120.0
LOGIN_WAIT = 300.0  # after a refused login: many servers lock an account that tries too often
TICK = 2.0  # seconds between two looks for acts that another process ordered
TELL_AFTER = timedelta(hours=1)
_NO_ERROR = Text("", "")
_INTERNAL = Text("内部の問題", "internal fault")


class Watcher:
    """One account. `run` never ends by itself and never raises but on cancellation."""

    def __init__(
        self,
        account: Imap,
        settings: Settings,
        store: Store,
        receiver: Receiver,
        *,
        node: str,
        tokens: Tokens | None = None,
        wait: Callable[[int], float] | None = None,
        tick: float = TICK,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.account = account
        self._settings = settings
        self._store = store
        self._node = node
        self._tokens = tokens
        self._wait_after = wait or _backoff
        self._tick = tick
        self._ready = ready
        self._teller = Teller(account, settings, store)
        self._actor = Actor(account, store, self._teller)
        self._taking = Taking(account, settings, store, receiver)
        self._inbox = FolderReader(account, account.inbox, store, self._teller, self._taking.incoming, sent=False)
        self._taking.inbox = self._inbox
        self._sent = [
            FolderReader(account, folder, store, self._teller, self._taking.sent, sent=True) for folder in account.sent
        ]
        self._failures = 0
        self._away_since: datetime | None = None
        self._session: ImapSession | None = None
        self._error = _NO_ERROR
        self.caught_up = asyncio.Event()  # everything that was there at the last look is on record

    def state(self) -> dict[str, Any]:
        """What `status` says of the account."""
        return {
            "connected": self._session is not None and self._session.alive,
            "error": self._error.in_("en"),
            "error_ja": self._error.in_("ja"),
            "waiting": self._inbox.waiting,
            "done": self._inbox.done,
            "taken": self._taking.taken,
            "node": self._node,
            "at": datetime.now(UTC).isoformat(),
        }

    async def run(self) -> None:
        """Watch until cancelled."""
        force = self._store.embedded  # there can be no other gateway: the lease is one that a crash left behind
        while True:
            wait = 0.0
            try:
                if await self._store.committer.submit(records.Lease(self.account.name, self._node, LEASE, force)):
                    await self._watch_leased()
                else:
                    wait = LEASE.total_seconds() / 3
            except (ImapLogin, OAuthRevoked) as error:
                wait = LOGIN_WAIT
                self._failed(error)
                await self._teller.tell(texts.LOGIN, texts.LOGIN_BODY, why=_whole(error, self._settings))
            except (ImapError, OAuthError, StoreError) as error:
                self._failed(error)
                wait = self._wait_after(self._failures)
                await self._tell_away(error)
            except Exception:
                self._failures += 1
                self._error = _INTERNAL
                logger.exception("imap_failed", account=self.account.name)
                wait = max(5.0, self._wait_after(self._failures))
            await self._say()
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """Give the account up, so that another gateway can watch it at once."""
        with contextlib.suppress(StoreError):
            await self._store.committer.submit(records.GiveUp(self.account.name, self._node))

    async def _watch_leased(self) -> None:
        session = self._session = await open_session(self.account, self._tokens)
        renewing = asyncio.create_task(self._renew(session), name="imap-lease")
        try:
            logger.info("imap_connected", account=self.account.name, server=session.host, idle=session.has("IDLE"))
            await self._store.committer.submit(records.DueAgain(self.account.name))
            await self._watch(session)
        finally:
            renewing.cancel()
            self._session = None
            # what is under way may not be waited for: at a stop this task is being cancelled
            session.close()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _watch(self, session: ImapSession) -> None:
        loop = asyncio.get_running_loop()
        looked = -1e9
        while True:
            if not self._ready():  # no room on the disk: mail waits where it lies
                await asyncio.sleep(self._tick)
                continue
            await self._actor.perform(session)
            if loop.time() - looked >= self.account.poll:
                looked = loop.time()
                for folder in self._sent:
                    await self._read_sent(session, folder)
            while await self._inbox.read(session):
                await self._say()
            self._went_well()
            if await self._actor.perform(session):
                continue  # what came meanwhile may have been told while another folder was open
            self.caught_up.set()
            await self._say()
            await self._wait(session)

    async def _read_sent(self, session: ImapSession, folder: FolderReader) -> None:
        """A folder of sent mail; where it is missing the owner is told, and the inbox is watched all the same."""
        try:
            if await folder.changed(session):
                await folder.read(session)
            self._teller.mended(texts.FOLDER)
        except ImapRefused as error:
            await self._teller.tell(
                texts.FOLDER, texts.FOLDER_BODY, about=folder.folder, folder=folder.folder, why=error.why
            )

    async def _wait(self, session: ImapSession) -> None:
        """Until something came, something is to be done, or it is time to look anyhow."""
        idle = session.has("IDLE")
        if idle and session.selected is not None and session.selected.name == self.account.inbox:
            ticking = asyncio.create_task(self._ticking(session), name="imap-tick")
            try:
                await session.wait_for_news(self.account.poll)
            finally:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.account.poll):
                    while not await self._actor.due():  # noqa: ASYNC110 - ordered by another process
                        await asyncio.sleep(min(self._tick, self.account.poll))

    async def _ticking(self, session: ImapSession) -> None:
        """Wake the session when another process ordered something, such as `quarantine release`."""
        while True:
            await asyncio.sleep(self._tick)
            with contextlib.suppress(StoreError):
                if await self._actor.due():
                    session.wake()
                    return

    async def _renew(self, session: ImapSession) -> None:
        """Keep the lease; where it is lost, another gateway watches the account and this session ends."""
        last = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                if not await self._store.committer.submit(records.Lease(self.account.name, self._node, LEASE)):
                    break
                last = asyncio.get_running_loop().time()
            except StoreError as error:
                logger.warning("imap_lease_not_renewed", account=self.account.name, why=str(error))
                if asyncio.get_running_loop().time() - last > LEASE.total_seconds() * 0.8:
                    break
        session.close()

    def _went_well(self) -> None:
        self._failures, self._away_since, self._error = 0, None, _NO_ERROR
        for what in (texts.LOGIN, texts.AWAY):
            self._teller.mended(what)

    def _failed(self, error: SekishoError) -> None:
        self._failures += 1
        self._error = error.text
        self._away_since = self._away_since or datetime.now(UTC)
        logger.warning("imap_disconnected", account=self.account.name, why=str(error), failures=self._failures)

    async def _tell_away(self, error: SekishoError) -> None:
        since = self._away_since
        if since is None or datetime.now(UTC) - since < TELL_AFTER or not isinstance(error, (ImapLost, OAuthAway)):
            return
        said = {"since": local_time(since, self._settings), "why": _whole(error, self._settings)}
        await self._teller.tell(texts.AWAY, texts.AWAY_BODY, **said)

    async def _say(self) -> None:
        with contextlib.suppress(StoreError):
            await self._store.committer.submit(records.AccountState(self.account.name, self.state()))


def _backoff(failures: int) -> float:
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 10)) * random.uniform(0.7, 1.3))


def _whole(error: SekishoError, settings: Settings) -> str:
    return error.in_(settings.shop.language)
