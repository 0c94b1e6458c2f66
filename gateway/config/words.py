"""Single values as people write them: lengths of time, sizes, addresses, networks, paths, time zones."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import re2

from gateway.config.document import Wrong, suggestion
from gateway.config.files import shown
from gateway.config.kinds import Reading, Word
from gateway.config.patterns import checked_pattern
from gateway.model.entry import Who, parse_entry
from gateway.model.network import Network, parse_network
from gateway.text import Text

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d|w|y)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(B|[KMG]i?B?)?", re.IGNORECASE)
_SIZES = {"": 1, "B": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_LONGEST = 100 * 365 * 86400

SPAN = Text("7d、24h、90m、30s のような長さ", "a length of time such as 7d, 24h, 90m or 30s")
SIZE = Text("50MB、512KB のような大きさ", "a size such as 50MB or 512KB")
ADDRESS = Text("name@shop.example のようなアドレス", "an address such as name@shop.example")
NETWORK = Text("192.0.2.0/24 のような IP アドレスの範囲", "an IP network such as 192.0.2.0/24")


def seconds(text: str) -> float:
    """The seconds of a length of time such as `7d`; a year has 365 days. Raises `ValueError`."""
    found = _SPAN.fullmatch(unicodedata.normalize("NFKC", text).strip())
    value = float(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < value <= _LONGEST:
        raise ValueError(text)
    return value


def octets(text: str) -> int:
    """The bytes of a size such as `50MB`, units in steps of 1024. Raises `ValueError`."""
    found = _SIZE.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if not found:
        raise ValueError(text)
    unit = (found[2] or "").upper()
    return int(float(found[1]) * _SIZES[unit if unit in _SIZES else unit[:1]])


def whole_seconds(text: str) -> int:
    """A length of time in whole seconds, one at least. Raises `ValueError`."""
    return max(1, round(seconds(text)))


def mailbox_address(text: str) -> str:
    """One address as written, checked. Raises `ValueError`."""
    entry = parse_entry(text)
    if entry is None or entry.who is not Who.ADDRESS or "<" in text or any(c.isspace() for c in text):
        raise ValueError(text)
    return text.strip()


def _own_address(text: str, reading: Reading) -> str:
    entry = parse_entry(text)
    if entry is None or entry.who not in {Who.ADDRESS, Who.DOMAIN}:
        raise ValueError(text)
    return entry.value


def _keep(text: str, reading: Reading) -> int | None:
    return None if text == "forever" else whole_seconds(text)


def _since(text: str, reading: Reading) -> int | None:
    return None if text == "now" else whole_seconds(text)


def _keyword(text: str, reading: Reading) -> str:
    if not re.fullmatch(r"\$?[A-Za-z0-9_.-]{1,40}", text.strip()):
        raise ValueError(text)
    return text.strip()


def _order_pattern(text: str, reading: Reading) -> str:
    folded = checked_pattern(text)
    if re2.search(folded, b"") is not None:
        raise Wrong(
            Text("このパターンは空の文字にも当てはまります。", "the pattern fits an empty text"),
            Text(r"\d{8} のように、必ず文字に当たる形にしてください。", r"make it need a character, such as \d{8}"),
        )
    return folded.decode()


def _line(text: str, reading: Reading) -> str:
    if len(text) > 1000 or not text.strip() or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise ValueError(text)
    return text.strip()


def _yes_no(text: str, reading: Reading) -> bool:
    return truth(text)


def truth(text: str) -> bool:
    """Yes or no in the words that YAML files use. Raises `ValueError`."""
    word = text.strip().lower()
    if word in {"true", "yes", "on"}:
        return True
    if word in {"false", "no", "off"}:
        return False
    raise ValueError(text)


def _network(text: str, reading: Reading) -> Network:
    network = parse_network(text.strip())
    if network is None:
        raise ValueError(text)
    return network


def _path(text: str, reading: Reading) -> Path:
    return absolute(text, reading.base)


def absolute(text: str, base: Path) -> Path:
    """A path as written, taken from `base`; `~` is the user's home. Raises `ValueError`."""
    if not text.strip() or "\0" in text:
        raise ValueError(text)
    try:
        path = Path(text.strip()).expanduser()
    except RuntimeError as error:
        raise ValueError(text) from error
    # normalised without following links: a linked certificate folder must keep its own name
    return Path.cwd().joinpath(base, path)


def _present(text: str, reading: Reading) -> Path:
    path = absolute(text, reading.base)
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise Wrong(
            Text("ファイル「{name}」を開けません（{reason}）。", "the file {name} cannot be opened ({reason})").with_(
                name=shown(path), reason=error.strerror
            ),
            Text("場所と読み取りの権限を確かめてください。", "check where it is and who may read it"),
        ) from error


def _timezone(text: str, reading: Reading) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        names = {name for name in available_timezones() if "/" in name}
        said = Text("「{said}」という時間帯はありません。", "there is no time zone {said!r}").with_(said=text[:80])
        near = {name for name in names if name.lower().endswith("/" + text.strip().lower())}
        raise Wrong(said, suggestion(text, near or names | {"UTC"}) if near or text else None) from error


def number(least: int, most: int) -> Word[int]:
    """A whole number within bounds."""

    def parse(text: str, reading: Reading) -> int:
        plain = unicodedata.normalize("NFKC", text).strip().replace("_", "")
        if not re.fullmatch(r"[0-9]{1,15}", plain) or not least <= int(plain) <= most:
            raise ValueError(text)
        return int(plain)

    return Word(parse, Text(f"{least} から {most} までの整数", f"a whole number from {least} to {most}"))


def span(least: str = "1s", most: str = "100y") -> Word[int]:
    """A length of time in whole seconds within bounds."""
    return Word(lambda text, _: round(_within(text, least, most)), _bounded(least, most), pattern=_SPAN.pattern)


def fine_span(least: str = "100ms", most: str = "1d") -> Word[float]:
    """A length of time in seconds and parts of them, within bounds."""
    return Word(lambda text, _: _within(text, least, most), _bounded(least, most), pattern=_SPAN.pattern)


def _within(text: str, least: str, most: str) -> float:
    value = seconds(text)
    if not seconds(least) <= value <= seconds(most):
        raise ValueError(text)
    return value


def _bounded(least: str, most: str) -> Text:
    return Text(
        f"{least} から {most} までの長さ（7d、24h、90m、30s のように単位をつけます）",
        f"a length of time from {least} to {most}, with its unit (7d, 24h, 90m, 30s)",
    )


def size(least: str, most: str) -> Word[int]:
    """A number of bytes within bounds."""

    def parse(text: str, reading: Reading) -> int:
        value = octets(text)
        if not octets(least) <= value <= octets(most):
            raise ValueError(text)
        return value

    what = Text(f"{least} から {most} までの大きさ", f"a size from {least} to {most}")
    return Word(parse, what, pattern=_SIZE.pattern)


LINE = Word(_line, Text("一行の文字（1000 字まで）", "one line of text of at most 1000 characters"))
YES_NO = Word(_yes_no, Text("true か false", "true or false"), values=("true", "false"))
SINCE = Word(_since, Text("now か、30d のような長さ", "a length of time such as 30d, or now"))
KEYWORD = Word(_keyword, Text("Sekisho のような英数字の語", "a word such as Sekisho of letters, digits, _ . -"))
KEEP = Word(_keep, Text("7y のような長さか forever", "a length of time such as 7y, or forever"))
MAIL_ADDRESS = Word(lambda text, _: mailbox_address(text), ADDRESS)
ORDER_PATTERN = Word(_order_pattern, Text("RE2 の正規表現", "an RE2 pattern"))
OWN_ADDRESS = Word(
    _own_address,
    Text('shop@shop.example か "@shop.example" の形', 'shop@shop.example or "@shop.example"'),
)
NETWORKS = Word(_network, NETWORK)
PATH = Word(_path, Text("ファイルかフォルダーの場所", "a path"))
PRESENT_FILE = Word(_present, Text("ファイルの場所", "the path of a file"))
TIMEZONE = Word(_timezone, Text("Asia/Tokyo のような時間帯", "a time zone such as Asia/Tokyo"))
