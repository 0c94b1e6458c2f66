"""Why an automatic reply does not go, in words for the shop's owner."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.text import Text

ALL_HOLD = Text("返信の条件をすべて満たしています。", "Every condition for a reply holds.")
NO_OUTGOING = Text(
    "送信用サーバー（outgoing）が設定されていません。", "No server for outgoing mail is configured (outgoing)."
)
NULL_SENDER = Text("送信元（エンベロープ）が空のメールです。", "The envelope sender is null.")
UNDELIVERABLE = Text(
    "送信元 {address} はメールを送れる形のアドレスではありません。", "{address} is no address that mail can go to."
)
ROBOT = Text("送信元 {address} はプログラム用のアドレスです。", "{address} is an address of a program.")
OWN_ADDRESS = Text("差出人 {address} は当店のアドレスです。", "{address} is the shop's own.")
AUTOMATIC = Text("人が書いたメールではありません（{kind}）。", "No person wrote it ({kind}).")
AUTOMATIC_UNKNOWN = Text(
    "人が書いたメールかどうか分かりません。", "It could not be found out whether a person wrote it."
)
HEADER = Text("{name} ヘッダーが自動返信を断っています。", "Its {name} header asks for no automatic reply.")
LOOP = Text(
    "自動返信が行き来しているメールです（{name} ヘッダー）。", "It comes from an automatic reply ({name} header)."
)
NOT_AUTHENTICATED = Text(
    "差出人のドメインから送られたと確認できません（SPF・DKIM）。",
    "Neither SPF nor DKIM shows that it comes from the From domain.",
)
AUTHENTICATION_UNKNOWN = Text(
    "差出人のドメインから送られたかどうかを調べられませんでした。",
    "It could not be found out whether it comes from the From domain.",
)
MANY_FROM = Text("From に差出人がちょうど1人書かれていません。", "From does not name exactly one sender.")
OTHER_SENDER = Text(
    "返信先（エンベロープの送信元）{address} が差出人本人のものと確認できません。",
    "Nothing shows that the envelope sender {address}, to whom the reply would go, is the one who wrote.",
)
NOT_NAMED = Text("宛先（To・Cc）に当店のアドレスがありません。", "The shop is not named in To or Cc.")
NO_TEMPLATE = Text("テンプレート「{name}」がありません。", "There is no template `{name}`.")


def joined(reasons: Sequence[Text]) -> Text:
    """All of them as one text, each once."""
    unique = list(dict.fromkeys(reasons))
    form = " ".join(f"{{r{number}}}" for number in range(len(unique)))
    return Text(form.replace(" ", ""), form, tuple((f"r{n}", reason) for n, reason in enumerate(unique)))
