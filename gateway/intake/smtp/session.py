"""The SMTP conversation (RFC 5321): what each command does and is answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.intake.smtp.connection import Connection
from gateway.intake.smtp.context import Context
from gateway.intake.smtp.hops import loops
from gateway.intake.smtp.path import Unusable, mail_parameters, parse_path
from gateway.intake.smtp.phase import Phase
from gateway.intake.smtp.wire import HangUp, PeerGone
from gateway.model import smtp_reply as table
from gateway.model.envelope import Envelope
from gateway.model.exchange import Exchange
from gateway.model.smtp_reply import SmtpReply

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_FOREIGN = frozenset({"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "PATCH", "BDAT"})


class Session(Connection):
    """The commands of one session. aiosmtpd's names are kept: `smtp_VERB` answers VERB."""

    def __init__(self, context: Context, implicit_tls: bool) -> None:
        super().__init__(context, implicit_tls)
        self.greeted = False
        self._sender: str | None = None
        self._smtputf8 = False
        self._recipients: list[str] = []
        self._commands = 0  # since the start or the last accepted message
        self._errors = 0
        self._messages = 0

    async def _handle_client(self) -> None:
        """Take one command after the other until QUIT, a limit, or the end of the connection."""
        limits = self.policy.limits
        while True:
            line = await self._read_line()
            self._commands += 1
            if self._commands > limits.commands:
                raise HangUp(table.TOO_MANY_COMMANDS)
            reply = await self._obey(line) if line is not None else table.COMMAND_TOO_LONG
            if reply is not None:
                self._answer(reply)

    async def _obey(self, line: bytes) -> SmtpReply | None:
        """Do what a command line says; None where it has been answered already."""
        verb, _, rest = line.partition(b" ")
        name = verb.decode("ascii", "replace").upper()
        if name == "MAIL":
            self.dialogue.begin()
        self.dialogue.client(line)
        if b"\0" in line:  # no mail client: TLS on a plain port, or a binary PROXY header
            raise HangUp(table.NOT_SMTP)
        if b"\r" in line:
            return table.BAD_LINE
        command = _COMMANDS.get(name)
        if command is None:
            return self._unknown(name)
        return await command(self, rest.decode("utf-8", "surrogateescape").strip(" \t"))

    def _answer(self, reply: SmtpReply) -> None:
        if reply.code >= 500:
            self._errors += 1
            if self._errors >= self.policy.limits.errors:
                self._reply(reply.wire)
                raise HangUp(table.TOO_MANY_ERRORS)
        self._reply(reply.wire)

    def _unknown(self, name: str) -> SmtpReply:
        if name in _FOREIGN:  # what follows is data that must never be taken for commands
            raise HangUp(table.NOT_IMPLEMENTED if name == "BDAT" else table.NOT_SMTP)
        if name == "PROXY":
            raise HangUp(table.NO_PROXY)
        return table.UNKNOWN_COMMAND

    def _reset(self) -> None:
        self._sender = None
        self._smtputf8 = False
        self._recipients = []

    async def smtp_EHLO(self, argument: str) -> SmtpReply | None:
        """EHLO (§4.1.1.1)."""
        return self._greet(argument, extended=True)

    async def smtp_HELO(self, argument: str) -> SmtpReply | None:
        """HELO (§4.1.1.1)."""
        return self._greet(argument, extended=False)

    def _greet(self, argument: str, *, extended: bool) -> SmtpReply | None:
        if not argument:
            return table.HELO_SYNTAX
        self._reset()
        self.greeted = True
        name = _UNPRINTABLE.sub("?", argument.encode("ascii", "backslashreplace").decode("ascii"))[:255]
        self.peer = replace(self.peer, helo=name, extended=extended, tls=self.tls)
        offer_tls = self.tls is None and self.context.certificates is not None
        if extended:
            self._reply(self.policy.ehlo_starttls if offer_tls else self.policy.ehlo)
        else:
            self._reply(self.policy.helo)
        return None

    async def smtp_STARTTLS(self, argument: str) -> SmtpReply | None:
        """STARTTLS (RFC 3207): afterwards the session begins anew."""
        if argument:
            return table.NO_ARGUMENT
        if self.tls is not None:
            return table.NO_TLS_NOW
        if self.context.certificates is None:
            return table.NOT_IMPLEMENTED
        self._reply(table.START_TLS.wire)
        await self._start_tls()
        self._reset()
        self.greeted = False
        return None

    async def smtp_MAIL(self, argument: str) -> SmtpReply:
        """MAIL (§4.1.1.2)."""
        if not self.greeted:
            return table.HELO_FIRST
        if self._sender is not None:
            return table.NESTED_MAIL
        limits = self.policy.limits
        if self._messages >= limits.messages:
            raise HangUp(table.TOO_MANY_MESSAGES)
        try:
            path = parse_path(argument, "FROM:", table.MAIL_SYNTAX, table.BAD_SENDER)
            parameters = mail_parameters(path.parameters)
        except Unusable as unusable:
            return unusable.reply
        if not path.address.isascii() and not parameters.smtputf8:
            return table.NOT_ASCII
        if parameters.size > limits.max_size:
            return table.TOO_BIG
        if self.context.memory.used + parameters.size > self.context.memory.limit:
            return table.MEMORY_FULL
        refusal = self.context.ready_to_accept()
        if refusal is not None:
            return refusal
        self._sender = path.address
        self._smtputf8 = parameters.smtputf8
        return table.SENDER_OK

    async def smtp_RCPT(self, argument: str) -> SmtpReply:
        """RCPT (§4.1.1.3): the shop's own addresses only."""
        if self._sender is None:
            return table.MAIL_FIRST if self.greeted else table.HELO_FIRST
        try:
            path = parse_path(argument, "TO:", table.RCPT_SYNTAX, table.BAD_RECIPIENT)
        except Unusable as unusable:
            return unusable.reply
        if path.parameters:
            return table.UNSUPPORTED_PARAMETER
        if not path.address:
            return table.BAD_RECIPIENT
        if not path.address.isascii() and not self._smtputf8:
            return table.NOT_ASCII
        address = self.policy.recipients.complete(path.address)
        if address not in self.policy.recipients:
            self.context.numbers.recipients_refused += 1
            return table.NOT_HERE
        if address not in self._recipients:
            if len(self._recipients) >= self.policy.limits.recipients:
                return table.TOO_MANY_RECIPIENTS
            self._recipients.append(address)
        return table.RECIPIENT_OK

    async def smtp_DATA(self, argument: str) -> SmtpReply | None:
        """DATA (§4.1.1.4)."""
        refusal = self._before_data(argument)
        if refusal is not None:
            # The peer was to wait for our answer. What it sent instead may be a message, never commands.
            if self._inbox:
                self._reply(refusal.wire)
                raise HangUp(table.UNEXPECTED_INPUT)
            return refusal
        self._reply(table.GO_AHEAD.wire)
        self._flush()
        content = await self._read_data()
        try:
            reply = content.fault or await self._hand_over(content.message)
        finally:
            content.release()
            self.phase = Phase.COMMAND
        numbers = self.context.numbers
        if reply.positive:
            numbers.messages += 1
            numbers.bytes += content.size
            self._messages += 1
            self._commands = self._errors = 0
        else:
            numbers.messages_refused += 1
        self._reset()
        if content.fault is not None:
            return reply
        self._reply(reply.wire)  # a verdict on the message is not the peer's error
        return None

    def _before_data(self, argument: str) -> SmtpReply | None:
        if self._sender is None:
            return table.MAIL_FIRST if self.greeted else table.HELO_FIRST
        if not self._recipients:
            return table.RCPT_FIRST
        if argument:
            return table.NO_ARGUMENT
        if self.context.memory.used >= self.context.memory.limit:
            return table.MEMORY_FULL
        return None

    async def _hand_over(self, raw: bytes) -> SmtpReply:
        """Give the message on and wait for its reply, whatever the peer does meanwhile."""
        if loops(raw, self.policy.limits.received_hops):
            return table.LOOP
        assert self._sender is not None
        envelope = Envelope(
            self._sender, tuple(self._recipients), self.peer, self._smtputf8, dialogue=self.dialogue.lines()
        )
        exchange = Exchange(raw, envelope)
        self.phase = Phase.COMMIT
        self._expect(None)
        try:
            reply = await self.context.receive(exchange)
        except Exception as error:
            reply = self._failed(exchange, error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            reply = self._failed(exchange, error)  # something below was cancelled, not this session
        if self._eof:
            self.context.numbers.left_before_reply += 1
            self.context.log.warning(
                "client left before the reply", id=exchange.id, peer=self.peer.ip, reply=str(reply)
            )
        return reply

    def _failed(self, exchange: Exchange, error: BaseException) -> SmtpReply:
        self.context.numbers.failures += 1
        self.context.log.error("message not taken", id=exchange.id, error=type(error).__name__, exc_info=True)
        return table.FAILED

    async def smtp_RSET(self, argument: str) -> SmtpReply:
        """RSET (§4.1.1.5)."""
        if argument:
            return table.NO_ARGUMENT
        self._reset()
        return table.OK

    async def smtp_NOOP(self, argument: str) -> SmtpReply:
        """NOOP (§4.1.1.9)."""
        return table.OK

    async def smtp_VRFY(self, argument: str) -> SmtpReply:
        """VRFY (§3.5.3): neither yes nor no."""
        return table.VERIFY if argument else table.VRFY_SYNTAX

    async def smtp_HELP(self, argument: str) -> SmtpReply:
        """HELP (§4.1.1.8)."""
        return table.HELP

    async def smtp_EXPN(self, argument: str) -> SmtpReply:
        """EXPN (§4.1.1.7), and AUTH (RFC 4954): never offered, never done."""
        return table.NOT_IMPLEMENTED

    async def smtp_QUIT(self, argument: str) -> SmtpReply | None:
        """QUIT (§4.1.1.10)."""
        if argument:
            return table.NO_ARGUMENT
        self._reply(table.CLOSING.wire)
        raise PeerGone  # nothing more is to come: no need to linger


_Command = Callable[[Session, str], Awaitable[SmtpReply | None]]
_COMMANDS: dict[str, _Command] = {
    "EHLO": Session.smtp_EHLO,
    "HELO": Session.smtp_HELO,
    "STARTTLS": Session.smtp_STARTTLS,
    "MAIL": Session.smtp_MAIL,
    "RCPT": Session.smtp_RCPT,
    "DATA": Session.smtp_DATA,
    "RSET": Session.smtp_RSET,
    "NOOP": Session.smtp_NOOP,
    "VRFY": Session.smtp_VRFY,
    "HELP": Session.smtp_HELP,
    "EXPN": Session.smtp_EXPN,
    "AUTH": Session.smtp_EXPN,
    "QUIT": Session.smtp_QUIT,
}
