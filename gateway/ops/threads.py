"""The bounded pool of worker threads for parsing, cryptography and files."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class WorkerThreads:
    """Runs functions in at most `size` threads; what a thread does cannot be cancelled, so it must bound itself."""

    def __init__(self, size: int = min(8, (os.cpu_count() or 2) + 2)) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="sekisho")

    def __call__(self, function: Callable[..., T], /, *arguments: object) -> Awaitable[T]:
        """`function(*arguments)` in a thread, with the caller's context variables."""
        call = functools.partial(contextvars.copy_context().run, function, *arguments)
        return asyncio.get_running_loop().run_in_executor(self._pool, call)

    def __enter__(self) -> WorkerThreads:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take no more work; what runs may end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
