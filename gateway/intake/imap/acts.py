"""What is done to mail in the mailbox after it is on record, and done again until it holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import structlog

from gateway.clients.imap.errors import ImapRefused
from gateway.clients.imap.session import ImapSession, Selected
from gateway.intake.imap import texts
from gateway.intake.imap.telling import Teller
from gateway.model.mailbox import Act, Place
from gateway.model.settings import Imap
from gateway.model.verdict import Outcome
from gateway.store import imap as records
from gateway.store.engine import Store

logger = structlog.get_logger()

FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(hours=1)
_ALREADY = "found where it was to go"
_NO_RIGHT = ("NOPERM", "READ-ONLY", "ACL")


def act_for(then: Outcome, account: Imap) -> Act:
    """What the account's settings say about mail with this outcome."""
    actions, folders = account.actions, account.folders
    if then is Outcome.QUARANTINE and actions.quarantine == "move":
        return Act("move", folders.quarantine, account.keyword)
    if then is Outcome.REJECT and actions.reject == "move":
        return Act("move", folders.refused, account.keyword)
    if then is Outcome.DISCARD and actions.discard != "leave":
        deletes = actions.discard == "delete"
        return Act("delete" if deletes else "move", "" if deletes else folders.refused, account.keyword)
    return Act(keyword=account.keyword)


class Actor:
    """Works off the acts of one account. `folder` turns a name of the config into the server's."""

    def __init__(self, account: Imap, store: Store, teller: Teller) -> None:
        self._account = account
        self._store = store
        self._teller = teller

    async def due(self) -> bool:
        """Whether anything is to be done now. Raises `StoreError`."""
        return bool(await records.pending(self._store, self._account.name, datetime.now(UTC), limit=1))

    async def perform(self, session: ImapSession) -> bool:
        """Do what is due; True where something was. Raises `ImapLost` and `StoreError`: it is done again then."""
        rows = await records.pending(self._store, self._account.name, datetime.now(UTC))
        for key, some in groupby(rows, key=lambda r: (r.folder, r.uidvalidity, r.action, r.target, r.keyword)):
            folder, uidvalidity = key[:2]
            group = await self._ours(list(some))
            if not group:
                continue
            try:
                if uidvalidity == 0:
                    for row in group:
                        await self._return(session, row)
                else:
                    await self._group(session, group)
            except ImapRefused as error:
                await self._refused(group, error, folder)
        return bool(rows)

    async def _ours(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Those that no other gateway is at; setting a keyword twice does no harm."""
        if rows[0].action == "none":
            return rows
        ours = await self._store.committer.submit(records.Attempting(tuple(_place(row) for row in rows)))
        return [row for row in rows if _place(row) in ours]

    async def _group(self, session: ImapSession, rows: Sequence[Any]) -> None:
        """Rows of one folder with the same thing to do."""
        first = rows[0]
        uids = [row.uid for row in rows]
        selected = await self._select(session, first.folder)
        there = set(await session.search("UID", _set(uids)))
        if len(there) < len(uids):  # an open folder may not show yet what another gateway has seen there
            selected = await session.select(first.folder)
            there = set(await session.search("UID", _set(uids)))
        if selected.uidvalidity != first.uidvalidity:
            await self._renumbered(rows, selected)
            return
        if selected.read_only:
            await self._teller.tell(texts.RIGHTS, texts.RIGHTS_BODY, folder=first.folder, why="READ-ONLY")
            await self._settle([records.Done(_place(r), "failed", note="read-only") for r in rows])
            return
        here = [row for row in rows if row.uid in there]
        done = [await self._missing(session, row, selected) for row in rows if row.uid not in there]
        selected = await self._select(session, first.folder)
        if here and first.keyword and selected.keywords:
            await session.flag([row.uid for row in here], first.keyword)
        if here and first.action == "move":
            done += await self._move(session, here, first.target)
        elif here and first.action == "delete":
            await self._remove(session, [row.uid for row in here])
            done += [records.Done(_place(row), "done") for row in here]
        else:
            done += [records.Done(_place(row), "done") for row in here]
        await self._settle(done)

    async def _renumbered(self, rows: Sequence[Any], selected: Selected) -> None:
        """Reading the folder carries acts over to the new places; what it did not find there is gone."""
        state = await records.folder_state(self._store, self._account.name, selected.name)
        read = state is not None and state.uidvalidity == selected.uidvalidity and state.next_uid >= state.first_uid
        if read:
            await self._settle([records.Done(_place(row), "gone", note="no longer there") for row in rows])
        else:
            await self._later(rows, "the folder was numbered anew")

    async def _missing(self, session: ImapSession, row: Any, selected: Selected) -> records.Done:
        """A mail that is not there: moved by us before the connection broke, or taken by a person."""
        if row.action == "move" and row.attempts:
            new = await self._find(session, row.target, row.message)
            if new:
                return records.Done(_place(row), "done", new, _ALREADY)
        return records.Done(_place(row), "gone", note="no longer there")

    async def _move(self, session: ImapSession, rows: Sequence[Any], target: str) -> list[records.Done]:
        """Move in one step where the server can, else copy and remove.

        An earlier try may have ended half way, with the mail in both folders: its copy is looked for first.
        """
        new = {}
        for row in rows:
            if row.attempts and (found := await self._find(session, target, row.message)):
                new[row.uid] = found
        await self._select(session, rows[0].folder)
        there = list(new)
        if rest := [row.uid for row in rows if row.uid not in new]:
            step = session.move if session.has("MOVE") else session.copy
            new |= await self._with_folder(session, target, lambda: step(rest, target))
        await self._remove(session, there if session.has("MOVE") else [row.uid for row in rows])
        return [records.Done(_place(row), "done", new.get(row.uid, 0)) for row in rows]

    async def _remove(self, session: ImapSession, uids: Sequence[int]) -> None:
        if uids:
            await session.flag(uids, "\\Deleted")
            await session.expunge(uids)

    async def _with_folder(self, session: ImapSession, target: str, work: Any) -> dict[int, int]:
        """`work`, and once more where the folder was missing and may be made."""
        try:
            found: dict[int, int] = await work()
        except ImapRefused as error:
            missing = error.code in ("TRYCREATE", "NONEXISTENT")
            if not missing or not self._account.may_create:
                raise
            await session.create(target)
            logger.info("imap_folder_made", account=self._account.name, folder=target)
            found = await work()
        return found

    async def _return(self, session: ImapSession, row: Any) -> None:
        """A released mail goes back; where a person took it away meanwhile, it is put there again from the record."""
        back = await self._find(session, row.target, row.message) if row.attempts else 0
        uid = await self._find(session, row.folder, row.message)
        if not uid:
            await self._settle([await self._put_back(session, row)])
            return
        if not back:
            step = session.move if session.has("MOVE") else session.copy
            new = (await step([uid], row.target)).get(uid, 0)
        if back or not session.has("MOVE"):
            await session.select(row.folder)
            await self._remove(session, [uid])
        await self._settle([records.Done(_place(row), "done", back or new)])

    async def _put_back(self, session: ImapSession, row: Any) -> records.Done:
        there = await self._find(session, row.target, row.message)
        if there:
            return records.Done(_place(row), "done", there, _ALREADY)
        raw = await records.original(self._store, row.message)
        if raw is None:
            return records.Done(_place(row), "gone", note="no longer there, nor on record")
        return records.Done(_place(row), "done", await session.append(row.target, raw), "put back from the record")

    async def _find(self, session: ImapSession, folder: str, id: str) -> int:
        """The UID of a message on record in a folder, told by size and bytes; 0 where it is not there."""
        about = await records.size_and_digest(self._store, id)
        if about is None:
            return 0
        size, digest = about
        try:
            await session.select(folder)  # even where it is open: so it shows what has come since
        except ImapRefused:
            return 0
        return await session.find(size, digest)

    async def _select(self, session: ImapSession, folder: str) -> Selected:
        if session.selected is not None and session.selected.name == folder:
            return session.selected
        return await session.select(folder)

    async def _refused(self, rows: Sequence[Any], error: ImapRefused, folder: str) -> None:
        """The server says no: never again where a right is missing, else later; the owner hears of it."""
        target = rows[0].target or folder
        if error.code in _NO_RIGHT:
            await self._teller.tell(texts.RIGHTS, texts.RIGHTS_BODY, about=target, folder=target, why=error.why)
            await self._settle([records.Done(_place(row), "failed", note=error.why) for row in rows])
            return
        what, body = {
            "OVERQUOTA": (texts.FULL, texts.FULL_BODY),
            "LIMIT": (texts.FULL, texts.FULL_BODY),
        }.get(error.code, (texts.FOLDER, texts.FOLDER_BODY))
        await self._teller.tell(what, body, about=target, folder=target, why=error.why or error.code)
        await self._later(rows, error.why or error.code)

    async def _later(self, rows: Sequence[Any], why: str) -> None:
        now = datetime.now(UTC)
        await self._settle(
            [
                records.Done(
                    _place(row),
                    "pending",
                    note=why,
                    next_at=now + min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(row.attempts, 8)),
                )
                for row in rows
            ]
        )

    async def _settle(self, results: Sequence[records.Done]) -> None:
        if results:
            await self._store.committer.submit(records.Acted(tuple(results)))
            done = sum(result.state == "done" for result in results)
            logger.info("imap_acted", account=self._account.name, done=done, other=len(results) - done)


def _place(row: Any) -> Place:
    return Place(row.account, row.folder, row.uidvalidity, row.uid)


def _set(uids: Sequence[int]) -> str:
    return ",".join(str(uid) for uid in uids)
