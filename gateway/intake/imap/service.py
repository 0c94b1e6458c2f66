"""All watched mailboxes of a gateway: started and stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.clients.oauth import client_for
from gateway.intake.imap.watcher import Watcher
from gateway.intake.receive import Receiver
from gateway.model.settings import Settings
from gateway.store.engine import Store


class ImapWatchers:
    """A watcher an account; none reads on while `ready` says no."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        receiver: Receiver,
        *,
        node: str,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self.watchers = [
            Watcher(
                account,
                settings,
                store,
                receiver,
                node=node,
                ready=ready,
                tokens=client_for(account.name, account.oauth2, settings.data).access_token if account.oauth2 else None,
            )
            for account in settings.imap
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to watch; connecting goes on in the background."""
        self._tasks = [
            asyncio.create_task(watcher.run(), name=f"imap-{watcher.account.name}") for watcher in self.watchers
        ]

    async def stop(self) -> None:
        """Stop at once: what is not on record yet lies in the mailbox and is read at the next start."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
            for watcher in self.watchers:
                await watcher.close()

    def numbers(self) -> dict[str, Any]:
        """What `status` says of each account."""
        return {watcher.account.name: watcher.state() for watcher in self.watchers}
