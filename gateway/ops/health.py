"""What needs a person: judged from the numbers of the database, the daemon's signs of life and the disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.store.status import Numbers
from gateway.text import Text

ALIVE = timedelta(seconds=35)  # three signs of life, one every 10 s, and a little
QUEUE = timedelta(hours=1)
STUCK = timedelta(minutes=10)
CHECKPOINT = timedelta(hours=2)
CLOCK = timedelta(seconds=5)
PREFIX = "daemon:"


@dataclass(frozen=True, slots=True)
class Beat:
    """The last sign of life of one daemon."""

    node: str
    at: datetime
    state: dict[str, Any]
    fresh: bool

    @property
    def listen(self) -> tuple[str, ...]:
        """Where it listens, as `host:port`."""
        return tuple(str(address) for address in self.state.get("listen", ()))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that needs a person. `down`: the gateway itself does not work; otherwise it works and asks for help."""

    name: str
    text: Text
    down: bool = False


def beats(numbers: Numbers, now: datetime) -> tuple[Beat, ...]:
    """The signs of life on record, the newest first; of a host that runs no longer nothing but the last one."""
    newest: dict[str, Beat] = {}
    for name, state in numbers.settings.items():
        if not name.startswith(PREFIX) or not isinstance(state, dict):
            continue
        try:
            at = datetime.fromisoformat(state["at"])
            age = now - at
        except (KeyError, TypeError, ValueError):
            continue
        node = name.removeprefix(PREFIX)
        host = node.rpartition("-")[0] or node
        if host not in newest or at > newest[host].at:
            newest[host] = Beat(node, at, state, abs(age) <= ALIVE and node not in numbers.stopped)
    return tuple(sorted(newest.values(), key=lambda beat: beat.at, reverse=True))


def problems(
    numbers: Numbers, alive: Sequence[Beat], now: datetime, *, free: int | None, minimum_free: int, listens: bool
) -> tuple[Problem, ...]:
    """Everything that needs a person, the gravest first. `free` is None where the database is on a server."""
    found = [*_daemon(alive, now, listens), *_disk(alive, free, minimum_free), *_clock(numbers, now)]
    return (*found, *_queue(numbers, now, any(beat.fresh for beat in alive)), *_seal(numbers, now))


def _daemon(alive: Sequence[Beat], now: datetime, listens: bool) -> list[Problem]:
    fresh = [beat for beat in alive if beat.fresh]
    if not alive:
        return [Problem("not_running", NEVER, down=True)]
    if not fresh:
        last = alive[0]
        text = HANGS if now - last.at > ALIVE and _process_lives(last) else STOPPED
        return [Problem("not_running", text.with_(ago=span(now - last.at)), down=True)]
    found = []
    if listens and not any(beat.listen for beat in fresh):
        found.append(Problem("not_listening", DEAF, down=True))
    if any(beat.state.get("blacklist") is False for beat in fresh):
        found.append(Problem("blacklist", BLACKLIST))
    return found


def _process_lives(beat: Beat) -> bool:
    """Whether the process that gave the sign is there; no where it is another machine's."""
    host, _, pid = beat.node.rpartition("-")
    if host != os.uname().nodename or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def _disk(alive: Sequence[Beat], free: int | None, minimum: int) -> list[Problem]:
    if free is not None and free < minimum:
        return [Problem("disk", DISK.with_(free=free // 2**20, minimum=minimum // 2**20), down=True)]
    if any(beat.fresh and beat.state.get("disk_low") for beat in alive):
        return [Problem("disk", DISK_THERE, down=True)]
    return []


def _clock(numbers: Numbers, now: datetime) -> list[Problem]:
    behind = numbers.log_at - now if numbers.log_at is not None else timedelta()
    return [Problem("clock", BEHIND.with_(span=span(behind)))] if behind > CLOCK else []


def _queue(numbers: Numbers, now: datetime, runs: bool) -> list[Problem]:
    found = []
    if numbers.oldest is not None and now - numbers.oldest > QUEUE:
        found.append(Problem("queue_old", OLD.with_(span=span(now - numbers.oldest))))
    if runs and numbers.overdue is not None and now - numbers.overdue > STUCK:
        found.append(Problem("queue_stuck", OVERDUE.with_(span=span(now - numbers.overdue))))
    for state, text in (("aside", ASIDE), ("failed", FAILED), ("uncertain", UNCERTAIN)):
        if count := numbers.queue.get(state, 0):
            found.append(Problem(f"queue_{state}", text.with_(count=count)))
    return found


def _seal(numbers: Numbers, now: datetime) -> list[Problem]:
    since = numbers.unsealed_at
    if since is None or now - since <= CHECKPOINT:
        return []
    return [Problem("checkpoint", UNSEALED.with_(span=span(now - since)))]


def span(length: timedelta) -> Text:
    """A length of time in its largest unit."""
    seconds = max(int(length.total_seconds()), 0)
    for size, unit in ((86400, DAYS), (3600, HOURS), (60, MINUTES)):
        if seconds >= 2 * size:
            return unit.with_(n=seconds // size)
    return SECONDS.with_(n=seconds)


SECONDS = Text("{n}秒", "{n} s")
MINUTES = Text("{n}分", "{n} min")
HOURS = Text("{n}時間", "{n} h")
DAYS = Text("{n}日", "{n} days")
NEVER = Text(
    "ゲートウェイが動いていません（未起動か、1日以上前に停止）。「sekisho run」で起動してください。",
    "The gateway does not run; it never did, or stopped more than a day ago. Start it with `sekisho run`.",
)
STOPPED = Text(
    "ゲートウェイが動いていません。最後に動いていたのは{ago}前です。「sekisho run」で起動してください。",
    "The gateway does not run; its last sign of life is {ago} old. Start it with `sekisho run`.",
)
HANGS = Text(
    "ゲートウェイが{ago}前から応答していません。プロセスは残っています。ログを確認し、再起動してください。",
    "The gateway has given no sign of life for {ago}, though its process is there. Look at its log and restart it.",
)
DEAF = Text(
    "SMTP の待ち受けができていません。ポートと証明書の設定を確認してください。",
    "No SMTP listener is open. Check ports and certificates in the config.",
)
BLACKLIST = Text(
    "取引停止リストをまだ読み込めていません。続くようならデータベースを確認してください。",
    "The blacklist is not loaded into memory yet. If that lasts, check the database.",
)
DISK = Text(
    "ディスクの空きが {free} MB しかありません（{minimum} MB を下回ると受信を断ります）。空きを増やしてください。",
    "Only {free} MB of disk are free; below {minimum} MB mail is turned away. Make room.",
)
DISK_THERE = Text(
    "ゲートウェイのディスクの空きが足りず、受信を断っています。空きを増やしてください。",
    "A gateway's disk is nearly full and it turns mail away. Make room.",
)
BEHIND = Text(
    "この機械の時計が、最後の記録より{span}遅れています。時刻合わせ（NTP）を確認してください。",
    "This machine's clock is {span} behind the newest record. Check its time synchronisation (NTP).",
)
OLD = Text(
    "{span}前から届けられていないメールがあります。「sekisho queue list」で理由を確認してください。",
    "Mail has been waiting for {span}. `sekisho queue list` shows why.",
)
OVERDUE = Text(
    "配送の時刻を{span}過ぎたメールがあります。配送が止まっているおそれがあります。ログを確認してください。",
    "Mail has been due for {span} and was not tried: delivery may have stopped. Look at the log.",
)
ASIDE = Text(
    "送るとゲートウェイが止まるため取り置いたメールが {count} 件あります。「sekisho queue list」で確認してください。",
    "Set aside, because the gateway stopped each time it sent it: {count}. See `sekisho queue list`.",
)
FAILED = Text(
    "届けられなかったメールが {count} 件あります。「sekisho queue list」で確認し、retry か cancel をしてください。",
    "Deliveries that failed for good: {count}. See `sekisho queue list`, then retry or cancel them.",
)
UNCERTAIN = Text(
    "届いたかどうか分からない返信が {count} 件あります。確認できたら「sekisho queue cancel」で片付けてください。",
    "Replies that may or may not have arrived: {count}. When you know, clear them with `sekisho queue cancel`.",
)
UNSEALED = Text(
    "{span}前からの記録に、まだチェックポイントがありません。ゲートウェイのログを確認してください。",
    "Records of the last {span} are not sealed by a checkpoint. Look at the gateway's log.",
)
