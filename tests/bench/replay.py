"""`sekisho replay` over 100,000 logged messages: mails a second and memory, of one process and of several.

Run: `python -m tests.bench.replay [MAILS] [FOLDER]`.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from filters.offline import offline
from filters.registry import FILTERS, SPECS
from gateway.config import load_ruleset, load_settings, scaffold
from gateway.model.acceptance import Acceptance
from gateway.model.envelope import Envelope, Peer
from gateway.model.exchange import Exchange
from gateway.model.origin import Origin, Trust
from gateway.screening.screener import Screener, Screening
from gateway.store.accept import Accept
from gateway.store.engine import Store, open_store
from gateway.testing.mail import SHOP, letter
from tests.bench.accounting import cpu_seconds, sampling

MAILS = 100_000
AT_ONCE = 500
SHARE = 50  # mails whose facts are found out; the others bear those of one like them
PERIOD = timedelta(days=80)

QUESTIONS = (
    "お世話になっております。注文番号：{n} の件でご連絡しました。発送日はいつごろになりますでしょうか。",
    "先日届いた商品のサイズが合いませんでした。注文番号 {n} です。交換は可能ですか。",
    "ご注文番号：{n} の領収書をお願いいたします。宛名は株式会社見本です。",
    "いつまで待たせるのですか。注文 {n} がまだ届きません。いい加減にしてください。",
    "ありがとうございました。注文番号{n}、今日届きました。とても気に入っています。",
)
THREAT = "いい加減にしろ。注文 {n} の件だ。お前の店に火をつけてやる。"
QUOTED = "> いつもありがとうございます。\n> ご注文を承りました。発送まで今しばらくお待ちください。\n"

# A draft that changes something: one rule more, on the text of each mail, and one in mode watch.
DRAFT = """\
  - name: 催促
    when: {text: {contains: [いつまで待たせる, いい加減に]}}
    then: quarantine
  - name: 領収書
    mode: watch
    when: {subject: {contains: 領収書}}
    then: quarantine
"""


def measure_replay(folder: Path, mails: int = MAILS) -> dict[str, float]:
    """Mails a second and peak memory in MB of the command itself, over all mail and over a tenth of it."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="replay-") as place:
        shop = Path(place)
        began = time.perf_counter()
        tenth = asyncio.run(_fill(shop, mails))
        result = {"mails": float(mails), "filled_s": time.perf_counter() - began}
        draft = _draft(shop)
        for name, since, workers in (
            ("tenth", tenth, 1),
            ("one_process", "365d", 1),
            ("two_processes", "365d", 2),
        ):
            seconds, megabytes, cpu, said = _run(shop, draft, since, workers)
            assert said["failed"] == 0
            assert said["changed"] > 0
            result |= {
                f"{name}_mails": said["mails"],
                f"{name}_per_s": said["mails"] / seconds,
                f"{name}_cpu_ms": cpu / said["mails"] * 1000,
                f"{name}_peak_mb": megabytes,
            }
    return {name: round(value, 2) for name, value in result.items()}


def _run(shop: Path, rules: Path, since: str, workers: int) -> tuple[float, float, float, dict[str, float]]:
    command = [sys.executable, "-m", "gateway", "-c", str(shop / "config.yaml"), "--json", "replay"]
    command += ["--rules", str(rules), "--since", since, "--workers", str(workers)]
    with (shop / "said.json").open("w+", encoding="utf-8") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output)
        cpu = 0.0
        with sampling([process.pid], 0.2) as peak:
            while process.poll() is None:
                cpu = max(cpu, cpu_seconds([process.pid]))
                time.sleep(0.1)
            seconds = time.perf_counter() - began
        output.seek(0)
        return seconds, peak.pss / 2**20, cpu, json.load(output)


def _draft(shop: Path) -> Path:
    rules = (shop / "rules.yaml").read_text("utf-8")
    draft = shop / "draft.yaml"
    draft.write_text(rules.replace("\nrules:\n", f"\nrules:\n{DRAFT}", 1), encoding="utf-8")
    return draft


async def _fill(shop: Path, mails: int) -> str:
    """Put mail on record as the gateway does; gives the time at which its last tenth begins."""
    scaffold.write(shop, "ja")
    settings = load_settings(shop / "config.yaml", {})
    ruleset = load_ruleset(settings.rules, SPECS, settings=settings)
    store = await open_store(settings.storage.database)
    screener = Screener(settings, FILTERS, offline())
    chance = random.Random(3)
    like: dict[int, Screening] = {}
    begin = datetime.now(UTC) - PERIOD
    for start in range(0, mails, AT_ONCE):
        units = []
        for number in range(start, min(start + AT_ONCE, mails)):
            came = _exchange(number, begin + PERIOD * number / mails, chance)
            kind = number % SHARE
            if kind not in like:
                like[kind] = await screener.screen(came, ruleset)
            units.append(_accept(came, like[kind]))
        await asyncio.gather(*(_submit(store, unit) for unit in units))
    await store.close()
    return (begin + PERIOD * 0.9).isoformat()


async def _submit(store: Store, unit: Accept) -> None:
    await unit.prepare()
    await store.committer.submit(unit)


def _exchange(number: int, at: datetime, chance: random.Random) -> Exchange:
    sender = f"customer{chance.randrange(5000)}@example{number % 40}.jp"
    raw = b"".join(_pieces(number, sender, chance))
    return Exchange(
        raw, Envelope(sender, (SHOP,), Peer(f"198.51.100.{number % 250}", helo="mail.example")), received_at=at
    )


def _pieces(number: int, sender: str, chance: random.Random) -> Iterator[bytes]:
    """A mail: most are short, every fourth quotes, one of 100 carries a picture, one of 100 threatens."""
    text = (THREAT if number % 100 == 7 else QUESTIONS[number % len(QUESTIONS)]).format(n=10_000 + number)
    text += f"\n\n山田 {number}\n" + (QUOTED * chance.randrange(5, 60) if number % 4 == 0 else "")
    subject = "領収書の件" if number % len(QUESTIONS) == 2 else f"注文について {number}"
    if number % 100 != 50:
        charset = "iso-2022-jp" if number % 3 == 0 else "utf-8"
        yield letter(sender, subject, text, charset=charset, date=0.0)
        return
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, SHOP, subject
    message.set_content(text)
    message.add_attachment(chance.randbytes(60_000), maintype="image", subtype="jpeg", filename="写真.jpg")
    yield message.as_bytes().replace(b"\n", b"\r\n")


def _accept(came: Exchange, like: Screening) -> Accept:
    ip = came.envelope.peer.ip
    acceptance = Acceptance(
        came,
        sender=came.envelope.mail_from,
        origin=Origin(ip, "peer", Trust.PEER),
        facts=like.facts,
        verdict=like.verdict,
        trace=b"X-Sekisho-Id: x\r\n",
        subject=like.message.subject,
        from_header=came.envelope.mail_from,
        message_id=f"<{came.id}@example.jp>",
        evidence=like.evidence,
        state="delivered",
    )
    return Accept(acceptance, "bench", timedelta(minutes=5), (), "mx.shop.example", b"")


def main() -> None:
    """Measure and print."""
    mails = int(sys.argv[1]) if len(sys.argv) > 1 else MAILS
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("/var/tmp")
    for name, value in measure_replay(folder, mails).items():
        print(f"{name:24} {value:g}", flush=True)


if __name__ == "__main__":
    main()
