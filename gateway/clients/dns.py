"""Asynchronous DNS: cached, coalesced, bounded, and quick to say that it has no answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.rdtypes.nsbase
import dns.resolver
import idna

from gateway.errors import SekishoError
from gateway.model import settings
from gateway.model.lookup import DnsAnswer
from gateway.model.network import parse_ip
from gateway.text import Text

logger = logging.getLogger(__name__)

NONE = DnsAnswer("none")
FAILED = DnsAnswer("failed")

LONGEST_TTL = 86_400.0  # seconds; RFC 8767 §4 caps at a week, a day is enough for us
SHORTEST_TTL = 5.0  # so that one message always sees one answer
LONGEST_NEGATIVE_TTL = 300.0
FAILURE_TTL = 3.0  # RFC 2308 §7: at most five minutes
CACHED_ANSWERS = 20_000
CACHED_CHARACTERS = 16 * 1024 * 1024
AT_ONCE = 100  # questions on the wire
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 30.0  # seconds in which silent DNS is not asked
UDP_PAYLOAD = 1232  # bytes; fits into one packet on every path (RFC 9715)

RESOLV_CONF = Path("/etc/resolv.conf")
NO_ADDRESS = Text("DNSサーバー「{host}」はIPアドレスではありません。", "The name server {host} is not an IP address.")
NO_ADDRESS_MEND = Text("dns.servers にはIPアドレスを書いてください。", "Write an IP address under dns.servers.")


class Resolver:
    """Fulfils `filters.api.Dns` with the name servers of the settings, or those of the system where none are named.

    One question takes `settings.timeout` seconds at most. Once the servers are silent, everything fails at once for
    some seconds; then one question at a time tries again. Raises `SekishoError` where a server is not an IP address.
    """

    def __init__(
        self, dns_settings: settings.Dns, *, system: Path = RESOLV_CONF, first_pause: float = FIRST_PAUSE
    ) -> None:
        self._settings = dns_settings
        self._system = system
        self._client = dns.asyncresolver.Resolver(configure=False)
        self._client.use_edns(0, 0, UDP_PAYLOAD)
        self._client.lifetime = dns_settings.timeout
        self._client.timeout = dns_settings.timeout / 2  # a lost packet is worth a second one
        self._cache = _Cache(CACHED_ANSWERS, CACHED_CHARACTERS)
        self._asked: dict[tuple[str, str], asyncio.Task[DnsAnswer]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._breaker = _Breaker(first_pause)
        self._probe: asyncio.Task[None] | None = None
        self._find_servers()

    @property
    def silent(self) -> bool:
        """Whether the name servers do not answer at present."""
        return self._breaker.open

    async def query(self, name: str, record_type: str) -> DnsAnswer:
        """The answer for a name (Unicode names are asked for as A-labels) and a type such as TXT; never raises."""
        labels = _labels(name)
        if not labels:
            return NONE  # no such name can exist, so nobody needs to be asked
        key = (labels, record_type)
        known = self._cache.get(key)
        if known is not None:
            return known
        task = self._asked.get(key)
        if task is None:
            if not self._breaker.may_ask():
                return FAILED
            task = asyncio.get_running_loop().create_task(self._ask(key))
            self._asked[key] = task
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        try:
            # One who asks may give up; others who wait for the same answer shall still get it.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if task.cancelled() and not (me and me.cancelling()):
                return FAILED  # closed while we waited
            raise

    async def close(self) -> None:
        """Give up every question that is still open."""
        tasks = [*self._asked.values(), *([self._probe] if self._probe else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _find_servers(self) -> None:
        """Take the name servers from the settings or, again each time, from the system."""
        client = self._client
        if self._settings.servers:
            for host, _ in self._settings.servers:
                if parse_ip(host) is None:
                    raise SekishoError(NO_ADDRESS.with_(host=host), NO_ADDRESS_MEND)
            client.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in self._settings.servers]
            return
        try:
            fresh = dns.asyncresolver.Resolver(configure=False)
            fresh.read_resolv_conf(str(self._system))
            client.nameservers = fresh.nameservers
        except (dns.exception.DNSException, OSError, ValueError):
            client.nameservers = []

    async def _ask(self, key: tuple[str, str]) -> DnsAnswer:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.timeout), self._gate:
                if self._breaker.trying:
                    self._find_servers()
                answer, ttl = await self._resolve(*key)
        except TimeoutError:
            answer, ttl = FAILED, FAILURE_TTL
            self._suspect(since=started)
        except Exception:
            # What a server sends can fail in ways that the library does not foresee; the answer is then useless to us.
            logger.debug("dns question failed", exc_info=True)
            answer, ttl = FAILED, FAILURE_TTL
            self._breaker.answered()
        if answer.status != "failed" or not self._breaker.open:
            self._cache.put(key, answer, ttl)
        return answer

    async def _resolve(self, name: str, record_type: str) -> tuple[DnsAnswer, float]:
        """The answer and for how many seconds it holds; `TimeoutError` where no server spoke."""
        if not self._client.nameservers:
            raise TimeoutError
        try:
            found = await self._client.resolve(
                _wire_name(name), dns.rdatatype.from_text(record_type), raise_on_no_answer=False, search=False
            )
        except dns.resolver.NXDOMAIN as no_name:
            self._breaker.answered()
            responses = no_name.kwargs["responses"].values()
            ttl = min((r.resolve_chaining().minimum_ttl for r in responses), default=0)
            return NONE, _clamp(ttl, LONGEST_NEGATIVE_TTL)
        except dns.resolver.LifetimeTimeout:
            raise TimeoutError from None
        except dns.resolver.NoNameservers as refused:
            # Every server spoke up (SERVFAIL, REFUSED, nonsense) or could not be reached at all.
            if all(isinstance(error[3], OSError) for error in refused.kwargs.get("errors", [])):
                raise TimeoutError from None
            self._breaker.answered()
            return FAILED, FAILURE_TTL
        self._breaker.answered()
        ttl = found.chaining_result.minimum_ttl
        if found.rrset is None:
            return NONE, _clamp(ttl, LONGEST_NEGATIVE_TTL)
        return DnsAnswer("ok", tuple(_text(rdata) for rdata in found.rrset)), _clamp(ttl, LONGEST_TTL)

    def _suspect(self, since: float) -> None:
        """A question went unanswered: unless the servers spoke meanwhile, find out whether they speak at all.

        A dead domain makes a sound resolver late, so the root is asked, which every resolver knows by heart.
        """
        if self._breaker.open and not self._breaker.trying:
            return  # known already
        if self._breaker.heard_since(since):
            self._breaker.answered()
        elif not self._client.nameservers:
            self._breaker.trip()
        elif self._probe is None or self._probe.done():
            self._probe = asyncio.get_running_loop().create_task(self._ask_root())

    async def _ask_root(self) -> None:
        try:
            async with asyncio.timeout(min(1.0, self._settings.timeout)):
                await self._client.resolve(dns.name.root, dns.rdatatype.NS)
        except (TimeoutError, dns.resolver.LifetimeTimeout):
            self._breaker.trip()
            logger.warning("name servers are silent")
        except Exception:
            # Whatever they say that is no answer to this, they speak.
            self._breaker.answered()
        else:
            self._breaker.answered()


class _Breaker:
    """Says whether it is worth asking: no for a while after the servers were found silent, then one trial at a time."""

    def __init__(self, first_pause: float) -> None:
        self._first = self._pause = first_pause
        self._until = 0.0  # monotonic
        self._heard = 0.0
        self.open = False
        self.trying = False

    def may_ask(self) -> bool:
        if not self.open:
            return True
        if self.trying or time.monotonic() < self._until:
            return False
        self.trying = True
        return True

    def heard_since(self, moment: float) -> bool:
        return self._heard >= moment

    def answered(self) -> None:
        self._heard = time.monotonic()
        self._pause = self._first
        self.open = self.trying = False

    def trip(self) -> None:
        self._until = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self.open, self.trying = True, False


class _Cache:
    """Answers until they grow old; the least recently used go first beyond a number of entries or of characters."""

    def __init__(self, entries: int, characters: int) -> None:
        self._entries, self._characters = entries, characters
        self._held: OrderedDict[tuple[str, str], tuple[float, int, DnsAnswer]] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[str, str]) -> DnsAnswer | None:
        held = self._held.get(key)
        if held is None:
            return None
        if held[0] < time.monotonic():
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return held[2]

    def put(self, key: tuple[str, str], answer: DnsAnswer, ttl: float) -> None:
        if key in self._held:
            self._drop(key)
        size = len(key[0]) + sum(map(len, answer.records))
        self._held[key] = (time.monotonic() + ttl, size, answer)
        self._size += size
        while len(self._held) > self._entries or self._size > self._characters:
            self._drop(next(iter(self._held)))

    def _drop(self, key: tuple[str, str]) -> None:
        self._size -= self._held.pop(key)[1]


def _clamp(ttl: float, longest: float) -> float:
    return max(SHORTEST_TTL, min(ttl, longest))


@lru_cache(maxsize=4096)
def _labels(name: str) -> str:
    """The name in lower-case A-labels without a final dot; "" where no such name can be in the DNS (RFC 1035 §2.3.4).

    Labels are taken one by one, since names such as `_dmarc.例え.jp` are no IDNA names as a whole.
    """
    text = name.strip().lower()
    try:
        if not text.isascii():
            for dot in "\u3002\uff0e\uff61":  # UTS 46 §4
                text = text.replace(dot, ".")
            labels = [x if x.isascii() else idna.encode(x, uts46=True).decode("ascii") for x in text.split(".")]
            text = ".".join(labels)
    except idna.IDNAError:
        return ""
    text = text.removesuffix(".")
    if not text or len(text) > 253 or any(not 0 < len(label) < 64 for label in text.split(".")):
        return ""
    return text


def _wire_name(name: str) -> dns.name.Name:
    """The name label by label: `from_text` would read backslashes and `@` in names that strangers write."""
    return dns.name.Name([*(label.encode("ascii") for label in name.split(".")), b""])


def _text(rdata: object) -> str:
    """One record as `DnsAnswer.records` holds it."""
    if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(rdata.strings).decode("latin-1")
    if isinstance(rdata, dns.rdtypes.ANY.MX.MX):
        return f"{rdata.preference} {rdata.exchange.to_text(omit_final_dot=True)}"
    if isinstance(rdata, dns.rdtypes.nsbase.NSBase):  # PTR, CNAME, NS
        return rdata.target.to_text(omit_final_dot=True)
    return str(rdata)
