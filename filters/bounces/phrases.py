"""What mail systems say when they could not deliver: the words of those that write no machine-readable report."""

from __future__ import annotations

import re
from typing import Final

# Sentences by which a body tells that a message was not delivered.
FAILED: Final = re.compile(
    # who was not reached
    r"(?:could|can|was|were|has|have|is|are|did|does|will)(?: ?not|n['’]t)(?: yet)?(?: been| be)?(?: able to be)? "
    r"(?:deliver|sent|reach|receive|accept|relay|collect|process|complete)"
    r"|\b(?:cannot|could not|couldn['’]t|can['’]t|not) (?:be )?(?:deliver|reach|relay|accept|process|send message)"
    r"|unable to (?:deliver|relay|reach|send|complete|process)|(?:were|was) unable to deliver"
    r"|fail(?:ed|ure|ing)? (?:to deliver|permanently|to reach|to send|in deliver)|delivery .{0,40}(?:fail"
    r"|suspended|not possible)"
    r"|(?:addresse?s?|recipients?|users?)(?:\(e?s\))? (?:had|have|has|were|was|failed|are|is|could|did)[ :]"
    r".{0,30}(?:error|problem|fail|reject|not|unknown|affected|invalid)"
    r"|(?:addresse?s?|recipients?)(?:\(e?s\))? failed|did not reach|not delivered to|undeliver(?:able|ed)"
    r"|returned (?:because|to sender|to you|mail|message)|message returned|(?:mail|message) (?:was|is"
    r"|has been) returned"
    r"|permanent(?: fatal)? (?:error|failure)|transcript of session|delivery attempts?|failed \d+ attempts"
    r"|error(?:s)? (?:occurred|while) .{0,60}deliver|error has occurred while|trouble delivering|problem delivering"
    r"|(?:delivery|message) .{0,60}delayed|still being retried|delayed for|not (?:been )?delivered"
    r"|mailbox (?:is |for )?.{0,40}(?:full|exceed|unavailable)|quota exceeded|over quota|(?:user|recipient"
    r"|mailbox|account) "
    r"(?:unknown|not found|disabled|does ?n[o']t exist|unavailable)|no such (?:user|recipient|mailbox|address)"
    r"|invalid "
    r"(?:final delivery |recipient|address|user|mailbox)|(?:user"
    r"|recipient) (?:name )?(?:is )?not (?:recognized|listed|known)"
    r"|does ?n[o']t have a .{1,60}account|address(?:es)? (?:not found|could not be found|you entered)|message blocked"
    r"|not a member of (?:this|the) (?:mailing )?list|do not have permission to post|group (?:may not exist"
    r"|you tried)"
    r"|host (?:unknown|not found)|failure reasons|did not (?:exactly )?match|message .{0,80}rejected"
    r"|was (?:rejected|refused|blocked) by"
    r"|we (?:did not|tried to) deliver|considered unsolicited|(?:your|the) (?:e-?mail"
    r"|message) .{0,60}(?:blocked|contained|contains) "
    # German, French, Spanish, Portuguese, Italian, Russian, Chinese
    r"|nicht (?:zugestellt|ausgeliefert)|unzustellbar|zustellung.{0,40}(?:fehl|nicht)|n'a pas (?:pu )?(?:été"
    r"|être)|impossible de"
    r"|no se (?:ha )?(?:pud|podido|entreg)|não (?:foi|pode|pôde) .{0,20}entreg|non (?:è stato possibile|recapitat)"
    r"|не (?:может быть|удалось|было|доставлен)|无法(?:发送|送达|投递)|邮件无法|退信"
    # Japanese
    r"|(?:送信|配信|配達|配送|送達|転送|お届け|届ける(?:こと)?)(?:することが|が|は|に|を|も)?"
    r"(?:でき(?:ません|なかった|ず)|失敗|出来ません|出来なかった|されません|不能|中止|いたしかね)"
    r"|(?:届き|届け)(?:ません|られません)|エラーのため|宛先(?:が|は|の)?.{0,20}(?:見つかり|存在し|不明"
    r"|ありません|誤り)"
    r"|(?:アドレス|ユーザー?|宛先|あて先|メールボックス).{0,30}(?:見つかり(?:ません|ませんでした)|見つからない"
    r"|存在しません|一杯|いっぱい|容量)"
    r"|受信(?:を)?拒否|拒否されました|エラー(?:メール|通知)|不達|次のあて先へ|配信エラー|送信エラー|配信状況",
    re.IGNORECASE,
)

# Where the copy of the message that came back begins.
COPY: Final = re.compile(
    r"^[ \t>]*(?:"
    r"[-=_*#~]{2,} ?.{0,60}\b(?:below this line|copy of|original (?:message|mail)|returned (?:message|mail)"
    r"|unsent message"
    r"|message (?:header|follows|text)|header of|mail follows|undelivered message|start of returned|body of"
    r"|message is following"
    r"|raw message|forwarded message|source mail).{0,80}"
    r"|(?:the )?(?:original|returned|unsent) (?:message|mail|e-?mail)(?: headers?| text| info)?(?: follows?"
    r"| is below| below)?[.:]?[ \t]*"
    r"|(?:message|mail) headers? follows?:?.{0,20}|included is a copy of.{0,60}|here is a copy of.{0,90}"
    r"|a copy of (?:the|your).{0,90}"
    r"|-{3,} ?(?:元の|オリジナル|original mail info).{0,40}|original message:?|your original message.{0,30}"
    r"|message contents follows?:?"
    r"|received: (?:from|by|\(from|\(qmail).{0,300}|return-path: ?<.{0,300}"
    r")$",
    re.IGNORECASE | re.MULTILINE,
)

# What only a mail server says.
TECHNICAL: Final = re.compile(
    r"\brcpt to\b|\bsmtp\b|mailer[- ]daemon|\b[45]\d\d[ -][45]\.\d{1,3}\.\d{1,3}\b|\(#?[45]\.\d\.\d\)|\bdns\b"
    r"|\bmx\b|failed \d+ attempts"
    r"|transcript of session|final delivery",
    re.IGNORECASE,
)

_ATOM: Final = r"[\w.+=%/&'*!#$?^`{|}~-]"
_LABEL: Final = "[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
ADDRESS: Final = re.compile(rf"(?<!{_ATOM}){_ATOM}{{1,128}}@(?:{_LABEL}\.)*{_LABEL}")
# A line that gives the recipient by its form, best first.
POINTING: Final = (
    re.compile(r"^[ \t>*]*<([^<>\s]+@[^<>\s]+)>:?[ \t]*(?:$|\(|:|\.|\s-)", re.MULTILINE),
    re.compile(r"(?:final|original)-recipient: *(?:rfc822;)? *<?([^\s<>;]+@[^\s<>;]+)", re.IGNORECASE),
    re.compile(r"^[ \t>*•-]*([^\s<>:;,()\"]+@[^\s<>:;,()\"]+?)[ \t]*[:.]?[ \t]*(?:$|\(|\[|<|: )", re.MULTILINE),
    re.compile(
        r"(?:\b(?:recipients?(?:\(s\))?|addressed(?: to)?|deliver(?:ed)? to|userid|attempts|address(?:es"
        r"|\(e?s\))?|user|to|for)"
        r"(?![\w.+-])|宛先|あて先|受信者|送信先|アドレス)"
        r"[ \t,]*(?:is|was|=)?[ \t]*[:：]?[ \t]*['\"`\[<(]{0,2}(?:smtp:|rfc822; ?|mailto:)?"
        r"([^\s<>\[\]()'\"`:;,]+@[^\s<>\[\]()'\"`:;,]+)",
        re.IGNORECASE,
    ),
    re.compile(r"rcpt to: ?<?([^\s<>]+@[^\s<>]+)>?", re.IGNORECASE),
    re.compile(r"\b[45]\d\d[ -].{0,200}?<([^\s<>]+@[^\s<>]+)>"),
)
NOBODY: Final = re.compile(
    r"^(?:mailer-daemon|post+master|poostmaster|abuse|hostmaster|webmaster|no-?reply|.*-admin|.*-request"
    r"|support|help(?:desk)?|admin"
    r"|administrator|.*-help|.*-owner|owner-.*|.*-ctl)@",
    re.IGNORECASE,
)
REPLY_LINE: Final = re.compile(
    r"(?:^|[\s:<>\[(\"'#])([45]\d\d(?:[ \-#(]|$).{3,400}|[45]\.\d{1,3}\.\d{1,3}\b.{3,400})", re.MULTILINE
)
BECAUSE: Final = re.compile(
    r"\b(?:reason|error message|error|because|diagnostics?|details?|理由|原因"
    r"|エラー内容)[^\n:：]{0,40}[:：][ \t]*\n?\s*([^\n]{5,400})",
    re.IGNORECASE,
)
