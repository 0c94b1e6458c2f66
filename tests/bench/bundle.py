"""A bundle of 500 exhibits: seconds, peak memory of all its processes, size; then how long both verifiers take.

Run: `python -m tests.bench.bundle [EXHIBITS]`. Every tenth mail has a picture, every fiftieth is long.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from contextlib import suppress
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import psutil

from gateway.config import scaffold
from gateway.model.acceptance import Acceptance
from gateway.model.envelope import Envelope, Peer, Tls
from gateway.model.exchange import Exchange
from gateway.model.origin import Origin, Trust
from gateway.model.verdict import Action, Outcome, Verdict
from gateway.store.accept import Accept
from gateway.store.engine import Store, open_store
from gateway.testing.pictures import gradient

TEXT = "先日の件、まだ返事がないのはどういうことですか。返金をしないなら、こちらにも考えがあります。😡\n> ご注文の件\n"
MOST_SECONDS, MOST_MEGABYTES = 60, 500


def mail(number: int) -> bytes:
    """A complaint as customers send it."""
    made = EmailMessage()
    made["From"], made["To"] = "ikari@isp.example", "shop@shop.example"
    made["Subject"], made["Message-ID"] = f"返金について（{number}）", f"<{number}@isp.example>"
    made.set_content(TEXT * (400 if number % 50 == 0 else 8))
    if number % 10 == 0:
        made.add_attachment(gradient(640, 480), maintype="image", subtype="png", filename="写真.png")
    return made.as_bytes().replace(b"\n", b"\r\n")


async def fill(store: Store, count: int) -> None:
    """Put that many mails on record."""
    for number in range(count):
        peer = Peer("198.51.100.23", 4711, "mail.isp.example", tls=Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256))
        dialogue = ("S: 220 mx", "C: EHLO mail.isp.example", "S: 250 ok", "C: DATA", "S: 354 go on")
        envelope = Envelope("ikari@isp.example", ("shop@shop.example",), peer, dialogue=dialogue)
        accepted = Acceptance(
            Exchange(mail(number), envelope),
            sender="ikari@isp.example",
            origin=Origin(peer.ip, "peer", Trust.PEER),
            facts={},
            verdict=Verdict(Action(Outcome.QUARANTINE), "脅迫", "rules.yaml:1", "ab" * 32),
            trace=b"",
            subject=f"返金について（{number}）",
            from_header="ikari@isp.example",
            message_id=f"<{number}@isp.example>",
        )
        unit = Accept(accepted, "bench", timedelta(minutes=5), (), "mx", b"")
        await unit.prepare()
        await store.committer.submit(unit)


def peak(process: psutil.Popen) -> float:
    """The most memory in MB that a process and its children have together until it ends, looked at every 50 ms."""
    most = 0.0
    while process.poll() is None:
        total = 0
        for one in (process, *_children(process)):
            with suppress(psutil.Error):
                total += one.memory_full_info().pss
        most = max(most, total / 1e6)
        time.sleep(0.05)
    return most


def _children(process: psutil.Popen) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.Error:
        return []
    return found


async def on_record(folder: Path, count: int) -> None:
    """A shop with that many mails on record."""
    scaffold.write(folder, "ja")
    store = await open_store(f"sqlite:///{folder / 'data' / 'sekisho.db'}")
    await fill(store, count)
    await store.close()


def measure(folder: Path, count: int) -> bool:
    """Make the bundle, check it, tell the figures; whether they are what the product promises."""
    asyncio.run(on_record(folder, count))
    target, began = folder / "case.zip", time.monotonic()
    command = [sys.executable, "-m", "gateway", "-c", str(folder / "config.yaml"), "export", "--since", "30d"]
    process = psutil.Popen([*command, "-o", str(target)], stdout=subprocess.DEVNULL)
    megabytes, seconds = peak(process), time.monotonic() - began
    size = target.stat().st_size / 1e6
    print(f"{count} exhibits: {seconds:.1f} s, {megabytes:.0f} MB PSS, zip {size:.1f} MB")
    with zipfile.ZipFile(target) as packed:
        packed.extractall(folder / "bag")
    for verifier in ((sys.executable, "-I", "-S", "verify.py"), ("sh", "verify.sh")):
        began = time.monotonic()
        subprocess.run(verifier, cwd=folder / "bag/case/data/verify", check=True, stdout=subprocess.DEVNULL)
        print(f"{verifier[-1]}: {time.monotonic() - began:.1f} s")
    return seconds <= MOST_SECONDS and megabytes <= MOST_MEGABYTES


def main() -> int:
    """Measure in a folder on disk."""
    folder = Path(tempfile.mkdtemp(prefix="sekisho-bundle-", dir="/var/tmp"))
    try:
        good = measure(folder, int(sys.argv[1]) if len(sys.argv) > 1 else 500)
    finally:
        shutil.rmtree(folder)
    if not good:
        print(f"more than {MOST_SECONDS} s or {MOST_MEGABYTES} MB", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
