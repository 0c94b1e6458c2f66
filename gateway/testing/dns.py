"""A DNS server on loopback that answers from a zone given as a dict, and that can misbehave."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from gateway.model.lookup import DnsAnswer

Zone = Mapping[str, Mapping[str, str | Sequence[str]]]


class Mode(StrEnum):
    """How the server behaves; all but ANSWER are faults."""

    ANSWER = "answer"
    SILENT = "silent"
    SLOW = "slow"  # answers after `DnsServer.delay` seconds
    SERVFAIL = "servfail"
    TRUNCATED = "truncated"  # over UDP only the truncated bit, over TCP the answer
    GARBAGE = "garbage"  # bytes that are no DNS message
    FORGED = "forged"  # an answer with another id, as somebody guessing would send


class DnsServer:
    """A recursive resolver's view of `zone`: `{"example.com": {"TXT": ["v=spf1 -all"], "MX": "10 mx.example.com"}}`.

    Follows CNAME, says NXDOMAIN for names unknown to it, knows the root, and truncates what does not fit into UDP. Use
    as asynchronous context manager; `address` is then (host, port). `zone`, `mode` and `modes` may be changed at any
    time; `modes` holds a mode for single names. `questions` records what was asked.
    """

    def __init__(self, zone: Zone | None = None, *, mode: Mode = Mode.ANSWER, ttl: int = 60, port: int = 0) -> None:
        self.zone: dict[str, dict[str, list[str]]] = {}
        self.mode = mode
        self.modes: dict[str, Mode] = {}
        self.delay = 0.2
        self.ttl = ttl
        self.questions: list[tuple[str, str, str]] = []  # name, type, udp or tcp
        self.address = ("127.0.0.1", port)
        self._tcp: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._late: set[asyncio.Task[None]] = set()
        self.add(zone or {})

    def add(self, zone: Zone) -> None:
        """Put more names into the zone."""
        for name, records in zone.items():
            held = self.zone.setdefault(name.lower().rstrip("."), {})
            for kind, values in records.items():
                held.setdefault(kind, []).extend([values] if isinstance(values, str) else values)

    async def __aenter__(self) -> DnsServer:
        loop = asyncio.get_running_loop()
        host, port = self.address
        for _ in range(20):  # the same port has to be free for both
            self._tcp = await asyncio.start_server(self._serve_tcp, host, port)
            taken: int = self._tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(host, taken))
            except OSError:
                self._tcp.close()
                continue
            self.address = (host, taken)
            return self
        raise OSError("no port is free for both UDP and TCP")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._late:
            task.cancel()
        if self._udp:
            self._udp.close()
        if self._tcp:
            self._tcp.close()

    async def reply(self, wire: bytes, transport: str) -> bytes | None:
        """The reply to a question in wire format, None for silence."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions.append((name, kind, transport))
        mode = self.modes.get(name, self.mode)
        if mode is Mode.SILENT:
            return None
        if mode is Mode.SLOW:
            await asyncio.sleep(self.delay)
        if mode is Mode.GARBAGE:
            return wire[:2] + b"\x81\x80" + b"\xff" * 40
        answer = dns.message.make_response(query, recursion_available=True)
        if mode is Mode.SERVFAIL:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer.to_wire()
        if mode is Mode.TRUNCATED and transport == "udp":
            answer.flags |= dns.flags.TC
            return answer.to_wire()
        self._fill(answer, question.name, question.rdtype)
        if mode is Mode.FORGED:
            answer.id ^= 0xFFFF
        return self._fitted(answer, query.payload, transport)

    def _fill(self, answer: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        for _ in range(20):
            text = name.to_text(omit_final_dot=True).lower()
            records = self.zone.get(text)
            if records is None or (not records.get(dns.rdatatype.to_text(kind)) and "CNAME" not in records):
                break
            alias = records.get("CNAME") if kind is not dns.rdatatype.CNAME else None
            found = dns.rdatatype.CNAME if alias else kind
            answer.answer.append(self._rrset(name, found, alias or records[dns.rdatatype.to_text(kind)]))
            if not alias:
                return
            name = dns.name.from_text(alias[0])
        exists = text in self.zone or any(known.endswith(f".{text}") for known in self.zone) or name == dns.name.root
        if not exists:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        zone = name.parent() if name != dns.name.root else name
        soa = f"ns.example. host.example. 1 3600 600 86400 {self.ttl}"
        answer.authority.append(self._rrset(zone, dns.rdatatype.SOA, [soa]))

    def _rrset(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, values: Iterable[str]) -> dns.rrset.RRset:
        made = [dns.rdata.from_text(dns.rdataclass.IN, kind, _presentation(kind, value)) for value in values]
        return dns.rrset.from_rdata(name, self.ttl, *made)

    @staticmethod
    def _fitted(answer: dns.message.Message, payload: int, transport: str) -> bytes:
        wire = answer.to_wire(max_size=65535)
        if transport == "udp" and len(wire) > max(512, payload):
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            wire = answer.to_wire()
        return wire

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                reply = await self.reply(await reader.readexactly(length), "tcp")
                if reply is not None:
                    writer.write(struct.pack("!H", len(reply)) + reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def answer_later(self, wire: bytes, send: asyncio.DatagramTransport, peer: tuple[str, int]) -> None:
        """Reply to a datagram without holding up the next one."""

        async def answer() -> None:
            reply = await self.reply(wire, "udp")
            if reply is not None and not send.is_closing():
                send.sendto(reply, peer)

        task = asyncio.get_running_loop().create_task(answer())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


class ZoneDns:
    """Fulfils `filters.api.Dns` straight from a zone, without packets; names in `failing` get no answer."""

    def __init__(self, zone: Zone | None = None, *, failing: Iterable[str] = ()) -> None:
        self._server = DnsServer(zone)
        self.failing = {name.lower() for name in failing}
        self.questions: list[tuple[str, str]] = []

    async def query(self, name: str, record_type: str) -> DnsAnswer:
        """The answer that the zone gives, aliases followed."""
        name = name.lower().rstrip(".")
        self.questions.append((name, record_type))
        if name in self.failing or "*" in self.failing:
            return DnsAnswer("failed")
        for _ in range(20):
            records = self._server.zone.get(name, {})
            if record_type in records:
                return DnsAnswer("ok", tuple(records[record_type]))
            if "CNAME" not in records:
                break
            name = records["CNAME"][0].lower().rstrip(".")
        return DnsAnswer("none")


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._server.answer_later(data, self._transport, addr)


def _presentation(kind: dns.rdatatype.RdataType, value: str) -> str:
    """The value as a zone file has it: TXT in quoted strings of at most 255 bytes, host names with their final dot."""
    if kind is dns.rdatatype.TXT:
        raw = value.encode("utf-8")
        pieces = [raw[i : i + 255] for i in range(0, len(raw), 255)] or [b""]
        return " ".join('"' + "".join(_quoted(byte) for byte in piece) + '"' for piece in pieces)
    if kind in (dns.rdatatype.MX, dns.rdatatype.CNAME, dns.rdatatype.PTR, dns.rdatatype.NS):
        return value if value.endswith(".") else f"{value}."
    return value


def _quoted(byte: int) -> str:
    return chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}"
