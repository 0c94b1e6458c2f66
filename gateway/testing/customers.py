"""The sample customers of the demo: who writes, from where, what, and what the world's DNS says about them."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.testing.mail import SHOP, DkimKey, auto_reply, bounce, letter, mailing_list
from gateway.text import Text

HOME = "198.51.100.23"  # where the blocked person lives
BLOCKED = "ikari@isp.example"
BLOCKED_RANGE = "121.84.241.***"


@dataclass(frozen=True)
class Customer:
    """One mail as it reaches the shop: what it shows, its envelope, where it comes from."""

    about: Text
    mail_from: str
    raw: bytes
    ip: str
    helo: str
    recipient: str = SHOP


def zone(key: DkimKey) -> dict[str, dict[str, str]]:
    """What the demo's own DNS server answers; addresses are those set aside for documentation (RFC 5737)."""
    return {
        "customer.example": {"TXT": "v=spf1 -all", "MX": "10 mail.customer.example"},
        "mail.customer.example": {"A": "203.0.113.10"},
        "isp.example": {"TXT": f"v=spf1 ip4:{HOME} ip4:203.0.113.20 -all"},
        "docomo.ne.jp": {"TXT": "v=spf1 ip4:203.0.113.30 ~all"},
        "partner.example": {"TXT": "v=spf1 ip4:203.0.113.40 -all"},
        "range.example": {"TXT": "v=spf1 ip4:121.84.241.0/24 -all"},
        "yahoo.co.jp": {"TXT": "v=spf1 ip4:203.0.113.60 ~all"},
        "omgw0101.mail.yahoo.co.jp": {"A": "203.0.113.60"},
        "_dmarc.customer.example": {"TXT": "v=DMARC1; p=reject"},
        **key.zone,
    }


def before_the_block() -> tuple[Customer, ...]:
    """What had come in before the shop blocked anybody."""
    return (
        Customer(
            Text("怒りの一通目（この後で取引停止に）", "an angry first mail (blocked afterwards)"),
            BLOCKED,
            letter(BLOCKED, "対応が遅い", "いつまで待たせるのですか。すぐに返事をください。\n", name="碇 源太"),
            HOME,
            "home.isp.example",
        ),
    )


def customers(key: DkimKey) -> tuple[Customer, ...]:
    """The customers of the day."""
    hanako = "hanako@customer.example"
    docomo = "taro..yamada@docomo.ne.jp"
    question = letter(
        hanako,
        "注文番号1024の発送日について",
        "お世話になっております。山田です。\n①注文番号1024はいつごろ届きますか。\nよろしくお願いいたします。\n",
        name="山田 花子",
    )
    webmail = (
        f"from [{HOME}] by web101201.mail.kks.yahoo.co.jp via HTTP; Sat, 21 Nov 2026 09:15:00 JST",
        "genta_new@yahoo.co.jp",
    )
    return (
        Customer(
            Text("注文の問い合わせ（DKIM 署名あり）", "an order question, DKIM-signed"),
            hanako,
            key.sign(question),
            "203.0.113.10",
            "mail.customer.example",
        ),
        Customer(
            Text("同じお客様の2通目", "the same customer again"),
            hanako,
            key.sign(letter(hanako, "追伸", "先ほどの件、日曜日の配達は可能でしょうか。\n", name="山田 花子")),
            "203.0.113.10",
            "mail.customer.example",
        ),
        Customer(
            Text("取引停止のアドレス", "a blocked address"),
            BLOCKED,
            letter(BLOCKED, "返事をしろ", "なぜ返事がないのですか。\n", name="碇 源太"),
            "203.0.113.20",
            "smtp.isp.example",
        ),
        Customer(
            Text("取引停止の IP 範囲（121.84.241.***）", "a blocked IP range (121.84.241.***)"),
            "someone@range.example",
            letter("someone@range.example", "在庫はありますか", "青いほうの在庫を教えてください。\n"),
            "121.84.241.77",
            "pc77.range.example",
        ),
        Customer(
            Text("停止中の方と同じ IP・新しいフリーメール", "the blocked person's IP under a new free-mail address"),
            webmail[1],
            letter(
                webmail[1], "はじめまして", "初めて利用します。返事をください。\n", headers={"Received": webmail[0]}
            ),
            "203.0.113.60",
            "omgw0101.mail.yahoo.co.jp",
        ),
        Customer(
            Text("取引停止のアドレスを全角で書いたもの", "the blocked address in full-width letters"),
            BLOCKED,
            letter("placeholder@isp.example", "全角です", "まだ返事がありません。\n").replace(
                b"From: placeholder@isp.example", "From: <ｉｋａｒｉ＠ｉｓｐ．ｅｘａｍｐｌｅ>".encode()
            ),
            "203.0.113.20",
            "smtp.isp.example",
        ),
        Customer(
            Text("ドコモの「..」を含むアドレス", "a docomo address with `..`"),
            docomo,
            letter(docomo, "届きました", "今日届きました。ありがとうございました。\n", charset="iso-2022-jp"),
            "203.0.113.30",
            "mail.docomo.ne.jp",
        ),
        Customer(
            Text("脅迫（ISO-2022-JP）", "a threat in ISO-2022-JP"),
            "nokori@isp.example",
            letter(
                "nokori@isp.example",
                "最後の警告",
                "いい加減にしろ。お前の店に火をつけてやる。\n",
                charset="iso-2022-jp",
            ),
            "203.0.113.20",
            "smtp.isp.example",
        ),
        Customer(
            Text("メーリングリスト", "a mailing list"),
            "ec-talk-bounces@lists.example",
            mailing_list(),
            "203.0.113.50",
            "lists.example",
        ),
        Customer(Text("配送不能通知（バウンス）", "a bounce"), "", bounce(), "203.0.113.51", "mx.customer.example"),
        Customer(
            Text("不在の自動返信（ヘッダーなし）", "an absence notice without any header"),
            "suzuki@isp.example",
            auto_reply("suzuki@isp.example", headers=False),
            "203.0.113.20",
            "smtp.isp.example",
        ),
        Customer(
            Text("取引停止のアドレスを騙るもの", "the blocked address, forged"),
            BLOCKED,
            letter(BLOCKED, "重要なお知らせ", "至急ご確認ください。\n"),
            "192.0.2.66",
            "unknown.example",
        ),
        Customer(
            Text("取引先", "a business partner"),
            "sales@partner.example",
            letter("sales@partner.example", "納期のご連絡", "ご注文分は月曜に出荷します。\n"),
            "203.0.113.40",
            "mail.partner.example",
        ),
    )
