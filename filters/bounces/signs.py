"""Signs of a non-delivery report that the header section alone shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from filters.bounces.patterns import pattern
from gateway.mime.message import Message

_DAEMON: Final = re.compile(
    rb"\bmailer[-_.]?daemon\b|\bpo+st_?master\b|mail[-_. ]deliver(?:y|er)?[-_. ](?:sub)?s(?:ystem|ervice)"
    rb"|delivery subsystem|\bmail (?:administrator|system)\b|internet mail delivery|system administrator"
    rb"|ndr administrator|content[- ]filter at|\binterscan\b|e-mail interconnect|delivery status notification",
    re.IGNORECASE,
)
_RETURNED_BY: Final = re.compile(rb"mailer[-_.]?daemon|postmaster@", re.IGNORECASE)
# A subject alone says little: to a shop, people write about deliveries that fail and goods that come back.
_SUBJECT: Final = pattern(
    r"(?:mail|message|e-?mail)?[- ]*(?:delivery|transport|system|processing|sending)?[- ]*"
    r"(?:failure|error|problem)s?\b",
    r"failed (?:mail|delivery|to deliver|message)|delivery (?:has )?(?:failed|failure|error|problem|attempt)",
    r"(?:mail|message|e-?mail|your (?:mail|message|e-?mail)|delivery)\b.{0,40}\b"
    r"(?:fail|(?:could|can|was|is) ?n[o']t|not deliver|undeliver|bounced|returned|delayed|rejected|refused|not sent)",
    r"(?:mail )?(?:delivery|non-?delivery|delivery status|status)[- ](?:notification|notice|report|status)",
    r"undeliver(?:ed|able)|nondeliverable|un(?:able|successful)\b.{0,30}deliver|not delivered",
    r"return(?:ed|ing) (?:mail|message|to sender|e-?mail)|mail returned|rejected (?:mail|posting|message)",
    r"postmaster notify|(?:mail )?(?:could not|cannot|can't|couldn't|not) (?:be )?(?:deliver|send|sent)",
    r"considered unsolicited|banned .{0,40}from you|virus .{0,40}(?:from you|in (?:mail|your))|bad-?header",
    r"user unknown|address (?:not found|unknown)|(?:permanent|temporary|transient) (?:failure|error|delivery)",
    r"mailbox (?:full|unavailable)|mail system error|mail delivery|out of mail",
    r"unzustellbar|nicht zustellbar|недоставлен|não entregue|no se pudo|non remis|退信",
    r".{0,30}(?:配信|送信|送達)(?:に失敗|でき(?:ません|なかった)|不能|エラー|失敗)",
    r".{0,20}(?:エラー|不達)(?:メール|通知)|.{0,10}メールエラー|.{0,20}メール.{0,10}届きません",
)
_PREFIX: Final = pattern(r"^[\s【\[　]*(?:\[?(?:warning|notice|error|notification|\*+spam\*+)\]?\s*[:：-]?\s*)?")
_NO_MEMBER: Final = pattern(r"^(?:you .{0,200}\bnot (?:a )?member|not member article|.{0,40}メンバーではありません)")
_ANSWERED: Final = pattern(r"^\s*(?:re|fw|fwd|aw|返信|転送|回复)\s*(?:\[\d+\])?\s*[:：>＞]")
_LENGTH: Final = 500  # of a value that is looked at


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a non-delivery report before its body is looked at."""

    report: bool  # multipart/report or a bare message/delivery-status
    daemon: bool  # the author is a mail system
    null: bool  # the null reverse-path
    subject: bool
    named: tuple[str, ...]  # addresses of X-Failed-Recipients
    notification: bool = False  # sent by Amazon's notification service

    @property
    def any(self) -> bool:
        """Whether there is anything to look into."""
        return self.report or self.daemon or self.null or self.subject or self.notification or bool(self.named)

    @property
    def system(self) -> bool:
        """Whether a mail system wrote it, going by the header section."""
        return self.report or self.daemon or bool(self.named)


def read_signs(message: Message, *, null: bool) -> Signs:
    """The signs in the headers; microseconds on ordinary mail."""
    headers = message.headers
    kinds = headers.raw("content-type")
    kind = kinds[0][:_LENGTH].lower() if kinds else b""
    report = (
        kind.startswith((b"multipart/report", b"message/delivery-status", b"message/global-delivery-status"))
        and not any(other in kind for other in (b"feedback-report", b"disposition-notification", b"tlsrpt"))
    ) or b"report-type=delivery-status" in kind
    authors = [value[:_LENGTH] for value in headers.raw("from") + headers.raw("sender")]
    daemon = any(_DAEMON.search(value) for value in authors) or any(value.endswith(b"<>") for value in authors)
    daemon = daemon or ("x-mlserver" in headers and bool(_NO_MEMBER.match(message.subject[:_LENGTH])))
    daemon = daemon or any(_RETURNED_BY.search(value[:_LENGTH]) for value in headers.raw("return-path"))
    named: tuple[str, ...] = ()
    if "x-failed-recipients" in headers:
        named = tuple(box.address for box in message.addresses("x-failed-recipients"))
    telling = _telling(message.subject[:_LENGTH])
    return Signs(report, daemon, null, telling, named, "x-amz-sns-message-id" in headers)


def _telling(subject: str) -> bool:
    if not subject or _ANSWERED.match(subject):
        return False
    if _SUBJECT.match(subject):
        return True
    rest = subject[_PREFIX.match(subject).end() :]
    return rest != subject and _SUBJECT.match(rest) is not None
