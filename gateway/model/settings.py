"""The gateway's settings as immutable values, with the contract's defaults (sizes in bytes, times in seconds)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.model.network import Network
from gateway.model.order import Orders
from gateway.text import Language

DAY = 86400


@dataclass(frozen=True)
class Shop:
    """Who the shop is. `addresses` holds folded addresses and `@domain`s; mail for anything else is refused."""

    name: str = "Shop"
    contact: str = "support@shop.example"
    addresses: tuple[str, ...] = ("shop@shop.example", "@order.shop.example")
    owner: str = "owner@shop.example"
    language: Language = "ja"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Tokyo"))
    orders: Orders = field(default_factory=Orders)


@dataclass(frozen=True)
class Storage:
    """Where everything is kept. `database` is a URL with an absolute path for SQLite; `keep` is None for ever."""

    database: str = field(default="sqlite:///data/sekisho.db", repr=False)  # may hold a password
    keep: int | None = 7 * 365 * DAY
    minimum_free: int = 200 * 1024 * 1024  # below this much free disk mail is answered 452


@dataclass(frozen=True)
class Listen:
    """A host and a port to listen on; `implicit_tls` for TLS from the first byte (RFC 8314)."""

    host: str
    port: int
    implicit_tls: bool = False


@dataclass(frozen=True)
class TlsFiles:
    """Certificate chain and key in PEM; read again when either changes."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class SmtpLimits:
    """Bounds on what a peer may do. Times in seconds; `line` is the longest text line in bytes without CRLF."""

    max_size: int = 50 * 1024 * 1024
    line: int = 1024 * 1024
    command_line: int = 2048
    recipients: int = 100
    commands: int = 500  # a session, those that carry mail not counted
    errors: int = 20
    messages: int = 1000  # a session
    connections: int = 1000
    connections_per_ip: int = 50
    connection_rate: int = 0  # new connections an IP a minute; 0: no limit
    command_timeout: float = 300.0
    data_timeout: float = 600.0  # the whole of DATA
    data_stall: float = 180.0  # without a byte, RFC 5321 §4.5.3.2.5
    received_hops: int = 50
    memory: int = 512 * 1024 * 1024  # bytes of mail in flight over all sessions


@dataclass(frozen=True)
class Smtp:
    """The SMTP listeners. `hostname` is the name in the banner and in trace headers ("" means the machine's)."""

    listen: tuple[Listen, ...] = (Listen("0.0.0.0", 25),)  # noqa: S104 - an MX listens on every address
    tls: TlsFiles | None = None
    hostname: str = ""
    trusted_relays: tuple[Network, ...] = ()
    proxy_protocol_from: tuple[Network, ...] = ()
    limits: SmtpLimits = field(default_factory=SmtpLimits)


@dataclass(frozen=True)
class Target:
    """Where mail is handed on (lmtp, smtp, smtps, maildir) or read (imap, imaps); `path` is for maildir alone."""

    scheme: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    path: Path | None = None
    starttls: str = "auto"  # auto: where offered | required | never
    ca: Path | None = None  # CA certificates to judge the server by; None: the system's

    @property
    def name(self) -> str:
        """The target without its secrets, as queue and log show it."""
        return f"{self.scheme}:{self.path}" if self.path else f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True)
class Outgoing:
    """The smarthost for replies and notices. `return_path` replaces the null sender where a relay refuses it."""

    target: Target
    return_path: str = ""
    sender: str = ""  # the From address of replies; "" means shop.contact


@dataclass(frozen=True)
class OAuth2:
    """How an IMAP account logs in by OAuth 2 (RFC 6749); `provider` is google or microsoft.

    `tokens` is the file that holds the refresh token; the endpoints are the provider's where they are "".
    """

    provider: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    tenant: str = "common"  # Microsoft's directory
    tokens: Path | None = None
    device_endpoint: str = ""
    token_endpoint: str = ""


@dataclass(frozen=True)
class ImapFolders:
    """The folders that held and refused mail is moved to."""

    quarantine: str = "保留"
    refused: str = "拒否"


@dataclass(frozen=True)
class ImapActions:
    """What happens in the mailbox to a mail with each verdict.

    `leave` it where it is, `move` it to its folder, hand it on by `mailbox`, or `delete` it (it stays on record).
    """

    deliver: str = "leave"  # leave | mailbox
    quarantine: str = "move"  # move | leave
    reject: str = "move"  # move | leave
    discard: str = "move"  # move | leave | delete


@dataclass(frozen=True)
class Imap:
    """A watched mailbox of the shop; `authentication_results_from` is the authserv-id to trust (RFC 8601).

    Mail that lay there before the first contact is screened where it is younger than `since` seconds (None: not at
    all), and neither moved nor answered. Mail older than `reply_within` seconds is never answered.
    """

    name: str
    server: Target
    user: str
    password: str = field(default="", repr=False)
    oauth2: OAuth2 | None = None
    inbox: str = "INBOX"
    folders: ImapFolders = field(default_factory=ImapFolders)
    sent: tuple[str, ...] = ()
    authentication_results_from: str = ""
    trusted_relays: tuple[Network, ...] = ()  # the provider's own hops; the one before them is the sender
    since: int | None = None
    actions: ImapActions = field(default_factory=ImapActions)
    keyword: str = ""  # set on every mail that was screened
    may_create: bool = True  # folders that are missing
    poll: float = 60.0  # seconds between two looks, whatever IDLE says
    reply_within: int = 2 * DAY
    timeout: float = 30.0  # one step of the conversation


@dataclass(frozen=True)
class Delivery:
    """The queue's behaviour. Times in seconds."""

    give_up_after: int = 5 * DAY
    first_retry: int = 60
    longest_retry: int = 4 * 3600
    concurrency: int = 10  # a destination
    timeout: float = 300.0  # a delivery attempt


@dataclass(frozen=True)
class Replies:
    """Caps of automatic replies: `per_day` in all, `per_address` a day for one recipient."""

    per_day: int = 500
    per_address: int = 3


@dataclass(frozen=True)
class Dns:
    """Name servers as (host, port), () for the system's; `timeout` for one question, `budget` for one message."""

    servers: tuple[tuple[str, int], ...] = ()
    timeout: float = 2.0
    budget: float = 10.0


@dataclass(frozen=True)
class Endpoint:
    """Where a local service listens: a unix socket where `path` is given, else a host and a port."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    @property
    def name(self) -> str:
        """The endpoint as logs and notes show it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix:{self.path}" if self.path else f"{host}:{self.port}"


@dataclass(frozen=True)
class External:
    """Scanners beside the gateway; None where there is none.

    `timeout` is for one message at one scanner, in seconds; what is larger than `max_size` bytes is not handed out.
    """

    rspamd: Endpoint | None = None
    clamd: Endpoint | None = None
    timeout: float = 5.0
    max_size: int = 25 * 1024 * 1024


@dataclass(frozen=True)
class Authority:
    """A time-stamp authority (RFC 3161): its URL, and the PEM file of its roots (None: those of the system)."""

    url: str
    ca: Path | None = None


@dataclass(frozen=True)
class Anchors:
    """Who outside attests checkpoints: authorities every `every` seconds, `mail` addresses every `mail_every`."""

    tsa: tuple[Authority, ...] = ()
    mail: tuple[str, ...] = ()
    every: int = DAY
    mail_every: int = 7 * DAY


@dataclass(frozen=True)
class Evidence:
    """How the evidence log is sealed: a checkpoint every `checkpoint_every` seconds, attested by `anchors`."""

    anchors: Anchors = field(default_factory=Anchors)
    checkpoint_every: int = 3600


@dataclass(frozen=True)
class Log:
    """How the program itself logs: `level` and `format` (`auto` is text on a terminal, JSON otherwise)."""

    level: str = "info"
    format: str = "auto"


@dataclass(frozen=True)
class Settings:
    """The whole config. All paths are absolute; `base` is the config file's folder."""

    shop: Shop = field(default_factory=Shop)
    storage: Storage = field(default_factory=Storage)
    smtp: Smtp | None = field(default_factory=Smtp)
    imap: tuple[Imap, ...] = ()
    mailbox: Target = field(default_factory=lambda: Target("maildir", path=Path("data/maildir")))
    outgoing: Outgoing | None = None
    delivery: Delivery = field(default_factory=Delivery)
    replies: Replies = field(default_factory=Replies)
    dns: Dns = field(default_factory=Dns)
    external: External = field(default_factory=External)
    evidence: Evidence = field(default_factory=Evidence)
    log: Log = field(default_factory=Log)
    rules: Path = Path("rules.yaml")
    templates: Path = Path("templates")
    base: Path = Path()
    source: Path | None = None  # the file these were read from
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The folder of what is kept beside the database: that of an embedded one, else `data` beside the config."""
        if self.storage.database.startswith("sqlite"):
            return Path(self.storage.database.partition("///")[2]).parent
        return self.base / "data"
