"""Every `re` pattern of the gateway and the filters takes linear time on what a hostile sender can put before it.

Patterns that shop owners write are RE2's. Ours are found by looking through all modules, so that new ones are tried.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import pytest

import filters
import gateway

LENGTH = 8_000  # a quadratic pattern takes 15 ms and more on it, a linear one hardly one
ALLOWED = 0.003  # CPU seconds below which nothing is looked into
TIMES = 8  # the long text is so many times the short one: linear gives 8, quadratic 64
GROWTH = 20.0  # of the time, between the two
TRIES = 2  # a busy machine can spoil one measurement
METHODS = ("search", "match", "fullmatch", "sub", "finditer", "findall", "split")

# What is no text of a mail: the operator's own files and command lines, and what the gateway itself wrote.
TRUSTED = ("gateway.config", "gateway.cli", "gateway.casefile.shipped", "gateway.replies.sandbox", "gateway.testing")

# Patterns that are asked only about texts of at most this length.
BOUNDED = {
    "gateway.model.return_path._VERP": 256,  # longer local parts are left alone
    "gateway.casefile.acts._NOTED": 2_000,  # notes of our own, words of the phrases filter in them
    "gateway.mime.quotes._HEADING": 2_000,  # so much of a line is looked at
    "gateway.mime.quotes._WEAK_HEADING": 2_000,
}


@dataclass(frozen=True)
class Case:
    name: str
    pattern: re.Pattern[str] | re.Pattern[bytes]
    methods: tuple[str, ...]


def modules() -> Iterator[ModuleType]:
    for package in (gateway, filters):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not found.name.startswith(TRUSTED) and not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def inside(value: object, depth: int = 0) -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    """Patterns in a module's value, tables of them included."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth < 4:
        if isinstance(value, dict):
            value = tuple(value.values())
        if isinstance(value, list | tuple) and len(value) < 1000:
            for one in value:
                yield from inside(one, depth + 1)


def compiled(module: ModuleType, source: str) -> Iterator[Case]:
    for name, value in vars(module).items():
        found = list(inside(value))
        used = tuple(method for method in METHODS if re.search(rf"\b{name}\.{method}\(", source))
        for number, pattern in enumerate(found):
            label = f"{module.__name__}.{name}" + (f"[{number}]" if len(found) > 1 else "")
            yield Case(label, pattern, used or ("search", "match", "fullmatch"))


def written_in_place(module: ModuleType, source: str) -> Iterator[Case]:
    """`re.search("…", text)` and the like within a function."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        call, first = node.func, node.args[0]
        if not (isinstance(call.value, ast.Name) and call.value.id == "re" and call.attr in METHODS):
            continue
        if isinstance(first, ast.Constant) and isinstance(first.value, str | bytes):
            flags = re.IGNORECASE | re.MULTILINE if len(node.args) + len(node.keywords) > 2 else 0
            yield Case(f"{module.__name__}:{first.value!r}", re.compile(first.value, flags), (call.attr,))


@cache
def cases() -> list[Case]:
    found: dict[tuple[str | bytes, int], Case] = {}
    for module in modules():
        source = inspect.getsource(module)
        for case in (*compiled(module, source), *written_in_place(module, source)):
            found.setdefault((case.pattern.pattern, case.pattern.flags), case)
    return list(found.values())


def alphabet(pattern: re.Pattern[str] | re.Pattern[bytes]) -> list[str]:
    """Characters that the pattern tells apart, and its literal words."""
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    plain = re.sub(r"\\.|\[[^\]]*\]|\{[^}]*\}|\(\?[a-zP<>:=!]*", " ", text)
    words = re.findall(r"[A-Za-z0-9@.:=-]+|[^\x00-\x7f]+", plain)
    signs = [c for c in dict.fromkeys(re.sub(r"\\[sdwSDWbAZn]", "", text)) if not c.isalnum() and c != "\\"]
    return list(dict.fromkeys(["a", "0", " ", "\n", "-", *signs[:12], "あ", *words[:8]]))


def attacks(pattern: re.Pattern[str] | re.Pattern[bytes]) -> list[tuple[str, str]]:
    """A beginning, and what follows it as often as it takes: one piece, or two by turns."""
    pieces = alphabet(pattern)
    heads = ["", *[piece for piece in pieces if not piece.isspace()][-6:]]
    turns = [one + two for one in pieces[:10] for two in pieces[:10] if one != two]
    return [(head, piece) for piece in pieces for head in heads] + [("", both) for both in turns]


def build(case: Case, attack: tuple[str, str], length: int) -> str | bytes:
    head, piece = attack
    text = head + piece * (length // len(piece)) + "\x01"
    return text.encode("utf-8") if isinstance(case.pattern.pattern, bytes) else text


def seconds(case: Case, text: str | bytes) -> float:
    slowest = 0.0
    for method in case.methods:
        began = time.thread_time()
        if method == "sub":
            case.pattern.sub("" if isinstance(text, str) else b"", text)  # type: ignore[arg-type]
        else:
            result = getattr(case.pattern, method)(text)
            if method == "finditer":
                for _ in result:
                    pass
        slowest = max(slowest, time.thread_time() - began)
    return slowest


def growth(case: Case, attack: tuple[str, str], length: int) -> float:
    """How much longer an attack takes at `TIMES` the length, of the best of four; 1 where it is quick."""
    long = build(case, attack, length)
    if seconds(case, long) < ALLOWED:
        return 1.0
    short = build(case, attack, length // TIMES)
    return min(seconds(case, long) for _ in range(4)) / max(1e-6, min(seconds(case, short) for _ in range(4)))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_pattern_takes_linear_time(case: Case) -> None:
    length = min(LENGTH, BOUNDED.get(case.name, LENGTH))
    for attack in attacks(case.pattern):
        for _ in range(TRIES):
            grew = growth(case, attack, length)
            if grew < GROWTH:
                break
        assert grew < GROWTH, f"{case.name} on {attack!r}: {grew:.1f} times as long for {TIMES} times the length"


@pytest.mark.parametrize(
    ("pattern", "attack"),
    [
        (r"\s+$", ("", " ")),
        (r"(a+)b", ("", "a")),
        (r"[^@]*@", ("", "a")),
        (r"a*?-", ("", "a")),
        (r"x\s*y?\s*z", ("x", " ")),
    ],
)
def test_the_trial_finds_a_quadratic_pattern(pattern: str, attack: tuple[str, str]) -> None:
    case = Case("bad", re.compile(pattern), ("search",))
    assert attack in attacks(case.pattern)
    assert growth(case, attack, LENGTH) > GROWTH


def test_every_pattern_is_found() -> None:
    names = {case.name for case in cases()}
    assert {"gateway.mime.words._WORD", "filters.bounces.status._ADDRESS", "gateway.model.names._BRACKETED"} <= names
    assert len(names) > 100
