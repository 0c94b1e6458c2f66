"""What all tests share: real servers, Hypothesis profiles, the event loop, and the closing line on what was skipped."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.process import WANT

pytest_plugins = [
    f"tests.servers.{name}"
    for name in ("trust", "dovecot", "imap", "postfix", "postgresql", "rspamd", "clamd", "sink", "tsa")
    if find_spec(f"tests.servers.{name}")
]

# ci: the same examples every time, so that a red run can be repeated; dev: a few new ones each time
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("dev", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the measurements to `make bench`, unless somebody asks for them by mark."""
    if config.option.markexpr:
        return
    measured = [item for item in items if item.get_closest_marker("bench")]
    if measured:
        config.hook.pytest_deselected(items=measured)
        items[:] = [item for item in items if item not in measured]


def wanted_servers(reports: list[Any]) -> dict[str, int]:
    """How many of the skipped or failed tests named a server as missing, by server."""
    wanted: dict[str, int] = {}
    for report in reports:
        longrepr = getattr(report, "longrepr", None)
        reason = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr or "")
        _, found, rest = reason.partition(WANT)
        if found:
            server = rest.split(" (")[0]
            wanted[server] = wanted.get(server, 0) + 1
    return wanted


@pytest.hookimpl(trylast=True)  # below coverage and the rest: it is the closing line
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One closing line that names what did not run for want of which server."""
    stats = terminalreporter.stats
    wanted = wanted_servers([*stats.get("skipped", []), *stats.get("failed", []), *stats.get("error", [])])
    if wanted:
        parts = ", ".join(f"{server} ({count} tests)" for server, count in sorted(wanted.items()))
        terminalreporter.write_line(f"Skipped for want of a server: {parts}. Debian's packages bring them: .ci/run.")
    else:
        terminalreporter.write_line("Skipped for want of a server: none.")
