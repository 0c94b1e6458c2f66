"""The papers about the exhibits: the draft 証拠説明書, the timeline, and the memo for the police."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from gateway.casefile.acts import acts_of
from gateway.casefile.csv_table import csv_bytes
from gateway.casefile.documents import Paper
from gateway.casefile.facts import Facts
from gateway.casefile.frame import Frame, kind_of
from gateway.casefile.letter import Letter
from gateway.casefile.lists import listing, one_line
from gateway.casefile.origins import grade_of, port_of, source_of
from gateway.casefile.timeline import timeline
from gateway.casefile.when import japanese_date, japanese_minute

DRAFT: Final = "証拠説明書（案）"
_SHOKO: Final = {
    "exhibit": "号証",
    "title": "標目",
    "original_or_copy": "原本・写しの別",
    "made_on": "作成年月日",
    "made_by": "作成者",
    "to_prove": "立証趣旨",
    "remarks": "備考",
}
_NOTICES: Final = (
    "立証趣旨は空欄です。代理人がお書きください。",
    "作成者は、メールの差出人として表示されていたものです。表示は偽ることができ、人物を示すとは限りません。",
)
_NO_GUARANTEE: Final = (
    "このメモは、記録を整理したものです。IP アドレスやヘッダーは接続を示すもので、人物を示すものではありません。"
    "証拠能力を保証するものでもありません。"
)


def lists(facts: Facts, frame: Frame, *, strict: bool = False) -> dict[str, dict[str, Any]]:
    """Data of the lists on paper, by file name; `strict` as in `Shown`."""
    columns = (("号証", 0), ("標目", 5), ("原・写", 0), ("作成年月日", 0), ("作成者", 3), ("立証趣旨", 4), ("備考", 3))
    times = (("日時", 0), ("できごと", 2), ("相手", 3), ("内容", 4), ("行為", 4), ("号証", 0))
    rows = [(at.partition("+")[0], *said[1:6]) for at, *said in timeline(facts)]
    made = japanese_minute(frame.made_at, frame.zone)
    fields = [["作成", made], ["対象", f"{frame.shop}のメールゲートウェイの記録"]]
    return {
        "01_shoko_setsumeisho.pdf": listing(
            frame, DRAFT, "証拠の一覧", columns, shoko_rows(facts), fields=fields, notices=_NOTICES, strict=strict
        ),
        "02_timeline.pdf": listing(
            frame, "時系列表", "メール・電話・取引停止の登録", times, rows, fields=fields, strict=strict
        ),
    }


def shoko_csv(facts: Facts) -> bytes:
    """The draft as a table."""
    return csv_bytes(_SHOKO, ([facts.redaction.text(cell) for cell in row] for row in shoko_rows(facts)))


def _author(letter: Letter, shop: str) -> str:
    if letter.direction == "out" and not letter.from_header:
        return shop
    return letter.from_header or letter.mail_from or "（差出人の表示なし）"


def shoko_rows(facts: Facts) -> list[tuple[str, ...]]:
    """A row an exhibit, attachments included; 立証趣旨 is left empty."""
    rows: list[tuple[str, ...]] = []
    for letter in facts.exhibits:
        taken = facts.taken[letter.mark.name]
        day = court_date(letter.received_at, facts.zone)
        by = _author(letter, facts.shop)
        title = f"{kind_of(letter)}「{one_line(letter.subject)[:120] or '件名なし'}」"
        remarks = f"記録番号 {letter.seq}" + ("。一部墨消し" if taken.touched else "")
        rows.append((taken.stamp, title, "写し", day, by, "", remarks))
        for one in taken.attachments:
            rows.append(
                (one.stamp, f"上記に添付の「{one_line(one.name)[:120] or '名前なし'}」", "写し", day, by, "", "")
            )
    return rows


def documents(facts: Facts, frame: Frame) -> dict[str, bytes]:
    """The documents for Word, by file name."""
    return {"01_shoko_setsumeisho.docx": _shoko(facts, frame), "12_police_memo.docx": _memo(facts, frame)}


def _shoko(facts: Facts, frame: Frame) -> bytes:
    paper = Paper(DRAFT, frame.shop, frame.made_at, landscape=True)
    paper.text("事件番号：\n原　　告：\n被　　告：\n作 成 者：\n" + court_date(frame.made_at, frame.zone))
    for notice in _NOTICES:
        paper.text(f"※ {notice}")
    columns = (
        ("号証", 26),
        ("標目", 62),
        ("原本・写しの別", 18),
        ("作成年月日", 28),
        ("作成者", 42),
        ("立証趣旨", 46),
        ("備考", 30),
    )
    clean = facts.redaction.text
    paper.table(tuple(columns), [[clean(cell) for cell in row] for row in shoko_rows(facts)])
    return paper.content()


def _memo(facts: Facts, frame: Frame) -> bytes:
    clean, zone = facts.redaction.text, frame.zone
    paper = Paper("ご相談用のメモ", frame.shop, frame.made_at)
    paper.text(f"作成：{japanese_minute(frame.made_at, zone)}　{frame.shop}")
    paper.text(f"※ {_NO_GUARANTEE}")
    calls = facts.gathered.calls
    incoming = [letter for letter in facts.exhibits if letter.direction == "in"]
    times = sorted([*(letter.received_at for letter in incoming), *(call.at for call in calls)])
    period = (
        f"{japanese_minute(times[0], zone)} から {japanese_minute(times[-1], zone)} まで" if times else "（記録なし）"
    )
    shown = list(dict.fromkeys(letter.from_header or letter.mail_from for letter in incoming))
    origins = _origins(facts)
    done = _acts(facts)
    names = list(dict.fromkeys(act for act, *_ in done))
    paper.heading("一　概要")
    rows = [
        ("いつ", period),
        ("どこで", ("電子メールと電話" if calls else "電子メール") + f"（{'、'.join(_recipients(facts))} あて）"),
        ("だれが", "差出人の表示：" + ("、".join(shown[:20]) or "（なし）") + "\n（表示は偽ることができます）"),
        ("だれに", frame.shop),
        ("なにを", "、".join(names) or "（下記の書証をご覧ください）"),
        ("なぜ", "（経緯をお書きください）"),
        ("どのように", f"電子メール {len(incoming)} 通、電話 {len(calls)} 件"),
    ]
    paper.table((("項目", 26), ("内容", 138)), [(label, clean(said)) for label, said in rows])
    paper.heading("二　告知された内容（原文の引用）")
    if not done:
        paper.text("規則の言葉に当たる表現は見つかっていません。書証の本文をご確認ください。")
    for name, quote, stamp, at in done:
        paper.text(clean(f"{japanese_minute(at, zone)}　{name}（{stamp}）"))
        paper.quote(clean(f"「{quote}」"))
    paper.heading("三　接続の記録")
    paper.text(
        "次の IP アドレスは接続元を示すもので、契約者や人物を示すものではありません。"
        "照会には、日時とポート番号も必要になることがあります。"
    )
    paper.table(
        (("IP アドレス", 34), ("ポート", 16), ("日時", 46), ("根拠（確度）", 42), ("号証", 26)),
        [[clean(c) for c in row] for row in origins],
    )
    if calls:
        paper.heading("四　電話")
        heard = [
            (japanese_minute(call.at, zone), call.number or "番号非通知", clean(one_line(call.summary)))
            for call in calls
        ]
        paper.table((("日時", 50), ("番号", 34), ("内容（店の担当者による）", 80)), heard)
    return paper.content()


def _acts(facts: Facts) -> list[tuple[str, str, str, datetime]]:
    found = []
    for letter in facts.exhibits:
        if letter.direction == "in":
            stamp = facts.taken[letter.mark.name].stamp
            found += [(act.name, act.quote, stamp, letter.received_at) for act in acts_of(letter.record)]
    return found


def _origins(facts: Facts) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for letter in facts.exhibits:
        origin = (letter.record or {}).get("origin")
        if letter.direction == "in" and origin:
            at = letter.received_at.astimezone(facts.zone).isoformat(" ", "seconds")
            port = port_of(letter.record or {})
            told = f"{source_of(origin)}（{grade_of(origin)}）"
            rows.append((origin["ip"], port, at, told, facts.taken[letter.mark.name].stamp))
    return rows


def _recipients(facts: Facts) -> list[str]:
    found = dict.fromkeys(one for letter in facts.exhibits if letter.direction == "in" for one in letter.recipients)
    return list(found)[:10]


def court_date(at: datetime, zone: ZoneInfo) -> str:
    """令和8年11月22日, as courts write dates; before 令和 by the common calendar."""
    local = at.astimezone(zone)
    if local.year < 2020:
        return japanese_date(at, zone)
    return f"令和{local.year - 2018}年{local.month}月{local.day}日"
