"""What the tests of the whole daemon share: gateways in folders of their own, and the outside world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Gateway
from tests.e2e.outside import Outside


@pytest.fixture
def outside() -> Iterator[Outside]:
    """DNS and SMTP servers of this test's own."""
    with Outside() as world:
        yield world


@pytest.fixture
def new_gateway(tmp_path: Path, outside: Outside) -> Iterator[Callable[..., Gateway]]:
    """`new_gateway(rules=None, **settings)`: a gateway, configured and not yet started; killed at the end."""
    made: list[Gateway] = []

    def make(rules: str | None = None, **settings: object) -> Gateway:
        gateway = Gateway(tmp_path / f"gateway-{len(made)}", outside.dns.address[1])
        gateway.write(rules, **settings)
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.kill()
