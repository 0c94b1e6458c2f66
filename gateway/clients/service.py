"""A connection to a service beside the gateway, by TCP or a unix socket, for one question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.model.settings import Endpoint
from gateway.text import Text, plain

CHUNK = 256 * 1024  # bytes written at once

_CLOSED = Text("接続が切れました", "the connection was closed")


class Unusable(Exception):
    """The service cannot be asked, or its answer cannot be read; `why` says so."""

    def __init__(self, why: Text) -> None:
        super().__init__(str(why))
        self.why = why


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is closed at the end, whatever happens. Raises `Unusable` where it fails."""
    writer = None
    try:
        if endpoint.path is not None:
            reader, writer = await asyncio.open_unix_connection(str(endpoint.path))
        else:
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        yield reader, writer
    except asyncio.IncompleteReadError as error:
        raise Unusable(_CLOSED) from error
    except OSError as error:
        raise Unusable(plain(error.strerror or str(error) or type(error).__name__)) from error
    finally:
        if writer is not None:
            writer.transport.abort()  # nothing more is said, so nobody waits for the other end
