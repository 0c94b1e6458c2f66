"""Who watches which account, and what its watcher says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, select, update

from gateway.store.batch import Batch
from gateway.store.engine import Store
from gateway.store.tables import imap_account


@dataclass(frozen=True, slots=True)
class Lease:
    """Unit: this node watches the account for `span`; False where another one does. `force` where there is no other."""

    account: str
    node: str
    span: timedelta
    force: bool = False

    async def apply(self, batch: Batch) -> bool:
        """Take or renew it."""
        row = (await batch.execute(select(imap_account).where(imap_account.c.name == self.account))).first()
        until = batch.clock + self.span
        if row is None:
            batch.insert(imap_account, {"name": self.account, "owner": self.node, "lease_until": until, "state": {}})
            return True
        mine = row.owner in (None, self.node) or row.lease_until is None or row.lease_until < batch.clock
        if not (mine or self.force):
            return False
        mine_now = {"owner": self.node, "lease_until": until}
        await batch.execute(update(imap_account).where(imap_account.c.name == self.account).values(**mine_now))
        return True


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Unit: this node no longer watches the account."""

    account: str
    node: str

    async def apply(self, batch: Batch) -> None:
        """Give the lease back."""
        mine = and_(imap_account.c.name == self.account, imap_account.c.owner == self.node)
        await batch.execute(update(imap_account).where(mine).values(owner=None, lease_until=None))


@dataclass(frozen=True, slots=True)
class AccountState:
    """Unit: what `status` says of an account."""

    account: str
    state: Mapping[str, Any]

    async def apply(self, batch: Batch) -> None:
        """Replace what was said before."""
        same = imap_account.c.name == self.account
        await batch.execute(update(imap_account).where(same).values(state=dict(self.state)))


async def account_states(store: Store) -> Mapping[str, Mapping[str, Any]]:
    """What each watcher last said of its account; nobody is connected whose lease has run out."""
    async with store.read() as connection:
        rows = (await connection.execute(select(imap_account))).all()
    now = datetime.now(UTC)
    lives = {row.name: row.owner is not None and row.lease_until is not None and row.lease_until > now for row in rows}
    return {row.name: {**row.state, "connected": bool(row.state.get("connected")) and lives[row.name]} for row in rows}
