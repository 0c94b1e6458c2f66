"""An exhibit as data for the template: the mail as a reader saw it, then everything that is on record about it."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from gateway.casefile import body_text
from gateway.casefile.fixed_lines import fixed_lines, text_lines
from gateway.casefile.frame import Frame, Paper, kind_of
from gateway.casefile.gateway_facts import LONGEST_FIELD, gateway_facts
from gateway.casefile.glyphs import Shown
from gateway.casefile.letter import Attachment, Letter, find_attachments
from gateway.casefile.pictures import picture_suffix
from gateway.casefile.redaction import Redaction
from gateway.casefile.when import japanese
from gateway.errors import MimeLimit
from gateway.mime.message import Message
from gateway.mime.words import decode_value

MOST_THUMBNAILS: Final = 12
# What a redacted paper still shows of the header: fields whose text can be read, and so blacked out.
READABLE: Final = frozenset(
    (
        *("from", "to", "cc", "reply-to", "sender", "return-path", "subject", "date", "message-id", "in-reply-to"),
        *("references", "received", "content-type", "content-transfer-encoding", "mime-version", "user-agent"),
        *("authentication-results", "auto-submitted", "x-mailer"),
    )
)

_NOT_SHOWN: Final = "紙面に表示できない形式です。内容は、ファイル一式の attachments にある原本をご覧ください。"
_WITHHELD: Final = "墨消しの対象となるメールに添付されていたため、内容は省略しています。"
_CUT_SHORT: Final = "長い本文のため、末尾の約 {omitted:,} 文字を省いています。全文は原本（eml）にあります。"


class Pages:
    """Makes the papers of one message: its own, and one for each attachment."""

    def __init__(self, letter: Letter, frame: Frame) -> None:
        assert letter.raw is not None
        self.letter = letter
        self.frame = frame
        self.redaction = Redaction(frame.words)
        self.message = Message(letter.raw)
        self.attachments = find_attachments(self.message, letter.mark)
        self.mark = letter.mark.with_branch(1) if self.attachments else letter.mark
        self.touched = bool(self.redaction) and self._touched()

    def _touched(self) -> bool:
        """Whether anything that can be read of this message has to be blacked out."""
        letter = self.letter
        said = [letter.subject, letter.from_header, letter.mail_from, *letter.recipients, letter.message_id]
        if letter.record is not None:
            said += [str(value) for value in _leaves(letter.record)]
        if any(self.redaction.touches(text) for text in said) or self.redaction.within(letter.raw or b""):
            return True
        try:
            read = [self.message.body(), *(decode_value(value) for _, value in self.message.headers.fields)]
            read += [part.name for part in self.message.parts()]
            read += [part.text() for part in self.message.parts() if part.content_type.startswith("text/")]
            coded = [part.data() for part in self.message.parts() if part.encoding in ("base64", "quoted-printable")]
        except MimeLimit:
            return False  # its raw bytes were looked at
        return any(map(self.redaction.touches, read)) or any(map(self.redaction.within, coded))

    def main(self, *, with_pictures: bool = True, strict: bool = False) -> Paper:
        """The paper of the message itself; `strict` as in `Shown`."""
        letter, shown = self.letter, Shown(strict)
        paper = self._paper(kind_of(letter), self.redaction.text(letter.subject) or "（件名なし）", shown)
        data = paper.data
        data["fields"] = self._header_block(shown)
        data["notices"], data["body"] = self._body(shown)
        data["attachments"] = self._list(paper, shown, with_pictures=with_pictures)
        data["facts"] = gateway_facts(letter, self.frame, self.redaction, shown, touched=self.touched)
        data["headers_title"], data["headers"] = self._headers(shown)
        data["dialogue"] = fixed_lines((letter.record or {}).get("dialogue") or (), self.redaction, shown)
        data["remarks"] = _remarks(shown)
        if self.touched:
            data["notices"] = ["この書面は、■■■■ の部分を墨消しして作り直したものです。", *data["notices"]]
        return paper

    def attachment(self, one: Attachment, *, with_pictures: bool = True, strict: bool = False) -> Paper:
        """The paper of one attachment: its picture or its text where it has one, and what it is."""
        shown = Shown(strict)
        name = self.redaction.text(one.name) or "（名前なし）"
        paper = self._paper("電子メールの添付ファイル", name, shown, one)
        data = paper.data
        data["fields"] = [
            ["添付元", f"{self.mark.text}（{shown.text(self.redaction.text(self.letter.subject)) or '件名なし'}）"],
            ["種類", shown.breakable(one.content_type)],
            ["大きさ", f"{one.size:,} バイト"],
        ]
        if not self.touched:
            data["fields"].append(["SHA-256", one.sha256, "fixed"])
        suffix = picture_suffix(one.data) if with_pictures and not self.touched else None
        if suffix:
            data["picture"] = f"{one.mark.name}.{suffix}"
            data["alt"] = shown.text(name)
            paper.pictures[data["picture"]] = one.data
        elif one.text is not None and one.text.strip():
            lines, omitted = body_text.cut(one.text)
            data["body"] = body_text.groups(self.redaction.lines(lines), shown)
            data["notices"] = _cut_short(omitted)
        else:
            data["notices"] = [_WITHHELD if self.touched else _NOT_SHOWN]
        data["remarks"] = _remarks(shown)
        return paper

    def _paper(self, kind: str, heading: str, shown: Shown, one: Attachment | None = None) -> Paper:
        at = self.frame.made_at.astimezone(UTC)
        mark = one.mark if one else self.mark
        said = shown.breakable(heading[:LONGEST_FIELD])
        digest = one.sha256 if one else self.letter.sha256
        footer = f"記録番号 {self.letter.seq}" + ("" if self.touched else f"  SHA-256 {digest}")
        return Paper(
            {
                "title": f"{mark.text} {said}"[:300].replace("\u200b", ""),
                "author": Shown().text(self.frame.shop),
                "date": [at.year, at.month, at.day, at.hour, at.minute, at.second],
                "stamp": mark.text,
                "kind": kind,
                "heading": said,
                "running": said[:100].replace("\u200b", ""),
                "footer": footer,
                "fields": [],
                "notices": [],
                "body": [],
                "attachments": [],
                "facts": [],
                "headers_title": "",
                "headers": [],
                "dialogue": [],
                "remarks": [],
            }
        )

    def _header_block(self, shown: Shown) -> list[list[str]]:
        headers = self.message.headers
        rows: list[list[str]] = []
        for label, name in (
            ("差出人", "from"),
            ("返信先", "reply-to"),
            ("宛先", "to"),
            ("Cc", "cc"),
            ("送信日時", "date"),
            ("件名", "subject"),
        ):
            try:
                said = "、".join(headers.all(name)) if name != "date" else (headers.get(name) or "")
            except MimeLimit:
                said = ""
            if name == "from" and not said:
                said = self.letter.mail_from or "（なし）"
            if said:
                rows.append([label, shown.breakable(self.redaction.text(said[:LONGEST_FIELD]))])
            elif name == "subject":
                rows.append([label, "（件名なし）"])
        label = "受信日時" if self.letter.direction == "in" else "送信記録"
        rows.insert(-1, [label, japanese(self.letter.received_at, self.frame.zone)])
        return rows

    def _body(self, shown: Shown) -> tuple[list[str], list[dict[str, Any]]]:
        try:
            text = self.message.body()
        except MimeLimit as limit:
            lines, omitted = body_text.cut((self.letter.raw or b"").decode("utf-8", "replace"))
            said = f"{limit.text.in_('ja')}原文の先頭を、そのまま表示します。"
            return [said, *_cut_short(omitted)], body_text.groups(self.redaction.lines(lines), shown)
        if not text.strip():
            return ["本文はありません（空のメールです）。"], []
        lines, omitted = body_text.cut(text)
        notices = _cut_short(omitted)
        if _only_html(self.message):
            notices.append("HTML 形式のメールです。文字の部分を表示しています。")
        return notices, body_text.groups(self.redaction.lines(lines), shown)

    def _list(self, paper: Paper, shown: Shown, *, with_pictures: bool) -> list[dict[str, Any]]:
        rows = []
        for one in self.attachments:
            suffix = None
            if with_pictures and not self.touched and len(paper.pictures) < MOST_THUMBNAILS:
                suffix = picture_suffix(one.data)
            name = f"{one.mark.name}.{suffix}" if suffix else None
            if name:
                paper.pictures[name] = one.data
            rows.append(
                {
                    "stamp": one.mark.text if one.has_exhibit else "（枝番なし）",
                    "name": shown.breakable(self.redaction.text(one.name)) or "（名前なし）",
                    "about": f"{shown.breakable(one.content_type[:100])}・{one.size:,} バイト",
                    "digest": "" if self.touched else f"SHA-256 {one.sha256}",
                    "picture": name,
                    "note": "",
                }
            )
        return rows

    def _headers(self, shown: Shown) -> tuple[str, list[list[str]]]:
        raw = self.letter.raw or b""
        if not self.touched:
            text = text_lines(raw[: self.message.body_start] if self._parsable() else raw[:20_000])
            return (
                "メールヘッダー（全文、受信したまま）" if self.letter.direction == "in" else "メールヘッダー（全文）",
                fixed_lines(text, self.redaction, shown),
            )
        lines: list[str] = []
        left_out = 0
        if self._parsable():
            for name, value in self.message.headers.fields:
                if name in READABLE:
                    lines.append(f"{name}: {decode_value(value)}")
                else:
                    left_out += 1
        title = f"メールヘッダー（墨消しのため、符号化を解いて表示。{left_out} 項目を省略）"
        return title, fixed_lines(lines, self.redaction, shown)

    def _parsable(self) -> bool:
        try:
            return self.message.body_start >= 0
        except MimeLimit:
            return False


def _only_html(message: Message) -> bool:
    texts = {part.content_type for part in message.parts() if not part.is_attachment}
    return "text/html" in texts and "text/plain" not in texts


def _cut_short(omitted: int) -> list[str]:
    return [_CUT_SHORT.format(omitted=omitted)] if omitted else []


def _remarks(shown: Shown) -> list[str]:
    said = []
    if shown.missing:
        said.append(
            f"字形のない文字、または表示に影響する制御文字 {sum(shown.missing.values()):,} 個を、"
            "〔U+…〕の形（Unicode の符号位置）で示しています。"
        )
    if shown.invisible:
        kinds = "、".join(f"U+{ord(one):04X} が {count:,} 個" for one, count in sorted(shown.invisible.items())[:12])
        said.append(f"目に見えない文字 {sum(shown.invisible.values()):,} 個（{kinds}）は表示していません。")
    if shown.variants:
        said.append(f"異体字の指定 {shown.variants:,} 個は、標準の字形で表示しています。")
    return said


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, (list, tuple)):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]
