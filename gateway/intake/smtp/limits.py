"""What all sessions share of room: connections in all and by address, their rate, and bytes of mail in memory."""

from __future__ import annotations

from collections import Counter

from gateway.model import smtp_reply as table
from gateway.model.network import parse_ip
from gateway.model.settings import SmtpLimits
from gateway.model.smtp_reply import SmtpReply


class Memory:
    """Bytes of mail in flight over all sessions, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> bool:
        """Count `size` bytes more; False, and nothing counted, where they do not fit."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give(self, size: int) -> None:
        """Count `size` bytes less."""
        self.used -= size


def address_key(ip: str) -> str | int:
    """Whom connections are counted for: an IPv4 address, or the /64 of an IPv6 address (one subscriber's line)."""
    if ":" not in ip:
        return ip
    found = parse_ip(ip)
    return found[1] >> 64 if found and found[0] == 6 else ip


class Connections:
    """Who is connected now, and how many connections came in this minute. Both bounded by the limit in all."""

    def __init__(self, limits: SmtpLimits) -> None:
        self.limits = limits
        self.total = 0
        self._of: Counter[str | int] = Counter()
        self._rate: Counter[str | int] = Counter()
        self._minute = 0

    def enter(self) -> SmtpReply | None:
        """Count one connection more; a reply, and nothing counted, where there is no room."""
        if self.total >= self.limits.connections:
            return table.TOO_MANY_CONNECTIONS
        self.total += 1
        return None

    def leave(self) -> None:
        """Count one connection less."""
        self.total -= 1

    def enter_from(self, ip: str, now: float) -> SmtpReply | None:
        """Count a connection for its address, `now` in seconds; a reply, and nothing counted, where it has too many."""
        key = address_key(ip)
        if self.limits.connection_rate:
            minute = int(now // 60)
            if minute != self._minute or len(self._rate) > 100_000:
                self._minute = minute
                self._rate.clear()
            if self._rate[key] >= self.limits.connection_rate:
                return table.TOO_FAST
            self._rate[key] += 1
        if self._of[key] >= self.limits.connections_per_ip:
            return table.TOO_MANY_FROM_ADDRESS
        self._of[key] += 1
        return None

    def leave_from(self, ip: str) -> None:
        """Count a connection less for its address."""
        key = address_key(ip)
        if self._of[key] <= 1:
            del self._of[key]
        else:
            self._of[key] -= 1
