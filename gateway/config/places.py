"""Places on the network and on disk: what to listen on, where mail goes, which database, which name servers."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from gateway.config.document import Wrong, suggestion
from gateway.config.expand import expand
from gateway.config.kinds import Reading, Word
from gateway.config.words import absolute
from gateway.model.network import parse_ip
from gateway.model.settings import Endpoint, Listen, Target
from gateway.text import Text

PORTS = {"lmtp": 24, "smtp": 25, "smtps": 465, "imaps": 993, "imap": 143}
RSPAMD_PORT = 11333
CLAMD_PORT = 3310
SUBMISSION = 587  # RFC 6409, where a user name is given

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?")
_FORMS = Text(
    "lmtp://… smtp://… smtps://… imaps://… maildir:… のどれか",
    "one of lmtp://… smtp://… smtps://… imaps://… maildir:…",
)


def host_and_port(text: str, default: int | None, least: int = 1) -> tuple[str, int]:
    """`host:port` or `[v6]:port`; the port may be left out where there is a default. Raises `Wrong`."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", text)
    plain = re.fullmatch(r"([^:\[\]/@\s]+)(?::([0-9]{1,5}))?", text)
    found = bracketed or plain
    host = found[1] if found else ""
    port = int(found[2]) if found and found[2] else default
    good = parse_ip(host) is not None if bracketed else _HOST.fullmatch(host) is not None
    if plain and re.fullmatch(r"[0-9.]+", host):
        good = parse_ip(host) is not None
    if not good or port is None or not least <= port <= 65535:
        raise Wrong(
            Text("「{said}」は「ホスト:ポート」の形ではありません。", "{said!r} is not host:port").with_(
                said=text[:120]
            ),
            Text(
                '127.0.0.1:25、mail.shop.example:25、"[::1]:25" のように書いてください。',
                'write 127.0.0.1:25, mail.shop.example:25 or "[::1]:25"',
            ),
        )
    return host, port


def _listen(text: str, reading: Reading) -> Listen:
    scheme, _, rest = text.strip().rpartition("://")
    if scheme not in {"", "smtp", "smtps"}:
        raise Wrong(
            Text("待ち受けに「{scheme}://」は使えません。", "{scheme}:// cannot be listened on").with_(scheme=scheme),
            Text(
                '"0.0.0.0:25" か "smtps://0.0.0.0:465" の形で書いてください。',
                'write "0.0.0.0:25" or "smtps://0.0.0.0:465"',
            ),
        )
    host, port = host_and_port(rest, None, least=0)
    return Listen(host, port, implicit_tls=scheme == "smtps")


def _server(text: str, reading: Reading) -> tuple[str, int]:
    said = text.strip()
    if parse_ip(said) is not None:
        return said, 53
    host, port = host_and_port(said, 53)
    if parse_ip(host) is None:
        raise Wrong(
            Text("ネームサーバーは IP アドレスで書いてください。", "a name server must be an IP address"),
            Text("192.0.2.53 か 127.0.0.1:5353 のように書いてください。", "write 192.0.2.53 or 127.0.0.1:5353"),
        )
    return host, port


def filled(text: str, reading: Reading) -> str:
    """A URL with every `${…}` filled; what stands before the last @ is quoted, so that passwords may hold any sign."""
    login, at, rest = text.strip().rpartition("@")
    before = expand(login, reading.base, reading.environ, lambda value: quote(value, safe=""))
    return before + at + expand(rest, reading.base, reading.environ)


def _target(text: str, reading: Reading) -> Target:
    url = filled(text, reading)
    scheme, colon, rest = url.partition(":")
    if scheme == "maildir" and colon:
        place = rest[2:] if rest.startswith("//") else rest
        if not place:
            raise _no_url(url)
        return Target("maildir", path=absolute(place, reading.base))
    if scheme in {"imap", "imaps"} and (not rest.rpartition("@")[0].partition(":")[2]):
        raise Wrong(
            Text(
                "IMAP のメールボックスに届けるには、ユーザー名とパスワードが要ります。",
                "delivery into an IMAP mailbox needs a user and a password",
            ),
            Text(
                "imaps://ユーザー:${MAILBOX_PASSWORD}@ホスト と書いてください。",
                "write imaps://USER:${MAILBOX_PASSWORD}@HOST",
            ),
        )
    return network_target(url, ("lmtp", "smtp", "smtps", "imaps", "imap"))


def network_target(url: str, schemes: tuple[str, ...]) -> Target:
    """A target on the network out of a URL with its `${…}` filled. Raises `Wrong`; a password is never shown."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise _no_url(url)
    if scheme not in schemes:
        raise Wrong(
            Text("「{scheme}://」は使えません。", "{scheme}:// cannot be used here").with_(scheme=scheme[:20]),
            suggestion(scheme, schemes),
        )
    login, _, place = rest.rpartition("@")
    user, _, password = login.partition(":")
    place = place.removesuffix("/")
    if any(sign in place for sign in "/?#"):
        raise Wrong(
            Text("ホスト名とポートの後ろには何も書けません。", "nothing can stand after the host and the port"),
            Text("{scheme}://ホスト:ポート と書いてください。", "write {scheme}://HOST:PORT").with_(scheme=scheme),
        )
    default = SUBMISSION if scheme == "smtp" and login else PORTS[scheme]
    host, port = host_and_port(unquote(place), default)
    return Target(
        scheme, host, port, unquote(user), unquote(password), starttls=_starttls(scheme, host, bool(password))
    )


def _starttls(scheme: str, host: str, secret: bool) -> str:
    """A password never travels in the clear unless the config says so, or stays on this machine."""
    local = host == "localhost" or host == "::1" or host.startswith("127.")
    return "required" if scheme in {"smtp", "imap"} and secret and not local else "auto"


def _no_url(url: str) -> Wrong:
    said = url if "@" not in url else url.rpartition("@")[2]
    return Wrong(
        Text("「{said}」は送り先の書き方ではありません。", "{said!r} is not a place to send mail to").with_(
            said=said[:120]
        ),
        Text("{forms}で書いてください。", "write {forms}").with_(forms=_FORMS),
    )


def _database(text: str, reading: Reading) -> str:
    url = filled(text, reading)
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and separator:
        name = rest[1:] if rest.startswith("/") else ""
        if not name or name == ":memory:":
            raise Wrong(
                Text("SQLite のファイルの場所がありません。", "the SQLite file's path is missing"),
                Text("sqlite:///data/sekisho.db のように書いてください。", "write sqlite:///data/sekisho.db"),
            )
        return f"sqlite:///{absolute(name, reading.base)}"
    if scheme != "postgresql" or not re.fullmatch(r"[^/]*/[^/]+", rest):
        raise Wrong(
            Text("データベースの書き方が正しくありません。", "this is not a database that can be used"),
            Text(
                "sqlite:///data/sekisho.db か postgresql://user:${DB_PASSWORD}@host/sekisho と書いてください。",
                "write sqlite:///data/sekisho.db or postgresql://user:${DB_PASSWORD}@db.shop.example/sekisho",
            ),
        )
    return url


def _imap_server(text: str, reading: Reading) -> Target:
    return network_target(filled(text, reading), ("imaps", "imap"))


def _rspamd(text: str, reading: Reading) -> Endpoint:
    said = expand(text.strip(), reading.base, reading.environ).removesuffix("/")
    scheme, separator, rest = said.partition("://")
    if not separator or scheme != "http":
        raise ValueError(text)
    return Endpoint(*host_and_port(rest, RSPAMD_PORT))


def _clamd(text: str, reading: Reading) -> Endpoint:
    said = expand(text.strip(), reading.base, reading.environ)
    scheme, colon, rest = said.partition(":")
    if scheme == "unix" and colon:
        return Endpoint(path=absolute(rest.removeprefix("//"), reading.base))
    if scheme == "tcp" and rest.startswith("//"):
        return Endpoint(*host_and_port(rest[2:].removesuffix("/"), CLAMD_PORT))
    raise ValueError(text)


LISTEN = Word(_listen, Text("待ち受けるアドレス", "an address to listen on"))
NAME_SERVER = Word(_server, Text("ネームサーバーの IP アドレス", "the IP address of a name server"))
TARGET = Word(_target, Text("送り先（{forms}）", "a place to send mail to ({forms})").with_(forms=_FORMS), raw=True)
DATABASE = Word(_database, Text("データベースの場所", "a database URL"), raw=True)
IMAP_SERVER = Word(_imap_server, Text("imaps://ホスト の形", "imaps://HOST"), raw=True)
RSPAMD = Word(_rspamd, Text("http://127.0.0.1:11333 の形", "http://127.0.0.1:11333"))
CLAMD = Word(
    _clamd,
    Text(
        "unix:/run/clamav/clamd.ctl か tcp://127.0.0.1:3310 の形", "unix:/run/clamav/clamd.ctl or tcp://127.0.0.1:3310"
    ),
)


def _http_url(text: str, reading: Reading) -> str:
    said = text.strip()
    found = re.fullmatch(r"https?://([^/@\s]+)(/[!-~]*)?", said)
    if found is None or len(said) > 1000:
        raise ValueError(text)
    host_and_port(found[1], 443)
    return said


HTTP_URL = Word(_http_url, Text("https://… の URL", "a URL, https://…"))
