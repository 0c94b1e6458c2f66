"""What mail systems say when they could not deliver: the words of those that write no machine-readable report."""

from __future__ import annotations

from typing import Final

from filters.bounces.patterns import pattern

# Sentences by which a body tells that a message was not delivered.
FAILED: Final = pattern(
    r"(?:could|can|was|were|has|have|is|are|did|does|will)(?: ?not|n['’]t)(?: yet)?(?: been| be)?(?: able to be)? "
    r"(?:deliver|sent|reach|receive|accept|relay|collect|process|complete)",
    r"\b(?:cannot|can['’]t|not) (?:be )?(?:deliver|reach|relay|accept|process|send message)",
    r"unable to (?:deliver|relay|reach|send|complete|process)",
    r"fail(?:ed|ure|ing)? (?:to deliver|permanently|to reach|to send|in deliver)",
    r"delivery .{0,40}(?:fail|suspended|not possible)",
    r"(?:addresse?s?|recipients?|users?)(?:\(e?s\))? (?:had|have|has|were|was|failed|are|is|could|did)[ :]"
    r".{0,30}(?:error|problem|fail|reject|not|unknown|affected|invalid)",
    r"(?:addresse?s?|recipients?)(?:\(e?s\))? failed",
    r"did not reach|not delivered to|undeliver(?:able|ed)|not (?:been )?delivered",
    r"returned (?:because|to sender|to you|mail|message)|message returned",
    r"(?:mail|message) (?:was|is|has been) returned",
    r"permanent(?: fatal)? (?:error|failure)|transcript of session|delivery attempts?|failed \d+ attempts",
    r"errors? (?:occurred|while) .{0,60}deliver|error has occurred while|(?:trouble|problem|error) delivering",
    r"(?:delivery|message) .{0,60}delayed|still being retried|delayed for",
    r"mailbox (?:is |for )?.{0,40}(?:full|exceed|unavailable)|quota exceeded|over quota",
    r"(?:user|recipient|mailbox|account) (?:unknown|not found|disabled|does ?n[o']t exist|unavailable)",
    r"no such (?:user|recipient|mailbox|address)|does ?n[o']t have a .{1,60}account|host (?:unknown|not found)",
    r"invalid (?:final delivery |recipient|address|user|mailbox)|no valid recipients",
    r"(?:user|recipient) (?:name )?(?:is )?not (?:recognized|listed|known)|did not (?:exactly )?match",
    r"address(?:es)? (?:not found|could not be found|you entered)|message blocked|failure reasons",
    r"not a member of (?:this|the) (?:mailing )?list|do not have permission to post|group (?:may not exist|you tried)",
    r"message .{0,80}rejected|was (?:rejected|refused|blocked) by|we (?:did not|tried to) deliver",
    r"considered unsolicited",
    r"(?:your|the) (?:e-?mail|message) .{0,60}(?:blocked|contained|contains) ",
    # German, French, Spanish, Portuguese, Italian, Russian, Chinese
    r"nicht (?:zugestellt|ausgeliefert)|unzustellbar|zustellung.{0,40}(?:fehl|nicht)",
    r"n'a pas (?:pu )?(?:été|être)|impossible de|no se (?:ha )?(?:pud|podido|entreg)",
    r"não (?:foi|pode|pôde) .{0,20}entreg|non (?:è stato possibile|recapitat)",
    r"не (?:может быть|удалось|было|доставлен)|无法(?:发送|送达|投递)|邮件无法|退信",
    # Japanese
    r"(?:送信|配信|配達|配送|送達|転送|お届け|届ける(?:こと)?)(?:することが|が|は|に|を|も)?"
    r"(?:でき(?:ません|なかった|ず)|失敗|出来ません|出来なかった|されません|不能|中止|いたしかね)",
    r"(?:届き|届け)(?:ません|られません)|エラーのため|エラー(?:メール|通知)|不達|次のあて先へ|配信エラー|送信エラー|配信状況",
    r"宛先(?:が|は|の)?.{0,20}(?:見つかり|存在し|不明|ありません|誤り)|受信(?:を)?拒否|拒否されました",
    r"(?:アドレス|ユーザー?|宛先|あて先|メールボックス).{0,30}"
    r"(?:見つかりません|見つからない|存在しません|一杯|いっぱい|容量)",
)

# What only a mail server says.
TECHNICAL: Final = pattern(
    r"\brcpt to\b|\bsmtp\b|mailer[- ]daemon|\b[45]\d\d[ -][45]\.\d{1,3}\.\d{1,3}\b|\(#?[45]\.\d\.\d\)|\bdns\b|\bmx\b",
    r"failed \d+ attempts|transcript of session|final delivery",
)

# Where the copy of the message that came back begins.
COPY: Final = pattern(
    r"^[ \t>]*(?:[-=_*#~]{2,} ?.{0,60}\b(?:below this line|copy of|original (?:message|mail)|returned (?:message|mail)"
    r"|unsent message|message (?:header|follows|text)|header of|mail follows|undelivered message|start of returned"
    r"|body of|message is following|raw message|forwarded message|source mail).{0,80}"
    r"|(?:the )?(?:original|returned|unsent) (?:message|mail|e-?mail)(?: headers?| text| info)?"
    r"(?: follows?| is below| below)?[.:]?[ \t]*"
    r"|(?:message|mail) headers? follows?:?.{0,20}|included is a copy of.{0,60}|here is a copy of.{0,90}"
    r"|a copy of (?:the|your).{0,90}|-{3,} ?(?:元の|オリジナル|original mail info).{0,40}|your original message.{0,30}"
    r"|message contents follows?:?|received: (?:from|by|\(from|\(qmail).{0,300}|return-path: ?<.{0,300})$",
)

_ATOM: Final = r"[\w.+=%/&'*!#$?^`{|}~-]"
_LABEL: Final = "[a-z0-9_][a-z0-9_-]*"
ADDRESS: Final = pattern(rf"{_ATOM}+@(?:{_LABEL}\.)*{_LABEL}")

_PLAIN: Final = r"[^\s<>\[\]()'\"`:;,]+@[^\s<>\[\]()'\"`:;,]+"
# A line that gives the recipient by its form, best first.
POINTING: Final = (
    pattern(r"^[ \t>*]*<([^<>\s]+@[^<>\s]+)>:?[ \t]*(?:$|\(|:|\.|\s-)"),
    pattern(r"(?:final|original)-recipient: *(?:rfc822;)? *<?([^\s<>;]+@[^\s<>;]+)"),
    pattern(r"^[ \t>*•-]*([^\s<>:;,()\"]+@[^\s<>:;,()\"]+?)[ \t]*[:.]?[ \t]*(?:$|\(|\[|<|: )"),
    pattern(
        r"(?:\b(?:recipients?(?:\(s\))?|addressed(?: to)?|deliver(?:ed)? to|userid|attempts|address(?:es|\(e?s\))?|user"
        r"|to|for)|宛先|あて先|受信者|送信先|アドレス)"
        r"(?:[ \t,　]*(?:is|was|=)?[ \t　]*[:：]?[ \t　]+|[:：])['\"`\[<(]{0,2}(?:smtp:|rfc822; ?|mailto:)?"
        rf"({_PLAIN})"
    ),
    pattern(r"rcpt to: ?<?([^\s<>]+@[^\s<>]+)>?"),
    pattern(r"\b[45]\d\d[ -].{0,200}?<([^\s<>]+@[^\s<>]+)>"),
)
NOBODY: Final = pattern(
    r"^(?:mailer-daemon|po+stmaster|abuse|hostmaster|webmaster|no-?reply|.*-admin|.*-request|support|help(?:desk)?|admin"
    r"|administrator|.*-help|.*-owner|owner-.*|.*-ctl)@",
)
REPLY_LINE: Final = pattern(
    r"(?:^|[\s:<>\[(\"'#])([45]\d\d(?:[ \-#(]|$)...[^\n]*|[45]\.\d{1,3}\.\d{1,3}\b...[^\n]*)",
)
BECAUSE: Final = pattern(
    r"(?:\b(?:reason|error message|error|because|diagnostics?|details?)|理由|原因|エラー内容)[^\n:：]{0,40}[:：]"
    r"\s*([^\s][^\n]{4}[^\n]*)",
)
