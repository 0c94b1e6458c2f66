"""`${NAME}` out of the environment and `${file:PATH}` out of a secret file, put in place while a config is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.config.document import Wrong
from gateway.config.files import Faults, read_bounded
from gateway.errors import Fault
from gateway.text import Text

_PLACE = re.compile(r"\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST = 64 * 1024  # bytes of a secret


def expand(text: str, base: Path, environ: Mapping[str, str], quote: Callable[[str], str] = str) -> str:
    """The text with every `${…}` filled, each value passed through `quote`; raises `Wrong` where one is missing."""
    if "${" not in text:
        return text
    return _PLACE.sub(lambda place: quote(_value(place, base, environ)), text)


def _value(place: re.Match[str], base: Path, environ: Mapping[str, str]) -> str:
    inner = place[1]
    if inner is not None and inner.startswith("file:") and len(inner) > 5:
        return _secret(inner[5:].strip(), base)
    if inner is None or not _NAME.fullmatch(inner):
        raise Wrong(
            Text("「${」の書き方が正しくありません。", "this use of ${ means nothing"),
            Text("${名前} か ${file:パス} と書いてください。", "write ${NAME} or ${file:PATH}"),
        )
    value = environ.get(inner)
    if not value:
        raise Wrong(
            Text("環境変数 {name} が設定されていません。", "the environment variable {name} is not set").with_(
                name=inner
            ),
            Text(
                "起動するときに {name} を設定するか、値をファイルに置いて ${{file:パス}} と書いてください。",
                "set {name} where the program is started, or keep the value in a file and write ${{file:PATH}}",
            ).with_(name=inner),
        )
    return value


def _secret(path: str, base: Path) -> str:
    found: list[Fault] = []
    raw = read_bounded(base / Path(path).expanduser(), _MOST, Faults("", found))
    if raw is None:
        raise Wrong(found[0].text, found[0].mend)
    try:
        value = raw.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        value = ""
    if not value:
        raise Wrong(
            Text(
                "秘密のファイル「{path}」が空か、文字ではありません。", "the secret file {path} is empty or no text"
            ).with_(path=path),
            Text("値を一行で書いてください。", "write the value on one line"),
        )
    return value
