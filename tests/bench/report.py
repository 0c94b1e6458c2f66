"""The measurements as a table for people and as JSON for later comparison."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.contestants import MEASURE
from tests.bench.load import MODES, Load, Result, medians

_COLUMNS = {
    "accepted": "accepted /s",
    "drained": "drained /s",
    "cpu_ms": "CPU ms",
    "pss_mb": "PSS MB",
    "rss_mb": "RSS MB",
}


def summary(load: Load, results: Mapping[str, Mapping[str, list[Result]]]) -> dict[str, Any]:
    """Machine, load, every round, medians, and each median's ratio to that of Postfix with rspamd."""
    contestants: dict[str, Any] = {}
    for name, modes in results.items():
        contestants[name] = {}
        for mode, rounds in modes.items():
            middle = medians(rounds)
            base = results.get(MEASURE, {}).get(mode)
            ratio = {key: value / medians(base)[key] for key, value in middle.items()} if base else {}
            contestants[name][mode] = {
                "median": _rounded(middle),
                "ratio": _rounded(ratio),
                "rounds": [_rounded(asdict(one)) for one in rounds],
            }
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "load_average": os.getloadavg()[0],
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "load": asdict(load),
        "contestants": contestants,
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in values.items()}


def show(report: Mapping[str, Any], console: Console) -> None:
    """One table a mode: medians, and in brackets the ratio to Postfix with rspamd."""
    load = report["load"]
    for mode, title in MODES.items():
        sent = f"{load['messages']} × {load['size']} bytes, {load['sessions']} sessions"
        table = Table(title=f"{title} · {sent} · medians")
        table.add_column("")
        for column in _COLUMNS.values():
            table.add_column(column, justify="right")
        for name, modes in report["contestants"].items():
            if mode not in modes:
                continue
            middle, ratio = modes[mode]["median"], modes[mode]["ratio"]
            cells = [f"{middle[key]:.1f}" + (f" ({ratio[key]:.2f}×)" if ratio else "") for key in _COLUMNS]
            table.add_row(name, *cells)
        console.print(table)
    for part, title in (
        ("lists", "a list of a million"),
        ("replay", "mail on record, screened again"),
        ("evidence", "the evidence log"),
    ):
        if part in report:
            table = Table(title, "", title=part)
            for name, value in report[part].items():
                table.add_row(name, f"{value:g}")
            console.print(table)


def write(report: Mapping[str, Any], path: Path) -> None:
    """The report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
