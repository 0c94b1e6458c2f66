"""What the records and the owner are told about a watched mailbox."""

from __future__ import annotations

from gateway.text import Text

OLD = Text("見張りを始める前からあったメールのため返信しません。", "The mail lay there before the mailbox was watched.")
RENUMBERED = Text(
    "サーバーがフォルダーの番号を付け直したあとに見つけたメールのため返信しません。",
    "The mail was found after the server had numbered the folder anew.",
)
LATE = Text(
    "届いてから時間がたっているため返信しません（上限 {hours} 時間）。",
    "The mail came too long ago to be answered (limit: {hours} hours).",
)

SUBJECT = Text("【Sekisho】メールボックス {account}: {what}", "[Sekisho] mailbox {account}: {what}")

LOGIN = Text("ログインできません", "cannot log in")
LOGIN_BODY = Text(
    "メールボックス {account}（{server}）にログインできず、新しいメールを確認できていません。\n\n{why}\n\n"
    "直すまでメールはメールボックスにそのまま残ります。確かめ方: sekisho imap check\n",
    "The mailbox {account} ({server}) cannot be opened, so new mail is not screened.\n\n{why}\n\n"
    "Until this is mended the mail stays in the mailbox as it is. To check: sekisho imap check\n",
)
AWAY = Text("つながりません", "cannot be reached")
AWAY_BODY = Text(
    "{since} から、メールボックス {account}（{server}）につながりません。\n\n{why}\n\n"
    "つながりしだい、たまったメールを順に確認します。\n",
    "The mailbox {account} ({server}) has not been reached since {since}.\n\n{why}\n\n"
    "As soon as it is, the mail that waits there is worked off.\n",
)
FOLDER = Text("フォルダーがありません", "a folder is missing")
FOLDER_BODY = Text(
    "メールボックス {account} のフォルダー「{folder}」を使えません。\n\n{why}\n\n"
    "対象のメールは受信トレイに残っています。フォルダーを作るか、設定の folders を確かめてください。\n",
    "The folder {folder} of the mailbox {account} cannot be used.\n\n{why}\n\n"
    "The mail concerned stays in the inbox. Make the folder, or check `folders` in the config.\n",
)
FULL = Text("容量がいっぱいです", "is full")
FULL_BODY = Text(
    "メールボックス {account} の容量がいっぱいで、メールを「{folder}」に移せません。\n\n{why}\n\n"
    "空きができしだい、移し直します。\n",
    "The mailbox {account} is full, so that mail cannot be moved to {folder}.\n\n{why}\n\n"
    "It is moved as soon as there is room.\n",
)
RIGHTS = Text("メールを移せません", "mail cannot be moved")
RIGHTS_BODY = Text(
    "メールボックス {account} の「{folder}」では書き込みの権限がなく、メールを移せません。\n\n{why}\n\n"
    "判定と記録は行いましたが、メールは元の場所に残っています。\n",
    "There is no right to change {folder} in the mailbox {account}, so that mail cannot be moved.\n\n{why}\n\n"
    "The mail was screened and is on record, but stays where it was.\n",
)
UNREADABLE = Text("読めないメールがあります", "a mail cannot be read")
UNREADABLE_BODY = Text(
    "メールボックス {account} の「{folder}」にあるメール（UID {uid}）を確認できませんでした。\n\n{why}\n\n"
    "このメールは元の場所に残っています。目でお確かめください。\n",
    "A mail in {folder} of the mailbox {account} (UID {uid}) was not screened.\n\n{why}\n\n"
    "It stays where it was. Please look at it yourself.\n",
)
TOO_BIG = Text("大きすぎます（{size} バイト）", "it is too big ({size} bytes)")
NOT_GIVEN = Text("サーバーが内容を渡しません", "the server does not hand it out")
NOT_UNDERSTOOD = Text("内部の問題のため確認できません", "an internal fault keeps it from being screened")
