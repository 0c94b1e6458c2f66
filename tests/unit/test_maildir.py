"""Delivery into a Maildir, on real files."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.clients.maildir import MaildirTransport
from gateway.clients.transport import Status
from gateway.model.acceptance import Leased
from gateway.model.settings import Target

RAW = b"Subject: x\r\n\r\n\xe3\x81\x82\r\n.\r\nlast line without end"


def leased(entry: str = "abc", **more: object) -> Leased:
    one = Leased(
        entry, "deliver", "mailbox", "m", "a..b@docomo.ne.jp", ("shop@shop.example", "x@order.shop.example"), RAW,
        datetime(2026, 7, 1, tzinfo=UTC),
    )  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type]


async def test_the_message_lies_in_new_byte_for_byte_under_the_envelope(tmp_path: Path) -> None:
    transport = MaildirTransport(Target("maildir", path=tmp_path / "a" / "Maildir"))
    result = await transport.send(leased())
    await transport.close()
    assert [(r.recipient, r.status) for r in result.results] == [
        ("shop@shop.example", Status.DELIVERED),
        ("x@order.shop.example", Status.DELIVERED),
    ]
    (file,) = (tmp_path / "a/Maildir/new").iterdir()
    head = (
        b"Return-Path: <a..b@docomo.ne.jp>\r\nDelivered-To: shop@shop.example\r\nDelivered-To: x@order.shop.example\r\n"
    )
    assert file.read_bytes() == head + RAW
    assert not list((tmp_path / "a/Maildir/tmp").iterdir())
    assert file.stat().st_mode & 0o077 == 0


async def test_names_are_unique_and_a_second_attempt_makes_no_second_file(tmp_path: Path) -> None:
    transport = MaildirTransport(Target("maildir", path=tmp_path))
    await asyncio.gather(*(transport.send(leased(f"entry{number}")) for number in range(50)))
    assert len(list((tmp_path / "new").iterdir())) == 50
    await transport.send(leased("entry7", attempts=1))
    assert len(list((tmp_path / "new").iterdir())) == 50
    (seen,) = (tmp_path / "new").glob("*Qentry7.*")
    seen.rename(tmp_path / "cur" / f"{seen.name}:2,S")
    result = await transport.send(leased("entry7", crashes=1))
    assert result.results[0].status is Status.DELIVERED
    assert len(list((tmp_path / "new").iterdir())) == 49
    await transport.close()


async def test_file_and_folder_are_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    transport = MaildirTransport(Target("maildir", path=tmp_path))
    await transport.send(leased())
    await transport.close()
    assert steps == ["file", "rename", "folder"]


async def test_a_full_disk_defers_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    transport = MaildirTransport(Target("maildir", path=tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        result = await transport.send(leased())
    assert result.down
    assert result.results[0].status is Status.DEFERRED
    assert "No space" in result.results[0].text
    assert not list((tmp_path / "tmp").iterdir())
    assert not list((tmp_path / "new").iterdir())
    assert (await transport.send(leased())).results[0].status is Status.DELIVERED
    await transport.close()


async def test_a_path_that_is_no_folder_defers(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    transport = MaildirTransport(Target("maildir", path=tmp_path / "file" / "Maildir"))
    result = await transport.send(leased())
    assert result.down
    assert result.results[0].status is Status.DEFERRED
    await transport.close()


async def test_an_envelope_cannot_add_headers(tmp_path: Path) -> None:
    transport = MaildirTransport(Target("maildir", path=tmp_path))
    await transport.send(leased(mail_from="a@x>\r\nX-Forged: yes\udc80"))
    (file,) = (tmp_path / "new").iterdir()
    assert b"\nX-Forged" not in file.read_bytes()
    await transport.close()
