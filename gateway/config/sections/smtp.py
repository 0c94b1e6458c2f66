"""The section `smtp` of the config file."""

from __future__ import annotations

from typing import Any

from gateway.config.document import Wrong
from gateway.config.kinds import Key, Many, Section
from gateway.config.places import LISTEN
from gateway.config.sections.title import title
from gateway.config.words import LINE, NETWORKS, PRESENT_FILE, fine_span, number, size
from gateway.model.settings import Smtp, SmtpLimits, TlsFiles
from gateway.text import Text

LIMITS = Section(
    SmtpLimits,
    title("smtp.limits"),
    Key("line", size("1000B", "50MB"), Text("本文の一行の長さです。", "the longest text line")),
    Key("command_line", size("512B", "64KB"), Text("コマンドの一行の長さです。", "the longest command line")),
    Key("recipients", number(1, 10_000), Text("一通の宛先の数です。", "recipients of a message")),
    Key("commands", number(10, 100_000), Text("一回の接続のコマンドの数です。", "commands of a session")),
    Key("errors", number(1, 1000), Text("一回の接続の誤りの数です。", "errors of a session")),
    Key("messages", number(1, 1_000_000), Text("一回の接続の通数です。", "messages of a session")),
    Key("connections", number(1, 100_000), Text("同時接続の数です。", "connections at a time")),
    Key(
        "connections_per_ip",
        number(1, 100_000),
        Text("一つの IP からの同時接続の数です。", "connections of one IP at a time"),
    ),
    Key(
        "connection_rate",
        number(0, 100_000),
        Text("一つの IP からの毎分の接続の数です（0 は無制限）。", "new connections of one IP a minute (0: no limit)"),
    ),
    Key("command_timeout", fine_span("100ms", "1h"), Text("次のコマンドを待つ時間です。", "the wait for a command")),
    Key(
        "data_timeout",
        fine_span("100ms", "1d"),
        Text("本文の受信にかけてよい時間です。", "the time for the whole of DATA"),
    ),
    Key(
        "data_stall",
        fine_span("100ms", "1h"),
        Text("本文が途切れたとき待つ時間です。", "the wait for the next byte of DATA"),
    ),
    Key(
        "received_hops",
        number(5, 1000),
        Text("Received の数の上限です。", "Received fields before mail counts as looping"),
    ),
    Key("memory", size("1MB", "1000GB"), Text("受信中のメールに使うメモリーです。", "memory for mail being received")),
)


def _smtp(max_size: int | None = None, limits: SmtpLimits | None = None, **values: Any) -> Smtp:
    found = limits or SmtpLimits()
    if max_size is not None:
        found = SmtpLimits(**{**vars(found), "max_size": max_size})
    smtp = Smtp(limits=found, **values)
    if smtp.tls is None and any(listen.implicit_tls for listen in smtp.listen):
        raise Wrong(
            Text("smtps:// で待ち受けるには証明書が要ります。", "listening on smtps:// needs a certificate"),
            Text(
                "smtp に「tls: {certificate: …, key: …}」を足してください。",
                "add `tls: {certificate: …, key: …}` to smtp",
            ),
        )
    taken = [(listen.host, listen.port) for listen in smtp.listen if listen.port]
    for place in taken:
        if taken.count(place) > 1:
            raise Wrong(
                Text("{host}:{port} が二度書かれています。", "{host}:{port} is listened on twice").with_(
                    host=place[0], port=place[1]
                ),
                Text("どちらか一つにしてください。", "keep one of them"),
            )
    return smtp


SMTP = Section(
    _smtp,
    title("smtp"),
    Key(
        "listen",
        Many(LISTEN, least=1, most=64),
        Text("待ち受けるアドレスとポートです。", "addresses and ports to listen on"),
    ),
    Key(
        "tls",
        Section(
            TlsFiles,
            title("smtp.tls"),
            Key("certificate", PRESENT_FILE, Text("証明書（PEM）です。", "the certificate chain, PEM"), required=True),
            Key("key", PRESENT_FILE, Text("秘密鍵（PEM）です。", "the private key, PEM"), required=True),
        ),
        Text("TLS の証明書です。", "the TLS certificate"),
    ),
    Key("hostname", LINE, Text("名乗るホスト名です。", "the host name in the banner and in trace headers")),
    Key("max_size", size("64KB", "1GB"), Text("一通の大きさの上限です。", "the largest message")),
    Key(
        "trusted_relays",
        Many(NETWORKS),
        Text("自社の前段サーバーです。", "own front servers: the hop before them is the sender"),
    ),
    Key(
        "proxy_protocol_from",
        Many(NETWORKS),
        Text("PROXY プロトコルを受け入れる範囲です。", "who may speak the PROXY protocol"),
    ),
    Key("limits", LIMITS, Text("相手ができることの上限です。", "bounds on what a peer may do")),
)
