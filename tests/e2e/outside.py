"""The outside world in a thread of its own: a DNS server, and SMTP servers that count what they take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from gateway.testing.dns import DnsServer
from gateway.testing.sink import SmtpSink

T = TypeVar("T")

AUTHENTICATED = "203.0.113.10"  # mail of customer.example from here passes SPF
ZONE = {
    "customer.example": {"TXT": f"v=spf1 ip4:{AUTHENTICATED} -all", "MX": "10 mail.customer.example"},
    "mail.customer.example": {"A": AUTHENTICATED},
}


class Outside:
    """DNS and SMTP servers as long as it is used as context manager; they may be stopped and started one by one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="outside", daemon=True)
        self._sinks: list[SmtpSink] = []
        self.dns = DnsServer(ZONE)

    def __enter__(self) -> Outside:
        self._thread.start()
        self.do(self.dns.__aenter__())
        return self

    def __exit__(self, *error: object) -> None:
        for sink in list(self._sinks):
            self.stop(sink)
        self.do(self.dns.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the outside world's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def sink(self, port: int = 0) -> SmtpSink:
        """An SMTP server that keeps what it takes."""
        sink = SmtpSink(port)
        self.do(sink.__aenter__())
        self._sinks.append(sink)
        return sink

    def stop(self, sink: SmtpSink) -> None:
        """Stop listening; connections that are open go on."""
        self._sinks.remove(sink)
        server = sink._server
        if server is not None:
            self._loop.call_soon_threadsafe(server.close)
