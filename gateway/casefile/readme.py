"""What a lawyer reads first: what the bundle holds, what it proves and what it does not, and how to check it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.text import Text


@dataclass(frozen=True, slots=True)
class Summary:
    """The numbers that the readme tells."""

    shop: str
    made: str
    exhibits: int
    first: str  # stamp of the first exhibit, "" where there is none
    last: str
    attachments: int
    calls: int
    redacted: int
    stamped: int  # anchors by time stamping authorities
    mailed: int  # anchors by mail
    deleted: int
    origin: str
    size: int
    root: str


def readme(summary: Summary, language: str) -> bytes:
    """The readme in one language, with a BOM so that every editor reads it right."""
    values = {name: getattr(summary, name) for name in Summary.__slots__}
    parts = [_HEAD.with_(**values), _CONTENT]
    if summary.redacted:
        parts.append(_REDACTED.with_(redacted=summary.redacted))
    parts += [_PROVES.with_(**values), _anchored(summary), _NOT, _CHECK]
    text = "\n".join(part.in_(language) for part in parts)
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


def _anchored(summary: Summary) -> Text:
    found = []
    if summary.stamped:
        found.append(_STAMPED.with_(stamped=summary.stamped))
    if summary.mailed:
        found.append(_MAILED.with_(mailed=summary.mailed))
    found = found or [_NOT_ANCHORED]
    return Text("".join(one.in_("ja") for one in found), "".join(one.in_("en") for one in found))


def manual() -> bytes:
    """The 手順書: how to check the bundle step by step, in both languages."""
    text = f"{_CHECK.in_('ja')}\n{_STEPS.in_('ja')}\n{'-' * 60}\n\n{_CHECK.in_('en')}\n{_STEPS.in_('en')}"
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()


_HEAD = Text(
    """\
{shop} 電子メール等の記録一式

作成　　{made}
書証　　{exhibits} 件（{first}～{last}）、添付ファイル {attachments} 件、電話 {calls} 件
作成元　メールゲートウェイ「関所（Sekisho）」の記録から書き出したものです。
　　　　閲覧と検証に、このソフトウェアは要りません。
""",
    """\
Records of electronic mail, {shop}

Made      {made}
Exhibits  {exhibits} ({first} to {last}), {attachments} attachments, {calls} telephone calls
Source    Written from the records of the mail gateway Sekisho. The program is not needed to read or check it.
""",
)
_CONTENT = Text(
    """\
■ 入っているもの（data フォルダー）

01_shoko_setsumeisho   証拠説明書の案（Word・PDF・CSV）。立証趣旨は空欄です。代理人がお書きください。
02_timeline            時系列表（メール・電話・取引停止の登録）
03_exhibits            書証。メール1通につき PDF/A 1点。添付ファイルは枝番です。
04_messages.csv        メールの一覧　　05_attachments.csv  添付ファイルの一覧
06_completeness.csv    記録・書き出し・除外・削除の件数（記録＝書き出し＋除外＋対象外＋削除済み）
07_settings.json       抽出条件、操作者、版、時計の状態
08_redactions.csv      墨消しの一覧　　09_custody.csv  受渡しの記録　　10_operator_audit.csv  操作の記録
11_policy              書き出した時点の文面とルール（相手方に渡す前に、ほかの方のことが書かれていないかご確認ください）
12_police_memo.docx    警察へのご相談用のメモ
eml smtp attachments dns recordings   原本（受信・送信したバイト列のまま）
verify                 検証のための資料と手順書

CSV は Excel でそのまま開けます。1行目が見出し、2行目はプログラム用の名前です。= + - @ で始まる値は、式として実行
されないよう、先頭に ' を付けてあります。ファイル名の末尾が .bin のものは、誤って実行されないよう改名した添付ファイル
です。差出人の不明な添付ファイルは開かないでください。
""",
    """\
■ Content (folder data)

01_shoko_setsumeisho   Draft list of evidence (Word, PDF, CSV). What each is to prove is left to counsel.
02_timeline            Mail, telephone calls and blocks in the order of time
03_exhibits            One PDF/A a message; attachments have branch numbers
04_messages.csv        One row a message        05_attachments.csv  one row an attachment
06_completeness.csv    logged = exported + withheld + not concerned + deleted
07_settings.json       What was asked for, by whom, versions, state of the clock
08_redactions.csv      What was blacked out     09_custody.csv  who held it     10_operator_audit.csv  who did what
11_policy              Letters and rules as they stood when this was written (see that they name nobody else before
                       you hand them to the other side)
12_police_memo.docx    Memo for the police
eml smtp attachments dns recordings   The originals, byte for byte
verify                 What is needed to check it, with instructions

The CSV files open in Excel as they are: headings in the first row, machine names in the second. A value that begins
with = + - @ has a ' before it, so that it is not run as a formula. Attachments that could be run end in .bin. Do not
open attachments of unknown senders.
""",
)
_REDACTED = Text(
    """\
■ 墨消しについて

{redacted} 件のメールには墨消しがあります。墨消しした書面は、該当の文字を取り除いたうえで作り直したもので、■ の下に
文字は残っていません。これらの原本・SHA-256・記録の内容はこの一式に含まれていません（原本と引き合わせて推測されるのを
防ぐためです）。したがって、墨消しした書面が原本どおりであることは、この一式だけでは検証できません。原本は店が保管し、
必要なときに、ログに固定されたリーフハッシュ（08_redactions.csv）と照合して示すことができます。
""",
    """\
■ Redactions

{redacted} messages have parts blacked out. Those papers were made anew without the words: nothing lies under the black.
Their originals, SHA-256 and records are not in this bundle, because the words could be guessed by trying them against
a hash. So this bundle alone does not show that a redacted paper is true to its original. The shop keeps the original,
and can show it later against the leaf hash in 08_redactions.csv, which the log fixes.
""",
)
_PROVES = Text(
    """\
■ この一式が示すこと

1. eml フォルダーの原本は、ゲートウェイが受信（送信）してログに記した時のバイト列と同じであること。
2. ログに、記録の変更・入替・挿入・抜取りがないこと。チェックポイントの署名後に変更があれば、検証で分かります。
   ログの名前　　{origin}（{size} 件）
   ルートハッシュ {root}
3. ログの全件数が開示され、この案件の対象としたもの・対象外・削除済みの件数が合うこと（06_completeness.csv）。
   対象外の記録の内容は、第三者の個人情報を含むため開示していませんが、件数と順序は検証できます。
   削除済みの記録は {deleted} 件です。内容は残っていませんが、削除の記録と、存在した証明は残っています。
4. DKIM が pass のメールは、差出人のドメインの鍵で署名されており、受信時の公開鍵を dns に保存しています。これは店以外
   の者が作った証拠です。
""",
    """\
■ What this bundle shows

1. The originals in eml are the very bytes that the gateway received (or sent) and logged.
2. In the log no record was altered, swapped, inserted or taken out; any change after the checkpoint was signed comes
   out in the check.
   Log        {origin} ({size} records)
   Root hash  {root}
3. The whole length of the log is disclosed, and the numbers of what belongs to this case, what does not, and what was
   deleted add up (06_completeness.csv). Records of others are not disclosed, as they hold personal data of third
   parties, but their number and order can be checked. {deleted} records were deleted: their content is gone, the record
   of the deletion and the proof that they existed stay.
4. Mail with DKIM "pass" bears a signature by the key of the sender's domain, and the public key as seen at receipt
   is kept in dns. This proof was made by somebody other than the shop.
""",
)
_STAMPED = Text(
    """\
5. 時刻認証局のタイムスタンプで固定されたチェックポイント（アンカー）が {stamped} 件あり、その時点より前の記録は、
   店自身も後から書き換えられないこと。時刻認証局の証明書（verify/anchors の .pem）が信頼できるかは、閲覧者がお確かめ
   ください。
""",
    """\
5. {stamped} checkpoints were fixed by time stamping authorities (anchors), so that not even the shop could rewrite
   what was logged before them. Whether an authority's certificate (verify/anchors, .pem) is to be trusted is for the
   reader to judge.
""",
)
_MAILED = Text(
    """\
 * 店以外の宛先へメールで送られたチェックポイント（アンカー）が {mailed} 件あります。この一式にあるのは店の控えです。
   宛先に届いた写しと比べたときに、それより前の記録を店が書き換えていないことが示されます（verify/tejunsho.txt）。
""",
    """\
 * {mailed} checkpoints were mailed to others (anchors). Those in this bundle are the shop's own copies: compared with
   what arrived there, they show that the shop rewrote nothing that was logged before (verify/tejunsho.txt).
""",
)
_NOT_ANCHORED = Text(
    "   ※ 外部に固定されたチェックポイント（アンカー）はありません。店の署名だけでは、店自身による書換えを\n"
    "      否定できません。\n",
    "   Note: no checkpoint was fixed outside. The shop's own signature proves little against the shop itself.\n",
)
_NOT = Text(
    """\
■ この一式が示さないこと

・証拠能力や証明力を保証するものではありません。証拠の評価は、裁判所の自由な心証によります。
・IP アドレスやヘッダーは、接続を示すもので、人物を示すものではありません。差出人の表示は、偽ることができます。
・ゲートウェイに届く前に失われたメールや、そもそも届いていないメールのことは分かりません。
・偽造されたメールが届いた場合、それが「そのとおり届いた」ことを示すだけです。
・最初のアンカーより前の記録を店自身が作り替えた可能性は、DKIM 署名のあるメールを除き、排除できません。最後のアンカー
  より後の記録も、店の署名だけで守られています。
・署名鍵が店のものであることは、この一式だけでは分かりません。検証の結果に出る鍵の指紋を、店に別の手段でお確かめ
  ください（店では「sekisho keys show」で表示されます）。
・電話の内容は、店の担当者が書き留めたものです（録音がある場合を除きます）。
・書証の PDF は見やすくするための印刷物です。原本は eml です。
""",
    """\
■ What it does not show

- No admissibility or weight is guaranteed: courts weigh evidence freely.
- An IP address or a header names a connection, not a person. The name of a sender can be forged.
- It says nothing of mail that was lost before it reached the gateway.
- Of a forged mail that came in, it shows only that it came in like this.
- That the shop itself made up what was logged before the first anchor is not excluded, except for mail signed by DKIM.
  What was logged after the last anchor is guarded by the shop's own signature alone.
- That the signing key is the shop's cannot be seen from this bundle alone. Ask the shop by another way for the
  fingerprint that the check prints (the shop sees it by "sekisho keys show").
- What was said on the telephone is what the shop's staff wrote down, unless there is a recording.
- The PDF papers are prints for reading. The originals are the eml files.
""",
)
_CHECK = Text(
    """\
■ 検証のしかた（いずれか一方で足ります）

Python 3.9 以上がある場合　　python3 data/verify/verify.py
シェルと openssl がある場合　sh data/verify/verify.sh
（Windows では、Python を入れて「py data\\verify\\verify.py」）

どちらも、何も変更せず、合わないものがあれば名指しで示します。検証プログラム自体が信用できるかは、店から独立に入手した
もの（公開されている Sekisho のソースコード）と比べるか、手作業での手順（verify/tejunsho.txt）でお確かめください。
""",
    """\
■ How to check it (either will do)

With Python 3.9 or newer     python3 data/verify/verify.py
With a shell and openssl     sh data/verify/verify.sh

Both change nothing and name whatever does not hold. Whether the program itself is to be trusted can be found out by
comparing it with the published source of Sekisho, or by taking the steps yourself: see verify/tejunsho.txt.
""",
)
_STEPS = Text(
    """\
■ 手作業での検証

1. ファイル　　manifest-sha256.txt の各行は「SHA-256  ファイル名」です。例: sha256sum -c manifest-sha256.txt
   一覧の署名: openssl dgst -sha256 -verify data/verify/keys/ecdsa.pem
               -signature signature/manifest-sha256.txt.ecdsa manifest-sha256.txt（bag-info.txt も同じです）
   鍵の指紋を店の言うものと比べます: openssl dgst -sha256 data/verify/keys/ecdsa.pem
2. チェックポイント　verify/checkpoint.txt（C2SP tlog-checkpoint 形式: ログの名前、件数、ルートハッシュ）
   openssl dgst -sha256 -verify keys/ecdsa.pem -signature checkpoint.ecdsa checkpoint.txt
3. ログ　　　　leaves.txt の1行が1件の記録（リーフ）です。「sekisho/1 番号 時刻 種類 ハッシュ」。
   RFC 6962 のマークル木を作ると、ルートハッシュがチェックポイントと一致します（リーフ: SHA-256(0x00 ‖ 行)、節:
   SHA-256(0x01 ‖ 左 ‖ 右)）。「deleted」で始まる行は、内容が削除された記録で、末尾がリーフのハッシュです（その行の
   時刻と種類は参考で、ハッシュでは確かめられません）。
4. 記録　　　　records/番号.bin は、32バイトの乱数（ソルト）と記録（JSON）です。その SHA-256 が、リーフの末尾です。
   記録の "sha256" が、原本（eml）の SHA-256 です。
5. 作成の記録　exhibits.txt の1行目の番号の記録（種類 export）の "files" に、各表の SHA-256 があります。
6. アンカー　　anchors.txt の1行が1件です（番号 種類 件数 時刻 認証局）。
   openssl ts -verify -data anchors/001.txt -in anchors/001.tsr -CAfile anchors/001.pem -attime 時刻
   -attime は、認証局の証明書の期限が切れた後も検証できるように付けます。
   時刻は openssl ts -reply -in anchors/001.tsr -text の「Time stamp」と同じはずです。
   続いて、ログの最初の「件数」件のルートハッシュが、anchors/001.txt のものと同じことを確かめます。
7. 個別の証明　proofs/番号.txt は、その記録の監査パス（RFC 9162 2.1.3）です。consistency.txt は、アンカーとチェック
   ポイントのあいだの一貫性の証明（RFC 9162 2.1.4）です。
お手元に、メールなどで受け取ったチェックポイントがあれば、それとも比べられます。
   python3 verify.py 一式のフォルダー 受け取ったチェックポイント.txt
""",
    """\
■ By hand

1. Files        Each line of manifest-sha256.txt is "SHA-256  name": sha256sum -c manifest-sha256.txt
   Its signature: openssl dgst -sha256 -verify data/verify/keys/ecdsa.pem
                  -signature signature/manifest-sha256.txt.ecdsa manifest-sha256.txt (bag-info.txt likewise)
   Compare the key's fingerprint with what the shop says: openssl dgst -sha256 data/verify/keys/ecdsa.pem
2. Checkpoint   verify/checkpoint.txt (C2SP tlog-checkpoint: name of the log, number of records, root hash)
   openssl dgst -sha256 -verify keys/ecdsa.pem -signature checkpoint.ecdsa checkpoint.txt
3. Log          Each line of leaves.txt is the leaf of one record: "sekisho/1 NUMBER TIME KIND HASH". The Merkle tree of
   RFC 6962 over them has the root hash of the checkpoint (leaf: SHA-256(0x00 || line), node: SHA-256(0x01 || left ||
   right)). A line that begins with "deleted" is a record whose content was deleted; its last word is the leaf's hash
   (its time and kind are told, but not fixed by the hash).
4. Records      records/NUMBER.bin is 32 random bytes (the salt) and the record (JSON). Its SHA-256 is the last word of
   the leaf. The record's "sha256" is that of the original (eml).
5. Making       The first line of exhibits.txt names the record (kind export) whose "files" hold the tables' SHA-256.
6. Anchors      Each line of anchors.txt is one: NAME KIND SIZE TIME AUTHORITY.
   openssl ts -verify -data anchors/001.txt -in anchors/001.tsr -CAfile anchors/001.pem -attime TIME
   TIME is the "Time stamp" of openssl ts -reply -in anchors/001.tsr -text.
   -attime lets it be checked after the authority's certificate has expired. Then see that the root hash of the first
   SIZE records is that in anchors/001.txt.
7. Proofs       proofs/NUMBER.txt is the record's audit path (RFC 9162 2.1.3); consistency.txt proves that the log only
   grew from each anchor to the checkpoint (RFC 9162 2.1.4).
A checkpoint that you were sent by mail or otherwise can be compared, too:
   python3 verify.py FOLDER CHECKPOINT.txt
""",
)
