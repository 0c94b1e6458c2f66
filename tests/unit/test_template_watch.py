"""Templates are read again when their files change; a fault keeps the old ones and is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.errors import ConfigError
from gateway.model.settings import Settings
from gateway.replies.template_watch import watch_templates
from gateway.replies.templates import Templates

VALUES = {
    "shop": {"name": "店", "contact": "c@shop.example"},
    **dict.fromkeys(("id", "subject", "sender", "sender_name", "received_at", "order"), "x"),
}


async def eventually(holds: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
    assert holds(), what


async def test_an_edit_takes_effect_and_a_fault_does_not(tmp_path: Path) -> None:
    file = tmp_path / "received.ja.txt"
    file.write_text("一つ目\n本文\n", encoding="utf-8")
    templates = Templates(tmp_path, Settings())
    told: list[ConfigError] = []

    async def tell(error: ConfigError) -> None:
        told.append(error)

    def subject(name: str = "received") -> str:
        return templates.render(name, VALUES, "ja").subject

    watching = asyncio.create_task(watch_templates(templates, tell, 0.02))
    try:
        file.write_text("二つ目です\n本文\n", encoding="utf-8")
        await eventually(lambda: subject() == "二つ目です", "the edit")
        file.write_text("{{ open }\n本文\n", encoding="utf-8")
        await eventually(lambda: bool(told), "the fault is told")
        await asyncio.sleep(0.3)
        assert (len(told), subject()) == (1, "二つ目です")
        assert "received.ja.txt" in told[0].in_("ja")
        file.write_text("四つ目になります\n本文\n", encoding="utf-8")
        (tmp_path / "new-one.ja.txt").write_text("新しい\n本文\n", encoding="utf-8")
        await eventually(lambda: "new-one" in templates.names, "the new file")
        assert (subject(), subject("new-one")) == ("四つ目になります", "新しい")
        file.unlink()
        await eventually(lambda: subject() != "四つ目になります", "the packaged one stands in again")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
