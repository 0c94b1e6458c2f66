"""Reading the content of a message after 354: its true end, dot-unstuffing, and what may not be in it."""

from __future__ import annotations

from gateway.intake.smtp.limits import Memory
from gateway.model import smtp_reply as table
from gateway.model.smtp_reply import SmtpReply

END = b"\r\n.\r\n"
HOPELESS = 3  # a message this many times over the size limit ends the connection instead of being read to its end


class DataReader:
    """Takes the bytes after 354 as they come, a chunk in constant time for its length.

    Only CR LF . CR LF ends the data (RFC 5321 §4.1.1.4); a message with a bare CR, a bare LF or a NUL anywhere is read
    to that true end and then refused, so that no other hop can see another end in it. The bytes kept count against
    `memory` until `release`. After a fault nothing more is kept.
    """

    def __init__(self, max_size: int, max_line: int, memory: Memory) -> None:
        self.max_size = max_size
        self.max_line = max_line
        self.memory = memory
        self.fault: SmtpReply | None = None
        self.size = 0  # bytes of content after dot-unstuffing
        self._held = b"\r\n"  # two bytes already taken, as context, and up to four that may belong to the end
        self._body = bytearray()
        self._message: bytes | None = None
        self._taken = 0
        self._cr = self._lf = self._crlf = 0
        self._line = 0

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next bytes; once the end of data is in them, give those that follow it."""
        data = self._held + chunk
        end = data.find(END)
        if end >= 0:
            self._take(data[: end + 2], last=True)
            return data[end + 5 :]
        if len(data) > 6:
            self._take(data[:-4], last=False)
            self._held = data[-6:]
        else:
            self._held = data
        return None

    @property
    def hopeless(self) -> bool:
        """Whether the message is so far over the limit that its end is not worth waiting for."""
        return self.size > HOPELESS * self.max_size

    @property
    def message(self) -> bytes:
        """The whole content, CR LF lines, dots unstuffed; only where there is no fault."""
        if self._message is None:
            self._message = bytes(self._body)
            self._body = bytearray()
        return self._message

    def release(self) -> None:
        """Give the memory back."""
        self.memory.give(self._taken)
        self._taken = 0
        self._body = bytearray()
        self._message = None

    def _take(self, data: bytes, *, last: bool) -> None:
        # The first two bytes of `data` were taken before: they let a line end that lies across chunks be seen.
        self._cr += data.count(b"\r", 2)
        self._lf += data.count(b"\n", 2)
        self._crlf += data.count(END[:2], 1)
        if self.fault is None and data.find(b"\0", 2) >= 0:
            self._fail(table.NUL)
        content = data.replace(b"\r\n.", b"\r\n")[2:]
        self.size += len(content)
        if self.fault is None:
            self._keep(data, content, last=last)
        # Each CR and each LF must be half of a CR LF. A CR at the very end may still find its LF.
        if last and self.fault in (None, table.NUL) and not self._cr == self._lf == self._crlf:
            self._fail(table.BARE_CR_LF)

    def _keep(self, data: bytes, content: bytes, *, last: bool) -> None:
        if self.size > self.max_size:
            return self._fail(table.TOO_BIG)
        if self.size > self.max_line and self._too_long(data):
            return self._fail(table.LINE_TOO_LONG)
        if self.size <= self.max_line:
            found = data.rfind(b"\r\n", 1)
            self._line = _run(data[found + 2 :]) if found >= 0 else self._line + _run(data[2:])
        if not self.memory.take(len(content)):
            return self._fail(table.MEMORY_FULL)
        self._taken += len(content)
        if last and not self._body:
            self._message = content
        else:
            self._body += content
        return None

    def _too_long(self, data: bytes) -> bool:
        lines = data[1:].split(b"\r\n")
        lines[0] = lines[0][1:]  # the second of the two bytes of context
        first = self._line + _run(lines[0])
        self._line = first if len(lines) == 1 else _run(lines[-1])
        return max(first, self._line) > self.max_line or any(len(line) > self.max_line for line in lines[1:-1])

    def _fail(self, fault: SmtpReply) -> None:
        self.fault = fault
        self._body = bytearray()
        self._message = None
        self.memory.give(self._taken)
        self._taken = 0


def _run(text: bytes) -> int:
    """The length of an unfinished line; a CR at its end waits for its LF."""
    return len(text) - text.endswith(b"\r")
