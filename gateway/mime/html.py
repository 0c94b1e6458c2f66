"""The visible text of an HTML body: scripts, styles and hidden elements dropped, quotations marked with `>`."""

from __future__ import annotations

import html as entities
import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from gateway.mime import limits


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


_DROPPED: Final = _set(
    "script style head title template noscript object embed iframe svg math select textarea audio video map"
)
_BLOCKS: Final = _set(
    "address article aside blockquote body center dd div dl dt fieldset footer form h1 h2 h3 h4 h5 h6 header hr html li"
    " main nav ol p pre section table tbody tfoot thead tr ul"
)
_VOID: Final = _set("area base br col embed hr img input link meta param source track wbr !doctype")
_IMPLIED: Final = _set("p li dd dt td th tr option tbody thead tfoot colgroup")
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:]*)")
_MARKUP: Final = re.compile(r"<[^<>]*>")
_HIDING: Final = re.compile(r"<(script|style|head|title)\b", re.IGNORECASE)
_DATA_URI: Final = re.compile(r"data:[^\"'\s>]{200,}")
_LONG_TAG: Final = re.compile(r"<[a-zA-Z][^>]{4000}")  # hundreds of attributes are compared with one another
_BLANKS: Final = re.compile(r"[ \t\r\n\f]+")
_EMPTY_LINES: Final = re.compile(r"\n{3,}")
_HIDDEN: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?:px|pt|em)?\s*(?:;|$)", re.I
)
_QUOTED_CLASS: Final = re.compile(r"gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote|zmail_extra|WordSection0")


def to_text(markup: str) -> str:
    """The text that a reader of `markup` sees; markup built to hurt a parser is only stripped of its tags."""
    markup = markup[: limits.HTML_CHARACTERS]
    if "data:" in markup:
        markup = _DATA_URI.sub("", markup)
    if not _tame(markup):
        return _strip(markup)
    root = LexborHTMLParser(markup).root
    return _tidy(_render(root)) if root is not None else ""


def _tame(markup: str) -> bool:
    """Whether the tree stays flat and small: parsers take quadratic time on what is open at the same time."""
    if _LONG_TAG.search(markup):
        return False
    depth = nodes = 0
    for tag in _TAG.finditer(markup):
        nodes += 1
        closing, name = tag.groups()
        name = name.lower()
        if name in _VOID or name in _IMPLIED:
            continue
        depth = max(0, depth - 1) if closing else depth + 1
        if depth > limits.HTML_DEPTH or nodes > limits.HTML_NODES:
            return False
    return markup.count("=") <= limits.HTML_ATTRIBUTES + 2 * nodes


def _strip(markup: str) -> str:
    out: list[str] = []
    at = 0
    while (hiding := _HIDING.search(markup, at)) is not None:
        out.append(markup[at : hiding.start()])
        end = markup.lower().find("</" + hiding[1].lower(), hiding.end()) if len(out) < 50 else -1
        at = end if end >= 0 else len(markup)
    out.append(markup[at:])
    return _tidy(entities.unescape(_MARKUP.sub("\n", "".join(out))))


def _render(root: LexborNode) -> str:
    """Text in document order, by a stack of our own: an open element's end is an entry of its own."""
    out: list[str] = []
    stack: list[tuple[LexborNode | None, str, int, bool]] = [(root, "", 0, False)]
    nodes = 0
    while stack:
        node, ending, quoted, pre = stack.pop()
        if node is None:
            if ending == " ":
                out.append(ending)
            else:
                _break(out, ending)
            continue
        nodes += 1
        if nodes > limits.HTML_NODES:
            break
        following = node.next
        if following is not None and node is not root:
            stack.append((following, "", quoted, pre))
        tag = node.tag or ""
        if tag == "-text":
            text = node.text_content or ""
            out.append(text if pre else _BLANKS.sub(" ", text))
            continue
        if tag == "br":
            out.append(_newline(quoted))
            continue
        if tag in _DROPPED or tag.startswith(("-", "_", "!")) or _hidden(node):
            continue
        child = node.child
        if tag in _BLOCKS:
            deeper = quoted + (tag == "blockquote" or _is_quote(node))
            _break(out, _newline(deeper))
            stack.append((None, _newline(quoted), quoted, pre))
            if child is not None:
                stack.append((child, "", min(deeper, 9), pre or tag == "pre"))
        else:
            if tag in ("td", "th"):
                stack.append((None, " ", quoted, pre))
            if child is not None:
                stack.append((child, "", quoted, pre))
    return "".join(out)


def _newline(quoted: int) -> str:
    return "\n" + ">" * quoted + " " if quoted else "\n"


def _break(out: list[str], newline: str) -> None:
    """Begins a new line unless one has just begun."""
    while out and out[-1].isspace() and "\n" not in out[-1]:
        out.pop()
    if out and out[-1].startswith("\n"):
        out[-1] = newline
    else:
        out.append(newline)


def _hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    return "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style") or ""))


def _is_quote(node: LexborNode) -> bool:
    attributes = node.attributes
    return bool(attributes) and bool(_QUOTED_CLASS.search(attributes.get("class") or ""))


def _tidy(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\xa0", " ").split("\n")]
    kept: list[str] = []
    for line in lines:
        bare = line if line.startswith(">") else line.strip()
        if bare.strip("> ") or (kept and kept[-1]):
            kept.append(bare if bare.strip("> ") else "")
    return _EMPTY_LINES.sub("\n\n", "\n".join(kept)).strip("\n")
