"""What `verify` may find, in words for a shop owner and a lawyer."""

from __future__ import annotations

from gateway.text import Text


class Broken(Exception):
    """The first thing that does not hold; ends the walk."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


NO_STATE = Text("証拠ログの末尾を示す記録がありません。", "The record of where the evidence log ends is missing.")
MISSING = Text("記録 {seq} がありません。", "Record {seq} is missing.")
BEYOND_END = Text(
    "記録 {seq} は、ログの末尾（全 {size} 件）より後ろにあります。",
    "Record {seq} stands beyond the end of the log, which has {size} records.",
)
ALTERED = Text(
    "記録 {seq}（{kind}、{at}）は、書き込まれた後に変更されています。",
    "Record {seq} ({kind}, {at}) was altered after it was written.",
)
UNREADABLE = Text(
    "記録 {seq} またはその付近のデータを読み取れません。", "Record {seq}, or what belongs to it, cannot be read."
)
BACKWARDS = Text(
    "記録 {seq} の時刻が、直前の記録より前になっています（順序の入れ替え）。",
    "Record {seq} bears a time before that of the record before it: the order was changed.",
)
NOT_DELETED = Text(
    "記録 {seq} の内容が、削除の記録なしに消されています。",
    "The content of record {seq} was removed, and no record of a deletion covers it.",
)
BLOCK = Text(
    "記録 {first} から始まる256件のまとまりのハッシュが合いません。",
    "The hash of the 256 records from {first} on does not fit them.",
)
END = Text(
    "証拠ログの末尾の記録（件数・ハッシュ・時刻）が、実際の記録と合いません。記録が変更されたか、切り取られています。",
    "The record of where the log ends does not fit the records: they were altered or cut off.",
)
NO_MESSAGE = Text(
    "記録 {seq} のメール（{id}）がデータベースにありません。",
    "The message {id} of record {seq} is missing from the database.",
)
MESSAGE_WITHOUT_RECORD = Text(
    "メールの行（記録番号 {seq}）に対応する記録がログにありません。",
    "A message claims record {seq}, which is no record of a message.",
)
MESSAGE_ALTERED = Text(
    "メール {id}（記録 {seq}）の「{column}」が、記録と違っています。",
    "The {column} of message {id} (record {seq}) is not what was recorded.",
)
ORDERS = Text(
    "メール {id}（記録 {seq}）の注文番号の索引が、記録と違っています。",
    "The orders by which message {id} (record {seq}) is found are not those that were recorded.",
)
NO_BODY = Text("メール {id}（記録 {seq}）の本体がありません。", "The bytes of message {id} (record {seq}) are missing.")
BODY_ALTERED = Text(
    "メール {id}（記録 {seq}）の本体が、受信時のものと違っています。",
    "The bytes of message {id} (record {seq}) are not those that were received or sent.",
)
CHECKPOINT = Text(
    "{size} 件目のチェックポイント（{where}）が、ログと合いません。それ以前の記録が変更されています。",
    "The checkpoint at {size} records ({where}) does not fit the log: records before it were altered.",
)
CHECKPOINT_UNREADABLE = Text(
    "チェックポイント（{where}、{number} 番目）を読み取れません。",
    "Checkpoint number {number} ({where}) cannot be read.",
)
CHECKPOINT_ROW = Text(
    "{size} 件目のチェックポイントの行が、署名された内容と違っています。",
    "The row of the checkpoint at {size} records is not what was signed.",
)
OTHER_LOG = Text(
    "チェックポイント（{where}、{size} 件目）は、別のログ（{origin}）のものです。",
    "The checkpoint at {size} records ({where}) belongs to another log, {origin}.",
)
SIGNATURE = Text(
    "{size} 件目のチェックポイント（{where}）の署名が正しくありません。",
    "The signature of the checkpoint at {size} records ({where}) is not good.",
)
CUT_OFF = Text(
    "ログは {size} 件で終わっていますが、チェックポイント（{where}）は {sealed} 件を証明しています。"
    "末尾が切り取られています。",
    "The log ends after {size} records, but a checkpoint ({where}) seals {sealed}: its end was cut off.",
)
ECDSA = Text(
    "{size} 件目のチェックポイントの ECDSA 署名が正しくありません。",
    "The ECDSA signature of the checkpoint at {size} records is not good.",
)
KEYS = Text(
    "署名鍵の交代の記録（{seq}）が、前の鍵と新しい鍵の両方で正しく署名されていません。",
    "The exchange of keys in record {seq} is not signed by both the old keys and the new ones.",
)
ANCHOR = Text(
    "{size} 件目のチェックポイントへの外部の証明（{target}）が正しくありません：{why}",
    "What {target} attested about the checkpoint at {size} records does not hold: {why}",
)
ANCHOR_ROW = Text(
    "外部の証明の記録（{seq}）と、保存されている証明が一致しません。",
    "The attestation from outside that is kept is not the one of record {seq}.",
)
NO_ANCHOR = Text(
    "記録 {seq} にある外部の証明が保存されていません。",
    "The attestation from outside that record {seq} names is not kept.",
)
STAMPED = Text("タイムスタンプ {target}", "time stamp of {target}")
MAILED = Text("{target} へ送った写し", "copy that was mailed to {target}")
IN_DATABASE = Text("データベース内", "in the database")
