"""One SMTP or LMTP session: greeting, TLS, authentication, and transactions with an answer for each recipient.

RFC 5321, RFC 2033 (LMTP), RFC 2920 (pipelining), RFC 3207 (STARTTLS), RFC 4954 (AUTH PLAIN and LOGIN).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.clients.paths import Unspeakable, smtp_path
from gateway.clients.tls import client_context, must_encrypt
from gateway.clients.transport import RecipientResult, Status, safe, same_for_all, status_of
from gateway.clients.wire import Lost, Reply, Wire
from gateway.model.settings import Target

CHUNK = 256 * 1024
LF = 0x0A
CONNECT = 30.0  # seconds for TCP and TLS, far below what RFC 5321 grants a reply


class Unavailable(Exception):
    """The server cannot be used now: not reached, refused us, or TLS or the password did not do."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Transaction:
    """The outcome of one transaction. `started`: the server said something about this message."""

    results: tuple[RecipientResult, ...]
    uncertain: bool = False
    started: bool = True


class Session:
    """A connection in the state between two transactions."""

    def __init__(self, target: Target, hostname: str, timeout: float) -> None:
        self._target = target
        self._hostname = hostname
        self._timeout = timeout
        self._final = 2 * timeout  # RFC 5321 §4.5.3.2.6 grants the final dot twice as long as the rest
        self._lmtp = target.scheme == "lmtp"
        self._wire = Wire()
        self._extensions: dict[str, str] = {}
        self.opened = time.monotonic()
        self.used = self.opened
        self.uses = 0
        self.host = ""

    @property
    def alive(self) -> bool:
        """Whether the connection can still be used, as far as we know."""
        return not self._wire.lost

    async def open(self) -> None:
        """Connect, greet, encrypt and authenticate; raises `Unavailable`."""
        try:
            await self._open()
        except Lost as lost:
            raise Unavailable(0, str(lost)) from lost
        except (OSError, ValueError) as error:  # TimeoutError is an OSError; ValueError: a name that is none
            self.abort()
            raise Unavailable(0, str(error) or "no connection within the time") from error
        except BaseException:
            self.abort()
            raise

    async def _open(self) -> None:
        target, loop = self._target, asyncio.get_running_loop()
        limit = min(CONNECT, self._timeout)
        async with asyncio.timeout(limit):
            if target.path is not None:
                await loop.create_unix_connection(lambda: self._wire, str(target.path))
            elif target.scheme == "smtps":
                context = client_context(target)
                await loop.create_connection(lambda: self._wire, target.host, target.port, ssl=context)
            else:
                await loop.create_connection(lambda: self._wire, target.host, target.port)
        self.host = f"{target.host}[{self._wire.peer}]:{target.port}" if target.path is None else str(target.path)
        greeting = await self._wire.reply(self._timeout)
        if greeting.code != 220:
            raise self._refused(greeting)
        await self._hello()
        if target.scheme != "smtps" and target.path is None and target.starttls != "never":
            await self._encrypt(limit)
        if target.user:
            await self._authenticate()

    async def _encrypt(self, limit: float) -> None:
        if "STARTTLS" in self._extensions:
            go_ahead = await self._ask("STARTTLS")
            if go_ahead.code != 220:
                raise self._refused(go_ahead)
            await self._wire.start_tls(client_context(self._target), self._target.host, limit)
            await self._hello()
        elif must_encrypt(self._target):
            self.abort()
            raise Unavailable(0, "the server offers no STARTTLS, and nothing may be sent in the clear")

    async def _hello(self) -> None:
        reply = await self._ask(f"{'LHLO' if self._lmtp else 'EHLO'} {self._hostname}")
        if not reply.ok and not self._lmtp and 500 <= reply.code < 600:
            reply = await self._ask(f"HELO {self._hostname}")
        if not reply.ok:
            raise self._refused(reply)
        words = (safe(line).upper().replace("=", " ", 1).partition(" ") for line in reply.text.split("\n")[1:])
        self._extensions = {name: arguments for name, _, arguments in words}

    async def _authenticate(self) -> None:
        user, password = self._target.user, self._target.password
        offered = self._extensions.get("AUTH", "").split()
        if "PLAIN" in offered or not offered:
            reply = await self._ask(f"AUTH PLAIN {_base64(chr(0) + user + chr(0) + password)}")
        elif "LOGIN" in offered:
            reply = await self._ask("AUTH LOGIN")
            for secret in (user, password):
                if reply.code == 334:
                    reply = await self._ask(_base64(secret))
        else:
            reply = Reply(504, f"no common way to authenticate: {' '.join(offered)}")
        if reply.code != 235:
            raise self._refused(reply)

    async def transact(self, mail_from: str, recipients: Sequence[str], raw: bytes) -> Transaction:
        """Hand over one message; never raises but on cancellation, after which the session is closed."""
        self.uses += 1
        state = _State(tuple(recipients))
        try:
            await self._transact(state, mail_from, raw)
        except Unspeakable as error:
            state.started = True
            state.rest(Status.FAILED, 553, f"5.1.3 {error}")
        except Lost as lost:
            state.rest(Status.DEFERRED, 0, str(lost))
            return Transaction(state.ordered(), uncertain=state.dot_sent, started=state.started)
        except BaseException:
            self.abort()
            raise
        self.used = time.monotonic()
        return Transaction(state.ordered(), started=state.started)

    async def _transact(self, state: _State, mail_from: str, raw: bytes) -> None:
        mail = self._mail_command(mail_from, state.recipients, raw)
        commands = [mail]
        for recipient in state.recipients:
            try:
                commands.append(f"RCPT TO:<{self._path(recipient)}>")
            except Unspeakable as error:
                state.set(recipient, Status.FAILED, 553, f"5.1.3 {error}")
        asked = state.open
        if not asked:
            state.started = True
            return None
        if self._wire.pending:
            raise Lost("a reply that nobody asked for")
        piped = "PIPELINING" in self._extensions
        if piped:
            self._wire.write("\r\n".join([*commands, "DATA", ""]).encode())
        answer = await (self._wire.reply(self._timeout) if piped else self._ask(mail))
        state.started = answer.code != 421  # 421: the server closes a connection that it held idle
        mail_ok = answer.ok
        if not mail_ok:
            state.rest(status_of(answer.code), answer.code, answer.text)
            if not piped:
                return await self._reset(answer)
        for recipient, command in zip(asked, commands[1:], strict=True):
            reply = await (self._wire.reply(self._timeout) if piped else self._ask(command))
            if mail_ok and not reply.ok:
                state.set(recipient, status_of(reply.code), reply.code, reply.text)
        accepted = state.open
        if not piped and not accepted:
            return await self._reset(answer)
        go_ahead = await (self._wire.reply(self._timeout) if piped else self._ask("DATA"))
        if go_ahead.code != 354:
            state.rest(status_of(go_ahead.code), go_ahead.code, go_ahead.text)
            return await self._reset(go_ahead)
        if not accepted:  # RFC 2920 §3.1: the server waits for a message that has no recipient
            self._wire.write(b".\r\n")
            if not self._lmtp:  # RFC 2033 §4.2: a reply for each accepted recipient, so none here
                await self._wire.reply(self._timeout)
            return await self._reset(answer)
        await self._data(raw, state)
        for recipient in accepted:
            reply = await self._wire.reply(self._final)
            if not self._lmtp:
                state.rest(status_of(reply.code), reply.code, reply.text)
                break
            state.set(recipient, status_of(reply.code), reply.code, reply.text)
        return None

    async def _data(self, raw: bytes, state: _State) -> None:
        """The message with its dots doubled (RFC 5321 §4.5.2), in pieces so that a large one does not hold the loop."""
        for start in range(0, len(raw) or 1, CHUNK):
            piece = raw[start : start + CHUNK]
            stuffed = piece.replace(b"\n.", b"\n..")
            if piece.startswith(b".") and (start == 0 or raw[start - 1] == LF):
                stuffed = b"." + stuffed
            if start + CHUNK >= len(raw):
                stuffed += b".\r\n" if raw.endswith(b"\r\n") else b"\r\n.\r\n"
                state.dot_sent = True
                self._wire.write(stuffed)
            else:
                self._wire.write(stuffed)
                await self._wire.drain(self._timeout)

    async def _reset(self, answer: Reply) -> None:
        if answer.code == 421:
            self.abort()
        else:
            await self._ask("RSET")

    async def check(self) -> bool:
        """Whether the server is still there (NOOP)."""
        try:
            return (await self._ask("NOOP")).ok
        except Lost:
            return False

    async def quit(self) -> None:
        """Say QUIT, wait at most two seconds for the answer, close."""
        try:
            async with asyncio.timeout(2):
                await self._ask("QUIT")
        except (Lost, TimeoutError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        self._wire.abort()

    async def _ask(self, command: str) -> Reply:
        self._wire.write(command.encode() + b"\r\n")
        return await self._wire.reply(self._timeout)

    def _refused(self, reply: Reply) -> Unavailable:
        self.abort()
        return Unavailable(reply.code, safe(reply.text))

    def _mail_command(self, mail_from: str, recipients: Sequence[str], raw: bytes) -> str:
        path = self._path(mail_from) if mail_from else ""
        command = f"MAIL FROM:<{path}>"
        if "SIZE" in self._extensions:
            command += f" SIZE={len(raw)}"
        if "8BITMIME" in self._extensions and not raw.isascii():
            command += " BODY=8BITMIME"
        if "SMTPUTF8" in self._extensions and not (path.isascii() and all(r.isascii() for r in recipients)):
            command += " SMTPUTF8"
        return command

    def _path(self, address: str) -> str:
        return smtp_path(address, utf8="SMTPUTF8" in self._extensions)


class _State:
    """Who has got an answer in the transaction that is under way."""

    def __init__(self, recipients: tuple[str, ...]) -> None:
        self.recipients = recipients
        self.results: dict[str, RecipientResult] = {}
        self.started = False
        self.dot_sent = False

    @property
    def open(self) -> list[str]:
        """The recipients without an answer yet, each once."""
        return [r for r in dict.fromkeys(self.recipients) if r not in self.results]

    def set(self, recipient: str, status: Status, code: int, text: str) -> None:
        self.results[recipient] = RecipientResult(recipient, status, code, safe(text))

    def rest(self, status: Status, code: int, text: str) -> None:
        for result in same_for_all(self.open, status, code, text):
            self.results[result.recipient] = result

    def ordered(self) -> tuple[RecipientResult, ...]:
        return tuple(self.results[r] for r in dict.fromkeys(self.recipients))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
