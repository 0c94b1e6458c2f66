"""The words of notices to the owner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model.verdict import Outcome
from gateway.text import Text

DONE: Final[Mapping[Outcome, Text]] = {
    Outcome.DELIVER: Text("お店のメールボックスへ配送しました", "passed on to the shop's mailbox"),
    Outcome.QUARANTINE: Text(
        "保留しました（お客様には通常どおり受信済みと応答しています）", "held; the sender sees it as taken"
    ),
    Outcome.REJECT: Text("受信を断りました", "refused"),
    Outcome.DISCARD: Text("記録だけ残し、配送しません", "kept on record only, not passed on"),
}
RULE_SUBJECT = Text("【Sekisho】ルール「{rule}」に該当：{subject}", "[Sekisho] Rule `{rule}`: {subject}")
RULE = Text(
    """ルール「{rule}」に該当するメールが届きましたのでお知らせします。

件名　　　：{subject}
差出人　　：{sender}
送信元　　：{envelope}
発信元 IP ：{ip}
受信日時　：{at}
処理　　　：{done}
タグ　　　：{tags}

本文の冒頭（差出人が書いたままの内容です。リンクや添付にはご注意ください）：
{excerpt}

くわしくは次のコマンドでご覧いただけます。
{commands}
""",
    """A message matched the rule `{rule}`.

Subject:         {subject}
From:            {sender}
Envelope sender: {envelope}
Origin IP:       {ip}
Received:        {at}
What was done:   {done}
Tags:            {tags}

How it begins (as its sender wrote it; take care with links):
{excerpt}

To see more:
{commands}
""",
)
TEMPLATE_SUBJECT = Text(
    "【Sekisho】返信テンプレート「{name}」に問題があります", "[Sekisho] The reply template `{name}` has a fault"
)
TEMPLATE = Text(
    """返信を作成できなかったため、お客様への自動返信を送っていません。メール自体の処理は通常どおり行いました。

{why}

次のコマンドでご確認ください。
{commands}
""",
    """An automatic reply could not be written and was not sent. The message itself was handled as usual.

{why}

To look into it:
{commands}
""",
)
RULES_SUBJECT = Text(
    "【Sekisho】設定に誤りがあるため、以前のルールのまま動いています",
    "[Sekisho] Faults in the rules: the old ones stay in force",
)
RULES = Text(
    """変更されたファイルに誤りが {count} 件あるため読み込まず、以前のルールのまま動作しています。

{faults}

修正のあと、次のコマンドで確認できます。
{commands}
""",
    """A changed file has {count} fault(s). It was not taken over; the rules from before stay in force.

{faults}

After mending, check with:
{commands}
""",
)
FAILED_SUBJECT = Text("【Sekisho】配送できなかったメール：{subject}", "[Sekisho] Not delivered: {subject}")
FAILED = Text(
    """次のメールを配送できませんでした。メールは記録に残っています。

件名　　：{subject}
配送先　：{host}
結果　　：
{results}

{told}

内容の確認と再配送：
{commands}
""",
    """A message could not be delivered. It is kept on record.

Subject:     {subject}
Destination: {host}
Result:
{results}

{told}

To look at it, or to try again:
{commands}
""",
)
SENDER_TOLD = Text("差出人には、届かなかったことをお知らせしています。", "Its sender is told that it did not arrive.")
SENDER_NOT_TOLD = Text(
    "差出人にはお知らせしていません（本人と確認できない、または自動送信のメールのため）。",
    "Its sender is not told: who wrote could not be proved, or no person did.",
)
MORE_SUBJECT = Text(
    "【Sekisho】ほかにも配送できなかったメールが {count} 通あります", "[Sekisho] {count} more not delivered"
)
MORE = Text(
    """短い間に多くのメールが配送できなかったため、{count} 通については個別のお知らせを省きました。
メールはすべて記録に残っています。

一覧：
{commands}
""",
    """Many messages failed within a short time; for {count} of them no notice of their own was sent.
All are kept on record.

To list them:
{commands}
""",
)
DOWN_SUBJECT = Text("【Sekisho】配送先 {name} に接続できません", "[Sekisho] The destination {name} cannot be reached")
DOWN = Text(
    """配送先 {name} に {since} から接続できません。メールは預かっており、復旧すると自動的に配送します。

最後の結果：{why}

待っているメールの一覧：
{commands}
""",
    """The destination {name} has been out of reach since {since}. The mail waits here and goes on by itself afterwards.

Last result: {why}

To list what waits:
{commands}
""",
)
ASIDE_SUBJECT = Text(
    "【Sekisho】送信を止めたメールがあります：{subject}", "[Sekisho] A message was set aside: {subject}"
)
ASIDE = Text(
    """次のメールの送信中にプログラムが繰り返し停止したため、送信待ちから外しました。メールは記録に残っています。

件名　：{subject}
番号　：{entry}

内容の確認と再送：
{commands}
""",
    """The gateway stopped again and again while sending this message, and took it out of the queue.
It is kept on record.

Subject: {subject}
Entry:   {entry}

To look at it, or to try again:
{commands}
""",
)
FOOT = Text(
    "\n--\nSekisho からの自動のお知らせです。このメールには返信なさらないようお願いします。\n",
    "\n--\nAn automatic notice of Sekisho. Please do not answer it.\n",
)
