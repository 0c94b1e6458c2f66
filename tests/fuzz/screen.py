"""Raw bytes through parsing and screening with every filter, offline; a crash is any exception, or two seconds of CPU.

    python -m tests.fuzz.screen [-max_total_time=600] [libFuzzer's other options] [DIRECTORY]

DIRECTORY keeps what was found worth keeping between runs. A crash leaves `crash-…` in the working directory; give that
file as the only argument to run it again.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

import atheris
import structlog

with atheris.instrument_imports(include=["gateway.mime", "gateway.model", "gateway.screening", "filters"]):
    from filters.offline import offline
    from filters.registry import FILTERS, SPECS
    from gateway.config import load_ruleset, load_settings
    from gateway.config.scaffold import write
    from gateway.model.envelope import Envelope, Peer
    from gateway.model.exchange import Exchange
    from gateway.replies import guard  # noqa: F401  (what it reads of a message is read by the facts)
    from gateway.screening import screener as screening
    from tests.fuzz.seeds import DICTIONARY, seeds

SECONDS = 2.0
PEERS = ("203.0.113.9", "2001:db8::9", "10.0.0.1")
SENDERS = ("taro@customer.example", "a..b@docomo.ne.jp", "", "MAILER-DAEMON@isp.example")


class Loud:
    """In the screener's logger's place: what it would log and go on from is a crash here."""

    def exception(self, event: str, **_: object) -> None:
        raise

    warning = exception


class Target:
    """One screener and one ruleset, the one that `sekisho init` writes, for the whole run."""

    def __init__(self, folder: Path) -> None:
        write(folder, "ja")
        settings = load_settings(folder / "config.yaml", {})
        self.ruleset = load_ruleset(settings.rules, SPECS, settings=settings)
        self.screener = screening.Screener(settings, FILTERS, offline())
        self.recipients = tuple(address for address in settings.shop.addresses if not address.startswith("@"))[:1]
        self.loop = asyncio.new_event_loop()

    def __call__(self, data: bytes) -> None:
        # the last byte chooses the envelope, so that it mutates with the message
        last = data[-1] if data else 0
        peer = Peer(PEERS[last % len(PEERS)], helo="mail.customer.example")
        exchange = Exchange(data, Envelope(SENDERS[last % len(SENDERS)], self.recipients, peer))
        began = time.process_time()
        found = self.loop.run_until_complete(self.screener.screen(exchange, self.ruleset, all_facts=True))
        took = time.process_time() - began
        for fact in found.facts.values():
            str(fact.value).encode()  # no lone surrogates: they would break the record
        if took > SECONDS:
            raise TimeoutError(f"{took:.1f} s for {len(data)} bytes")


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    screening.logger = Loud()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shop").mkdir()
        target = Target(folder / "shop")
        arguments = sys.argv[1:]
        if not any(Path(argument).is_file() for argument in arguments):
            corpus = folder / "seeds"
            corpus.mkdir()
            for number, seed in enumerate(seeds()):
                target(seed)
                (corpus / f"{number:03}.eml").write_bytes(seed)
            words = folder / "words.dict"
            words.write_text(DICTIONARY)
            arguments = ["-max_total_time=600", "-max_len=32768", "-timeout=20", f"-dict={words}", *arguments]
            folders = [argument for argument in arguments if not argument.startswith("-")]
            if not folders:
                (folder / "found").mkdir()
                arguments.append(str(folder / "found"))
            arguments.append(str(corpus))
        atheris.Setup([sys.argv[0], *arguments], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
