"""The sender's own words: text without quoted lines, quotation headings and signatures, in Japanese and English styles.

Whatever is unsure stays: an abusive line must not escape a rule by looking like a signature.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.mime import limits

SIGNATURE_LINES: Final = 15  # a longer "signature" is text
_LINE: Final = 2_000  # characters of a line that are looked at

_QUOTED: Final = re.compile(r"^[ \t\u3000]{0,3}(?:[>＞》]|[A-Za-z]{1,4}>)")
# What follows is an older message, whole and often unmarked.
_OLDER: Final = re.compile(
    r"^[\s>]*(?:"
    r"[-_=*━─－ー]{2,}\s*(?:original message|original mail|forwarded (?:message|by)|reply message"
    r"|ursprüngliche nachricht|message d'origine|mensaje original|元のメッセージ|元のメール|元メール"
    r"|オリジナルメッセージ"
    r"|転送メッセージ|転送されたメッセージ|返信元メッセージ|返信メッセージ|受信メール)"
    r"|begin forwarded message:|転送されたメッセージ\s*[:：]?\s*$"
    r")",
    re.IGNORECASE,
)
_RULE: Final = re.compile(r"^[\s>]*[_\-━─=]{8,}\s*$")
_FROM: Final = re.compile(r"^[\s>*]*(?:from|von|de|差出人|送信者|発信者)\s*+\*?\s*+[:：]\s*\S", re.IGNORECASE)
_FIELD: Final = re.compile(
    r"^[\s>*]*(?:from|sent|date|to|cc|bcc|subject|reply-to|von|gesendet|an|betreff|差出人|送信者|発信者"
    r"|送信日時|送信日|日付|日時"
    r"|宛先|宛て先|件名|題名|CC)\s*+\*?\s*+[:：]",
    re.IGNORECASE,
)
_DATE: Final = (
    r"(?:\d{4}[年/.\-]\s?\d{1,2}[月/.\-]\s?\d{1,2}日?|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
    r"|\d{1,2}\s(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\.?,?\s\d{4}"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\.?\s\d{1,2},?\s\d{4})"
)
# A heading with a date and a name needs no marks below it; one without a date does.
_HEADING: Final = re.compile(
    rf"^[\s>]*(?:on\b.{{0,200}}{_DATE}.{{0,300}}\bwrote\s*[:：]"
    rf"|.{{0,60}}{_DATE}.{{0,300}}(?:[<＜(（][^<>＜＞\s]{{1,200}}@[^<>＜＞\s]{{1,200}}[>＞)）].{{0,60}}[:：]|のメール\s*[:：]"
    r"|さん(?:は|が)?書きました\s*[:：。]|wrote\s*[:：]|写道\s*[:：]))\s*$",
    re.IGNORECASE,
)
_WEAK_HEADING: Final = re.compile(
    r"^[\s>]*.{1,300}(?:\bwrote|\bwrites|さん(?:は|が)?書きました|さんのメール|は書きました|のメッセージ"
    r"|schrieb.{0,200}|a écrit)"
    r"\s*[:：。]\s*$",
    re.IGNORECASE,
)
# What a line that may be a heading ends or begins with; `_may_head` tells most lines from every heading by these.
_SAID: Final = ("書きました。", "メール。", "メッセージ。", "wrote。", "writes。", "écrit。")
_DRAWN: Final = frozenset("-_=*━─－ー転")
_BEGINS: Final = re.compile(r"(?:from|von|de|差出人|送信者|発信者|on)\b", re.IGNORECASE)
_INITIALS: Final = frozenset("fvdoFVDO差送発")  # of `_BEGINS`
_STARTS: Final = frozenset(" \t\u3000>*") | _INITIALS | _DRAWN  # of a line that may head
_DATED: Final = re.compile(r"\d[年/.-]")
_DATED_ASCII: Final = re.compile(r"[0-9][/.-]")
_SENT: Final = ("送信", "sent", "envoy", "gesendet", "outlook", "アウトルック")
_SENT_FROM: Final = re.compile(
    r"^\s*(?:(?:sent|envoyé|gesendet) (?:from|via|using|by|depuis|mit|von) .{1,80}|get outlook for .{1,40}"
    r"|.{1,40}(?:から|で)送信(?:しました|されました)?[。.]?|.{0,20}メールアプリ(?:から|で)送信.{0,10}"
    r"|(?:Outlook|アウトルック) for .{1,30}(?:を|に).{1,20}|スマートフォンから送信.{0,10})\s*$",
    re.IGNORECASE,
)
_DELIMITER: Final = re.compile(r"^(?:-- ?|— ?|＿＿＿＿*)$")
_CONTACT: Final = re.compile(
    r"[\w.+-]@[\w-]+\.\w|https?://|www\.|〒|\b0\d{1,4}[-(]\d{1,4}[-)]\d{3,4}\b|\btel\b|\bfax\b|\bphone\b"
    r"|電話|住所|携帯",
    re.IGNORECASE,
)


def written(text: str) -> str:
    """`text` without what somebody else wrote and without the signature; linear time, never raises."""
    text = text[: limits.TEXT_BYTES]
    lines = text.split("\n")
    kept = _without_quotes(lines, marked=">" in text or "＞" in text or "》" in text)
    lower = text.lower()
    kept = _without_signature(kept, sent=any(word in lower for word in _SENT))
    return "\n".join(kept).strip()


def _without_quotes(lines: list[str], *, marked: bool) -> list[str]:
    """`marked`: a mark of quoted lines stands somewhere in the text."""
    if not marked and not _may_hold_heading(lines):
        return lines
    quoted = [_QUOTED.match(line) is not None for line in lines] if marked else [False] * len(lines)
    last_quoted = max((i for i, is_quoted in enumerate(quoted) if is_quoted), default=-1)
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at][:_LINE]
        if quoted[at]:
            at += 1
            continue
        if not _may_head(line):
            kept.append(lines[at])
            at += 1
            continue
        length = _heading(lines, at)
        if length:
            # marked lines below: only they are quoted, so an answer beneath or between them stays
            if last_quoted < at:
                break
            at += length
            while at < len(lines) and (_FIELD.match(lines[at][:_LINE]) or _RULE.match(lines[at][:_LINE])):
                at += 1
            continue
        weak = _weak_heading(lines, at) if at < last_quoted else 0
        if weak:
            at += weak
            continue
        kept.append(lines[at])
        at += 1
    return kept


def _may_hold_heading(lines: list[str]) -> bool:
    """Whether `_may_head` could say yes to one of the lines; much cheaper than to ask of each."""
    text = "\n".join(lines)
    if ":" in text or "：" in text or any(said in text for said in _SAID):
        return True
    starts = {line[:1] for line in lines}
    return not starts.isdisjoint(_STARTS) or (_DATED_ASCII if text.isascii() else _DATED).search(text) is not None


def _may_head(line: str) -> bool:
    """Whether a line could announce an older message; cheap, and yes where unsure."""
    bare = line.strip(" \t\u3000>*")
    if not bare:
        return False
    if bare[-1] in ":：" or (bare[-1] == "。" and bare.endswith(_SAID)) or bare[0] in _DRAWN:
        return True
    if bare[0] in _INITIALS and _BEGINS.match(bare):
        return True
    return (_DATED_ASCII if bare.isascii() else _DATED).search(bare, 0, 62) is not None


def _heading(lines: list[str], at: int) -> int:
    """How many lines from `at` announce an older message that may follow without marks; 0 for none."""
    line = lines[at][:_LINE]
    if not line.strip():
        return 0
    if _OLDER.match(line) or _HEADING.match(line):
        return 1
    if _RULE.match(line) and at + 1 < len(lines) and _block(lines, at + 1):
        return 1
    if _FROM.match(line) and _block(lines, at):
        return 1
    # mailers fold a long heading
    if len(line) > 20 and at + 1 < len(lines) and not _QUOTED.match(lines[at + 1]):
        folded = f"{line.strip()} {lines[at + 1][:_LINE].strip()}"
        if re.search(r"[:：]\s*$", folded) and _HEADING.match(folded):
            return 2
    return 0


def _block(lines: list[str], at: int) -> bool:
    """Whether the fields of an older message stand from `at` on: a sender and two others."""
    while at < len(lines) and not lines[at].strip():
        at += 1
    if at >= len(lines) or not _FROM.match(lines[at][:_LINE]):
        return False
    window = [line[:_LINE] for line in lines[at : at + 8]]
    return sum(1 for line in window if _FIELD.match(line)) >= 3


def _weak_heading(lines: list[str], at: int) -> int:
    """How many lines from `at` are a heading of marked lines right below; 0 for none."""
    for length in (1, 2):
        below = at + length
        while below < len(lines) and below < at + length + 2 and not lines[below].strip():
            below += 1
        if below >= len(lines) or not _QUOTED.match(lines[below]):
            continue
        joined = " ".join(line[:_LINE].strip() for line in lines[at : at + length])
        if len(joined) < _LINE and _WEAK_HEADING.match(joined):
            return length
    return 0


def _without_signature(lines: list[str], *, sent: bool) -> list[str]:
    """`sent`: the text says somewhere that it was sent from a device or a program."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    lines = lines[:end]
    if sent:
        lines = [line for line in lines if len(line) > 120 or not _SENT_FROM.match(line)]
    for at in range(max(0, len(lines) - SIGNATURE_LINES - 1), len(lines)):
        if _DELIMITER.match(lines[at]):
            return lines[:at]
    return _without_decorated(lines)


def _without_decorated(lines: list[str]) -> list[str]:
    """Cuts a closing block between drawn lines, or under one, that holds contact data."""
    tail = max(0, len(lines) - SIGNATURE_LINES - 1)
    drawn = [i for i in range(tail, len(lines)) if _decoration(lines[i])]
    if not drawn:
        return lines
    block = lines[drawn[0] + 1 :]
    if any(_CONTACT.search(line[:_LINE]) for line in block) and len(block) <= SIGNATURE_LINES:
        return lines[: drawn[0]]
    return lines


def _decoration(line: str) -> bool:
    bare = line.strip()
    return (
        8 <= len(bare) <= 200 and not bare[0].isalnum() and len(set(bare)) <= 6 and not any(c.isalnum() for c in bare)
    )
