"""The measuring tools measure: time of ended children counts, memory is there, the name server denies every name."""

from __future__ import annotations

import os
import subprocess
import sys

import dns.message
import dns.rcode

from tests.bench.accounting import cpu_seconds, memory_bytes, sampling
from tests.bench.load import Result, medians
from tests.bench.nameserver import refusal
from tests.bench.profile import shares

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def test_cpu_time_of_an_ended_child_counts_with_its_parent() -> None:
    before = cpu_seconds([os.getpid()])
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert cpu_seconds([os.getpid()]) - before >= 0.28


def test_cpu_time_of_a_process_that_is_gone_is_none() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert cpu_seconds([child.pid]) == 0


def test_memory_is_sampled_at_least_once_and_pss_is_at_most_rss() -> None:
    rss, pss = memory_bytes([os.getpid()])
    with sampling([os.getpid()]) as peak:
        pass
    assert 0 < pss <= rss
    assert peak.rss > 5 * 2**20


def test_the_name_server_denies_a_name_at_once() -> None:
    query = dns.message.make_query("mail.example", "TXT", use_edns=True)
    answer = dns.message.from_wire(refusal(query.to_wire()))
    assert query.is_response(answer)
    assert answer.rcode() == dns.rcode.NXDOMAIN


def test_medians_are_taken_column_by_column() -> None:
    rounds = [Result(1, 10, 3, 5, 1), Result(3, 30, 1, 5, 2), Result(2, 20, 2, 5, 9)]
    assert medians(rounds) == {"accepted": 2, "drained": 20, "cpu_ms": 2, "rss_mb": 5, "pss_mb": 2}


def test_shares_of_a_profile_count_a_recursive_function_once() -> None:
    told = shares("main (a.py:1);walk (b.py:2);walk (b.py:3) 3\nmain (a.py:9) 1\n")
    assert "4 samples" in told
    own, _, within = told.partition("with callees")
    assert " 75.0%  walk (b.py)" in own
    assert "100.0%  main (a.py)" in within
    assert " 75.0%  walk (b.py)" in within
