"""Every message of a folder through the running gateway by SMTP: refused by a documented limit, or delivered unchanged.

    python -m tests.e2e.corpus FOLDER [--senders 4]

Run by hand, never by the suite. A gateway with rules that ask for every fact is started in a folder that goes away, and
takes each file as a mail client would send it (lines ended by CR LF). Then are compared: what was answered, what lies
in the mailbox byte for byte, the gateway's memory before and after, its unfinished tasks, its log. Exit 1 where
anything does not hold.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filters.registry import SPECS
from tests.e2e.client import Client, exchange_id, transact
from tests.e2e.gateway import Gateway, below_trace
from tests.e2e.outside import Outside

MEMORY = 60.0  # MB that the gateway may have grown by
# What a message may be refused for (gateway/model/smtp_reply.py): size, line length, NUL, and loops of mail.
LIMITS = ("552 5.3.4", "554 5.6.0 Message has a line", "554 5.6.0 Message has a NUL", "554 5.4.6")
MAX_SIZE = 50 * 1024 * 1024


def rules() -> str:
    """Rules in mode watch that ask for every fact: each filter sees each message, and all of it is delivered."""
    asked = {
        "address": '{contains: "@"}',
        "text": "{contains: x}",
        "number": "{at_least: 1}",
        "ip": "{in: [192.0.2.0/24]}",
        "yes/no": "true",
        "set": "{has: x}",
    }
    lines = ["version: 1", "rules:"]
    for name, spec in SPECS.items():
        test = spec.choices[0] if spec.choices else asked[spec.kind]
        key = f"{name}.subject" if spec.argument == "name" else name
        lines.append(f"  - {{name: {name}, mode: watch, when: {{{key}: {test}}}, then: quarantine}}")
    return "\n".join([*lines, "default: {then: deliver, reply: {template: received, once_per: 1d}}", ""])


def wired(raw: bytes) -> bytes:
    """The bytes that a mail client sends for a file: every line ends in CR LF."""
    lines = re.sub(rb"\r\n|\n|\r", b"\r\n", raw)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


def main() -> int:
    """Send, compare, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of messages (*.eml, at any depth)")
    parser.add_argument("--senders", type=int, default=4)
    arguments = parser.parse_args()
    files = sorted(arguments.folder.rglob("*.eml"))
    if not files:
        parser.error(f"no *.eml in {arguments.folder}")
    with Outside() as outside, tempfile.TemporaryDirectory(prefix="sekisho-corpus-") as folder:
        sink = outside.sink()
        gateway = Gateway(Path(folder) / "gateway", outside.dns.address[1])
        gateway.write(rules(), outgoing=f"smtp://127.0.0.1:{sink.port}", dns={"timeout": "1s"})
        gateway.environ["SEKISHO_TEST_STATE"] = str(Path(folder) / "tasks")
        gateway.start()
        try:
            return run(gateway, files, arguments.senders)
        finally:
            gateway.stop()


def run(gateway: Gateway, files: list[Path], senders: int) -> int:
    """All files through a running gateway."""
    before, tasks = gateway.memory, gateway.tasks
    began = time.monotonic()

    def send(file: Path) -> tuple[Path, bytes, int, str, float]:
        raw = wired(file.read_bytes())
        started = time.monotonic()
        with Client(gateway.port, timeout=120) as client:
            code, said = transact(client, raw, "hanako@customer.example")
        return file, raw, code, said, time.monotonic() - started

    with ThreadPoolExecutor(senders) as pool:
        answers = list(pool.map(send, files))
    sent = time.monotonic() - began
    gateway.wait_drained(300)
    drained = time.monotonic() - began
    faults: list[str] = []
    delivered = gateway.delivered()
    refused: Counter[str] = Counter()
    whole = 0
    for file, raw, code, said, _ in answers:
        if code == 250:
            copies = [below_trace(copy) for copy in delivered.get(exchange_id(said), [])]
            if copies == [raw]:
                whole += 1
            else:
                faults.append(f"{file}: accepted, and delivered {len(copies)} times, changed")
        else:
            refused[f"{code} {said}"] += 1
            if not f"{code} {said}".startswith(LIMITS):
                faults.append(f"{file}: {code} {said}")
    if len(delivered) != whole:
        faults.append(f"{len(delivered)} messages in the mailbox, {whole} expected")
    time.sleep(12)  # connections kept open are closed, caches are at rest
    after, left = gateway.memory, [name for name in gateway.tasks if name not in tasks]
    if after - before > MEMORY:
        faults.append(f"memory grew by {after - before:.0f} MB")
    if left:
        faults.append(f"tasks left over: {left}")
    found = gateway.verify()
    if found.fault is not None:
        faults.append(f"verify: {found.fault.en}")
    broken = [line for line in gateway.said().splitlines() if "Traceback" in line or '"error"' in line]
    faults += [f"log: {line[:400]}" for line in broken]
    unknown = Counter(name for row in gateway.messages() for name, fact in row.facts.items() if fact.get("unknown"))
    slowest = sorted(answers, key=lambda one: -one[4])[:3]
    lines = [
        f"messages {len(files)}: delivered byte for byte {whole}, refused {sum(refused.values())}",
        *(f"  refused {count}: {said}" for said, count in refused.most_common()),
        f"sent in {sent:.1f} s, drained after {drained:.1f} s",
        *(f"  slowest: {took:.2f} s {file.name} ({len(raw)} bytes)" for file, raw, _, _, took in slowest),
        f"facts unknown: {dict(unknown)}",
        f"memory {before:.0f} MB before, {after:.0f} MB after ({after - before:+.0f})",
        f"tasks before {len(tasks)}, left over {len(left)}",
        f"log records {found.size}, verified {found.holds}",
        *(f"FAULT {fault}" for fault in faults),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
