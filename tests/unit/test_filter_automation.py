"""Mail that no person wrote: bounces, automatic replies, lists, reports, and what must not be taken for them."""

import base64
import dataclasses

import pytest

from filters.automation import Automation
from filters.bounces import looks_like_bounce, recognise
from filters.bounces.fallback import detected_addresses
from gateway.mime.message import Message
from gateway.model.fact import Fact
from tests.unit.cases import case


async def find(
    head: str, body: str = "本文です。", *, mail_from: str = "taro@example.com", source: str = "smtp"
) -> dict[str, Fact]:
    return await find_raw((head.strip() + "\n\n" + body).replace("\n", "\r\n").encode(), mail_from, source)


async def find_raw(raw: bytes, mail_from: str = "", source: str = "smtp") -> dict[str, Fact]:
    made = case(mail_from=mail_from)
    made.message = Message(raw)
    made.exchange = dataclasses.replace(made.exchange, raw=raw, source=source)
    return dict(await Automation().find(made))


async def kind(head: str, body: str = "本文です。", *, mail_from: str = "taro@example.com") -> object:
    return (await find(head, body, mail_from=mail_from))["automatic"].value


PERSON = "From: taro@example.com\nTo: shop@shop.example\n"


@pytest.mark.parametrize(
    "head",
    [
        "Subject: 注文について",
        "Subject: Re: 【自動返信】ご注文ありがとうございます\nIn-Reply-To: <a@shop.example>",
        "Subject: 商品が届きません",
        "Subject: 配送の遅延について",
        "Subject: delivery failed, please help",
        "Subject: Returned item",
        "Subject: Message not delivered?",
        "Subject: メールが送信できません",
        "Subject: Undelivered Mail Returned to Sender",
        "Auto-Submitted: no",
        "Auto-Submitted: auto-forwarded",
        "Precedence: first-class",
        "X-Auto-Response-Suppress: DR, RN",
    ],
)
async def test_a_person_s_mail(head: str) -> None:
    body = "荷物が届きません。エラーメールも来ました。could not be delivered, returned to sender."
    assert await kind(PERSON + head, body) == "no"


async def test_a_customer_who_forwards_a_bounce_is_a_person() -> None:
    body = "こんなメールが来ました\n> <a@b.example>: 550 5.1.1 User unknown\n> RCPT TO:<a@b.example>"
    assert await kind(PERSON + "Subject: Fwd: Undelivered Mail Returned to Sender", body) == "no"
    attached = (
        PERSON + "Subject: 届きません\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n見てください\n--b\n"
        "Content-Type: message/rfc822\n\nFrom: MAILER-DAEMON@x.example\nContent-Type: multipart/report; "
        "report-type=delivery-status; boundary=c\n\n--c\nContent-Type: message/delivery-status\n\n"
        "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n--c--\n--b--\n"
    )
    assert (await find_raw(attached.encode(), "taro@example.com"))["automatic"].value == "no"


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated (form)",
        "Auto-Submitted: auto-notified; owner-email=x",
        "X-Autoreply: yes",
        "X-Autorespond: 1",
        "Precedence: auto_reply",
        "X-Auto-Response-Suppress: All",
        "Subject: Automatic reply: order",
        "Subject: Out of Office: Re: order",
        "Subject: 【自動返信】お問い合わせありがとうございます",
        "Subject: 自動応答: 不在です",
        "Subject: 不在のお知らせ",
        "Subject: 年末年始休業のお知らせ",
        "Subject: お問い合わせ受付完了のご連絡",
        "Subject: =?iso-2022-jp?B?GyRCPCtGMEp/PzobKEI=?=\nX-Vacation: 1",
    ],
)
async def test_automatic_replies(head: str) -> None:
    assert await kind(PERSON + head) == "auto_reply"


@pytest.mark.parametrize(
    "head",
    [
        "List-Id: <x.example>",
        "List-Unsubscribe: <mailto:x@y.example>",
        "Mailing-List: x",
        "Precedence: bulk",
        "precedence: List",
        "X-ML-Name: shop",
    ],
)
async def test_lists(head: str) -> None:
    assert await kind(PERSON + head) == "list"


@pytest.mark.parametrize("report", ["feedback-report", "disposition-notification", "tlsrpt"])
async def test_reports_that_are_no_bounces(report: str) -> None:
    body = f"--b\n\nA report that could not be delivered\n--b\nContent-Type: message/{report}\n\nx: y\n--b--\n"
    head = PERSON + f"Content-Type: multipart/report; report-type={report}; boundary=b"
    assert await kind(head, body, mail_from="") == "report"


async def test_null_sender_without_a_bounce_gets_no_reply() -> None:
    assert await kind(PERSON, mail_from="") == "auto_reply"


async def test_a_file_without_return_path_and_author_has_no_null_sender() -> None:
    assert (await find("Subject: x", mail_from="", source="explain"))["automatic"].value == "no"
    assert (await find("Return-Path: <>\nSubject: x", mail_from="", source="explain"))[
        "automatic"
    ].value == "auto_reply"


DSN = """From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

I'm sorry to have to inform you that your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; local@internal.example
Original-Recipient: rfc822;Taro@Example.JP
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 <taro@example.jp>:
 User unknown
--b
Content-Type: text/rfc822-headers

To: taro@example.jp
--b--
"""


async def test_delivery_status_of_rfc_3464() -> None:
    found = await find_raw(DSN.format(action="failed", status="5.0.0").encode())
    assert found["automatic"].value == "bounce"
    assert found["bounced_address"].value == "Taro@Example.JP"
    assert found["bounce_status"].value == "5.1.1"
    assert found["bounce_reason"].value == "550 5.1.1 <taro@example.jp>: User unknown"


async def test_delayed_is_a_bounce_and_delivered_is_a_report() -> None:
    assert (await find_raw(DSN.format(action="delayed", status="4.4.1").encode()))["automatic"].value == "bounce"
    assert (await find_raw(DSN.format(action="delivered", status="2.0.0").encode()))["automatic"].value == "report"


JAPANESE = {
    "au": (
        "From: Postmaster@ezweb.ne.jp\nSubject: Mail System Error - Returned Mail",
        "次のあて先へのメッセージはエラーのため送信できませんでした。\n\n<nobody@ezweb.ne.jp>\n",
        "nobody@ezweb.ne.jp",
    ),
    "au in English": (
        "From: Postmaster@ezweb.ne.jp\nSubject: Mail System Error - Returned Mail",
        "Each of the following recipients was rejected by a remote mail server.\n\n"
        "    Recipient: <nobody@ezweb.ne.jp>\n"
        "    >>> RCPT TO:<nobody@ezweb.ne.jp>\n    <<< 550 <nobody@ezweb.ne.jp>: User unknown\n",
        "nobody@ezweb.ne.jp",
    ),
    "KDDI": (
        "From: no-reply@app.auone-net.jp\nSubject: メールエラー通知",
        "Your mail sent on: Thu, 1 Jan 2026\n     Could not be delivered to: <nobody@dion.example>\n"
        "     As their mailbox is full.\n",
        "nobody@dion.example",
    ),
    "m-FILTER": (
        "From: postmaster@example.co.jp\nSubject: failure notice",
        "このメールは「m-FILTER」が自動的に生成して送信しています。\n"
        "以下のメールアドレスへの送信に失敗しました。\nnobody@example.org\n\n"
        "-------server message\n550 nobody@example.org... No such user\n\n"
        "-------original mail info\nFrom: shop@shop.example\n",
        "nobody@example.org",
    ),
    "OCN": (
        "From: MAILER-DAEMON@ocn.example\nSubject: Undelivered Mail Returned to Sender",
        "このメールと共に返信されているメールは一つ以上の宛先に対して\n"
        "配信できませんでした。\n\n<nobody@example.net>: host mx said: 550 no\n",
        "nobody@example.net",
    ),
}


@pytest.mark.parametrize("name", JAPANESE)
@pytest.mark.parametrize("charset", ["iso2022_jp", "cp932", "euc_jp", "utf-8"])
async def test_japanese_bounces_that_flufl_bounce_misses(name: str, charset: str) -> None:
    head, body, address = JAPANESE[name]
    raw = (head + "\nTo: shop@shop.example\nContent-Type: text/plain; charset=iso-2022-jp\n\n").encode("iso2022_jp")
    found = await find_raw((raw + body.encode(charset)).replace(b"\n", b"\r\n"))
    assert found["automatic"].value == "bounce"
    assert found["bounced_address"].value == address


@pytest.mark.parametrize(
    ("subject", "body", "address", "status"),
    [
        (
            "failure notice",
            "Hi. This is the qmail-send program.\n\n<a@b.example>:\nSorry, no mailbox here. (#5.1.1)\n\n"
            "--- Below this line is a copy of the message.\n\nTo: other@c.example\n",
            "a@b.example",
            "5.1.1",
        ),
        (
            "Mail delivery failed",
            "A message that you sent could not be delivered.\nThe following address(es) failed:\n\n"
            "  a@b.example\n    550 5.2.2 mailbox full\n",
            "a@b.example",
            "5.2.2",
        ),
        (
            "DELIVERY FAILURE: x",
            "Your message\n\n  Subject: x\n\nwas not delivered to:\n\n  a@b.example\n\nbecause:\n\n  User not listed\n",
            "a@b.example",
            None,
        ),
        (
            "Undeliverable",
            "Delivery has failed to these recipients:\na@b.example<mailto:a@b.example>\n",
            "a@b.example",
            None,
        ),
        (
            "Returned mail",
            "   ----- The following addresses had permanent fatal errors -----\n"
            "<a@b.example>\n    (reason: 550 5.1.1 No)\n",
            "a@b.example",
            "5.1.1",
        ),
        ("Undeliverable Mail", "Delivery failed 20 attempts: a@b.example\n", "a@b.example", None),
    ],
)
async def test_bounces_in_words(subject: str, body: str, address: str, status: str | None) -> None:
    head = f"From: MAILER-DAEMON@mx.example\nTo: shop@shop.example\nSubject: {subject}"
    found = await find(head, body, mail_from="")
    assert found["automatic"].value == "bounce"
    assert found["bounced_address"].value == address
    assert found["bounce_status"].value == status
    assert found["bounce_reason"].value


async def test_address_from_the_message_that_came_back() -> None:
    head = "From: MAILER-DAEMON@x.example\nSubject: Returned mail\nContent-Type: multipart/mixed; boundary=b"
    body = "--b\n\nYour message was not delivered.\n--b\nContent-Type: message/rfc822\n\nTo: a@b.example\n\nx\n--b--\n"
    assert (await find(head, body, mail_from=""))["bounced_address"].value == "a@b.example"


async def test_x_failed_recipients() -> None:
    head = "From: x@y.example\nX-Failed-Recipients: a@b.example, c@d.example"
    found = await find(head, mail_from="")
    assert found["bounced_address"].value == "a@b.example"
    assert "c@d.example" in str(found["bounced_address"].note)


async def test_several_recipients_only_the_failed_ones() -> None:
    raw = DSN.format(action="relayed", status="2.0.0").replace(
        "--b\nContent-Type: text/rfc822-headers",
        "\nFinal-Recipient: rfc822; c@d.example\nAction: failed\nStatus: 5.2.2\n--b\nContent-Type: a/b",
    )
    assert (await find_raw(raw.encode()))["bounced_address"].value == "c@d.example"


async def test_amazon_notifications() -> None:
    head = "From: no-reply@sns.amazonaws.com\nx-amz-sns-message-id: 1"
    body = (
        '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@b.example","status":"5.1.1"}]}}'
    )
    found = await find(head, body)
    assert (found["automatic"].value, found["bounced_address"].value) == ("bounce", "a@b.example")
    assert await kind(head, '{"notificationType":"Delivery","mail":{}}') == "report"
    assert await kind(head, "[" * 100_000) == "report"


async def test_ordinary_mail_is_not_parsed_and_no_thread_is_asked() -> None:
    made = case("From: taro@example.com\nSubject: 注文", wanted=("automatic",))

    def refuse(*_: object) -> None:
        raise AssertionError

    made.lookups = dataclasses.replace(made.lookups, in_thread=refuse)  # type: ignore[arg-type]
    assert (await Automation().find(made))["automatic"].value == "no"
    assert "_parts" not in vars(made.message)


async def test_a_parse_limit_makes_the_facts_unknown() -> None:
    head = b"From: MAILER-DAEMON@x.example\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
    found = await find_raw(head + b"--b\r\n\r\nx\r\n" * 2000)
    assert not any(fact.known for fact in found.values())


def test_flufl_bounce_is_kept_from_what_it_cannot_stand() -> None:
    head = b"From: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\n"
    for raw in (
        head + b"To: " + b"(" * 5000 + b"\r\n\r\n",
        head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 5000,
        head + b"Content-Type: text/plain; charset=x-none\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\xfe",
        head + b"\r\n" + b" " * 50_000,
    ):
        assert detected_addresses(raw) == ()


def test_flufl_bounce_writes_no_traceback_of_a_message_into_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    # without a From field its yale detector raises IndexError and logs it
    assert detected_addresses(b"Subject: failure notice\r\n\r\n") == ()
    assert caplog.records == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "text", ["-" * 50_000, "a@" * 20_000, "was " * 12_000, "\n" * 50_000, "アドレス" * 4_000, "*" * 50_000]
)
def test_hostile_bounces_end(text: str) -> None:
    encoded = base64.encodebytes(text.encode())
    head = b"From: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\nContent-Transfer-Encoding: base64\r\n"
    for kind_of in (b"text/plain; charset=utf-8", b"message/delivery-status"):
        message = Message(head + b"Content-Type: " + kind_of + b"\r\n\r\n" + encoded)
        signs = looks_like_bounce(message, null=True)
        assert signs is not None
        assert recognise(message, signs) is not None
