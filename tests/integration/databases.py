"""One fixture: an open store on each kind of database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.engine import Store, open_store
from gateway.store.maintenance import upgrade
from tests.servers.postgresql import PostgresqlServer


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store on an empty database of its own."""
    if request.param == "sqlite":
        opened = await open_store(f"sqlite:///{tmp_path}/sekisho.db")
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.new_database()
        await upgrade(url)
        opened = await open_store(url)
    yield opened
    await opened.close()
