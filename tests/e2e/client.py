"""SMTP clients: one message at a time, many senders at once, and a peer that says only what it is told to."""

from __future__ import annotations

import itertools
import random
import smtplib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.testing.mail import SHOP, letter
from tests.servers.process import wait_until


class Client(smtplib.SMTP):
    """smtplib's client, which may come from another loopback address, or speak for somebody by PROXY."""

    def __init__(self, port: int, *, helo: str = "mail.customer.example", proxy: str = "", timeout: float = 60) -> None:
        self._proxy = proxy
        super().__init__("127.0.0.1", port, local_hostname=helo, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made = socket.create_connection((host, port), timeout)
        if self._proxy:
            made.sendall(f"PROXY TCP4 {self._proxy} 127.0.0.1 40000 25\r\n".encode("ascii"))
        return made


def send(
    port: int,
    raw: bytes,
    mail_from: str = "hanako@customer.example",
    recipient: str = SHOP,
    *,
    helo: str = "mail.customer.example",
    proxy: str = "",
    timeout: float = 60,
) -> tuple[int, str]:
    """Send one message in a connection of its own: the last reply."""
    with Client(port, helo=helo, proxy=proxy, timeout=timeout) as client:
        return transact(client, raw, mail_from, recipient)


def transact(client: smtplib.SMTP, raw: bytes, mail_from: str, recipient: str = SHOP) -> tuple[int, str]:
    """One transaction: the reply to the content, or the first refusal."""
    client.ehlo_or_helo_if_needed()
    code, said = client.mail(mail_from, ["BODY=8BITMIME"])
    if code == 250:
        code, said = client.rcpt(recipient)
    if code == 250:
        try:
            code, said = client.data(raw)
        except smtplib.SMTPDataError as error:
            code, said = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
    if code != 250:
        client.rset()
    return code, said.decode("ascii", "replace")


def exchange_id(said: str) -> str:
    """The id in the reply to a message that was taken."""
    return said.rpartition(" ")[2]


@dataclass
class Sent:
    """A message that a sender got a 250 for."""

    address: str
    raw: bytes
    id: str


@dataclass
class Load:
    """So many senders side by side, each sending one message after the other until told to stop.

    A message without an answer, or with a 4xx, is sent again until it has its 250, as a mail server would. Every
    message comes from an address of its own. `port` is asked for each connection.
    """

    port: Callable[[], int]
    senders: int = 20
    most: int = 1_000_000  # messages
    pause: float = 0.0  # seconds between two messages of a sender
    proxy: str = ""  # the IP that they come from, by PROXY
    sent: list[Sent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # 5xx replies: there should be none
    again: int = 0  # tries that ended without a 250
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        numbers = itertools.count()
        for _ in range(self.senders):
            thread = threading.Thread(target=self._work, args=(numbers,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *error: object) -> None:
        self.finish()

    def finish(self, timeout: float = 60.0) -> None:
        """Begin no new message; return when each that was begun has its answer."""
        self._stop.set()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.1, end - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise TimeoutError(f"senders without an answer; {len(self.sent)} sent")

    def wait_for(self, count: int, timeout: float = 60.0) -> None:
        """Return when so many messages have their 250."""
        wait_until(lambda: len(self.sent) >= count, f"{count} messages sent", timeout=timeout)

    def wait_done(self, timeout: float = 60.0) -> None:
        """Return when `most` messages were sent."""
        wait_until(lambda: not any(t.is_alive() for t in self._threads), "all are sent", timeout=timeout)

    def _work(self, numbers: itertools.count[int]) -> None:
        client: Client | None = None
        while not self._stop.is_set() and (number := next(numbers)) < self.most:
            address = f"c{number}@customer.example"
            size = random.choice((1, 1, 1, 20))
            raw = letter(address, f"ご注文 {number}", f"番号 {number} です。\n" * 10 * size)
            reuse = number % 2 == 0
            while True:
                try:
                    if client is None:
                        client = Client(self.port(), proxy=self.proxy, timeout=40)
                    code, said = transact(client, raw, address)
                    if code == 250:
                        self.sent.append(Sent(address, raw, exchange_id(said)))
                        break
                    if code >= 500:
                        self.refused.append(f"{code} {said}")
                        break
                except (OSError, smtplib.SMTPException):
                    if client is not None:
                        client.close()
                    client = None
                self.again += 1
                time.sleep(0.1)
            if client is not None and not reuse:
                client.close()
                client = None
            if self.pause:
                self._stop.wait(self.pause)
        if client is not None:
            client.close()


class Peer:
    """A raw connection: bytes out, replies in."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", greet: bool = True, timeout: float = 30) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
        self._inbox = b""
        if greet:
            self.reply()
            self.say("EHLO peer.example")

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> str:
        """The next whole reply; "" where the connection has ended."""
        lines = []
        while True:
            while b"\n" not in self._inbox:
                try:
                    got = self.socket.recv(65536)
                except ConnectionError:
                    got = b""
                if not got:
                    return ""
                self._inbox += got
            line, _, self._inbox = self._inbox.partition(b"\n")
            lines.append(line.decode("ascii", "replace").rstrip("\r"))
            if lines[-1][3:4] != "-":
                return "\n".join(lines)

    def say(self, command: str) -> str:
        """A command and its reply."""
        self.write(command.encode() + b"\r\n")
        return self.reply()

    def begin(self, mail_from: str = "hanako@customer.example", recipient: str = SHOP) -> None:
        """As far as the go-ahead for the content."""
        for command, code in ((f"MAIL FROM:<{mail_from}>", "250"), (f"RCPT TO:<{recipient}>", "250"), ("DATA", "354")):
            said = self.say(command)
            assert said.startswith(code), said

    def close(self, *, reset: bool = False) -> None:
        """Close; with `reset` at once and without goodbye (RST)."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.close()
