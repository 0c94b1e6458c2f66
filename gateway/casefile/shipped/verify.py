#!/usr/bin/env python3
"""Checks an evidence bundle of Sekisho. Needs Python 3.9 or newer and nothing else; changes nothing.

    python3 verify.py                   the bundle that this file lies in
    python3 verify.py case.zip          a bundle as it was handed over
    python3 verify.py case.zip NOTE…    and against checkpoints that you kept yourself, such as a mailed one

Exit code 0: everything holds. 1: something does not, and is named. 2: this is no bundle.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

BLOCK = 256
MOST_SHOWN = 40
LEAF = re.compile(r"sekisho/1 (\d{1,18}) (\S{27}) ([!-~]{1,40}) ([0-9a-f]{64})")
GONE = re.compile(r"deleted (\d{1,18}) (\S{27}) ([!-~]{1,40}) ([0-9a-f]{64})")


class NoBundle(Exception):
    """What was given is no bundle that can be read."""


class Findings:
    """What does not hold (`faults`, each with a code) and what was checked (`notes`); Japanese and English."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str, str]] = []
        self.notes: list[tuple[str, str]] = []

    def fault(self, code: str, ja: str, en: str) -> None:
        """Something does not hold."""
        self.faults.append((code, ja, en))

    def note(self, ja: str, en: str) -> None:
        """Something was checked, or is worth knowing."""
        self.notes.append((ja, en))


class Bundle:
    """The files of a bundle, out of a folder or a zip; names are relative to the bag."""

    def __init__(self, path: Path) -> None:
        self._zip: zipfile.ZipFile | None = None
        self._root = path
        if path.is_dir():
            if not (path / "bagit.txt").is_file():
                raise NoBundle("bagit.txt is missing")
            self.names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise NoBundle(str(error)) from error
        tops = [name for name in self._zip.namelist() if name.count("/") <= 1 and name.endswith("bagit.txt")]
        if not tops:
            raise NoBundle("bagit.txt is missing")
        self._top = tops[0][: -len("bagit.txt")]
        inside = [name for name in self._zip.namelist() if name.startswith(self._top) and not name.endswith("/")]
        self.names = sorted(name[len(self._top) :] for name in inside)
        self.outside = [name for name in self._zip.namelist() if not name.startswith(self._top)]
        if len(set(self.names)) != len(self.names):
            raise NoBundle("a name occurs twice in the zip")

    def open(self, name: str) -> Any:
        """The file of this name as a stream of bytes."""
        return self._zip.open(self._top + name) if self._zip is not None else (self._root / name).open("rb")

    def read(self, name: str) -> bytes:
        """The content of a file; empty where it is missing."""
        if name not in self._known:
            return b""
        with self.open(name) as stream:
            content: bytes = stream.read()
            return content

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._known

    @property
    def _known(self) -> set[str]:
        if not hasattr(self, "_names"):
            self._names = set(self.names)
        return self._names

    def digest(self, name: str) -> str:
        """SHA-256 of a file, hex; "" where it is missing."""
        if name not in self._known:
            return ""
        state = hashlib.sha256()
        with self.open(name) as stream:
            for piece in iter(lambda: stream.read(1 << 20), b""):
                state.update(piece)
        return state.hexdigest()


def check(path: Path, kept: tuple[str, ...] = ()) -> Findings:
    """Everything about a bundle; `kept` are checkpoints that the reader has from elsewhere. Raises `NoBundle`."""
    bundle = Bundle(path)
    found = Findings()
    _manifest(bundle, found)
    log = Log(bundle, found)
    note = _checkpoint(bundle, log, found)
    _anchors(bundle, log, note, kept, found)
    records = _records(bundle, log, found)
    _deletions(log, records, found)
    _handed_over(bundle, log, note, records, found)
    _paths(bundle, log, note, found)
    return found


# --- the bag ---------------------------------------------------------------------------------------------------------


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").splitlines()


def _manifest(bundle: Bundle, found: Findings) -> None:
    listed: dict[str, str] = {}
    for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        for line in _lines(bundle.read(name)):
            digest, _, file = line.partition("  ")
            listed[file] = digest
    for file, digest in sorted(listed.items()):
        if not bundle.has(file):
            found.fault("FILE_MISSING", f"{file} がありません。", f"{file} is missing.")
        elif bundle.digest(file) != digest:
            found.fault("FILE_CHANGED", f"{file} が変更されています。", f"{file} was changed.")
    for file in bundle.names:
        if file not in listed and file != "tagmanifest-sha256.txt":
            found.fault("FILE_ADDED", f"{file} が付け加えられています。", f"{file} was added.")
    for file in getattr(bundle, "outside", []):
        found.fault("FILE_ADDED", f"{file} が付け加えられています。", f"{file} was added.")
    key, signature = _public_key(bundle), bundle.read("signature/manifest-sha256.txt.ed25519")
    if key is None or not ed25519_verify(key, bundle.read("manifest-sha256.txt"), signature):
        found.fault(
            "MANIFEST_SIGNATURE",
            "ファイル一覧の署名が正しくありません。作成後に、ファイルか一覧が変更されています。",
            "The signature of the list of files is not good: files or the list were changed after it was made.",
        )
    else:
        found.note(f"ファイル {len(listed)} 個と一覧の署名", f"{len(listed)} files and the signature of their list")


# --- the log ---------------------------------------------------------------------------------------------------------


class Log:
    """The leaves of the whole log in order, and the roots of its beginnings."""

    def __init__(self, bundle: Bundle, found: Findings) -> None:
        self.texts: list[str] = []
        self.hashes: list[bytes] = []
        self.deleted: dict[int, str] = {}
        self._blocks: list[bytes] = []
        numbers: list[int] = []
        for line in _lines(bundle.read("data/verify/leaves.txt")):
            match = LEAF.fullmatch(line)
            if match:
                self.hashes.append(hashlib.sha256(b"\0" + line.encode()).digest())
            else:
                match = GONE.fullmatch(line)
                if not match:
                    found.fault("LEAF_CHANGED", f"ログの行を読めません: {line[:60]}", f"Not a leaf: {line[:60]}")
                    continue
                self.hashes.append(bytes.fromhex(match[4]))
                self.deleted[int(match[1])] = match[3]
            self.texts.append(line)
            numbers.append(int(match[1]))
        self._order(numbers, found)
        self.place = {number: at for at, number in enumerate(numbers)}

    def _order(self, numbers: list[int], found: Findings) -> None:
        present = set(numbers)
        missing = [n for n in range(max(numbers, default=-1) + 1) if n not in present]
        for number in missing[:5]:
            found.fault(
                "RECORD_MISSING", f"記録 {number} が取り除かれています。", f"Record {number} was taken out of the log."
            )
        seen: set[int] = set()
        for number in numbers:
            if number in seen:
                found.fault(
                    "RECORD_INSERTED",
                    f"記録 {number} が二つあります。一方は後から挿入されたものです。",
                    f"There are two records {number}: one was inserted.",
                )
                return
            seen.add(number)
        wrong = [numbers[at] for at in range(len(numbers) - 1) if numbers[at + 1] < numbers[at]]
        if wrong:
            found.fault(
                "RECORDS_SWAPPED",
                f"記録の順序が入れ替えられています（記録 {wrong[0]} の後）。",
                f"Records were swapped: the order is broken after record {wrong[0]}.",
            )

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self.hashes)

    def root(self, size: int) -> bytes:
        """The root hash of the first `size` leaves (RFC 6962, section 2.1)."""
        while len(self._blocks) < size // BLOCK:
            at = len(self._blocks) * BLOCK
            self._blocks.append(_tree(self.hashes[at : at + BLOCK]))
        whole = size // BLOCK
        rest = self.hashes[whole * BLOCK : size]
        return _tree(self._blocks[:whole] + ([_tree(rest)] if rest else [])) if size else hashlib.sha256(b"").digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _tree(level: list[bytes]) -> bytes:
    """The root over hashes of which all but the last stand for equally many leaves, a power of two."""
    while len(level) > 1:
        above = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = above + ([level[-1]] if len(level) % 2 else [])
    return level[0]


# --- checkpoint and anchors ------------------------------------------------------------------------------------------


class Note:
    """A signed checkpoint: C2SP tlog-checkpoint in a C2SP signed note."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.body, _, signatures = text.partition("\n\n")
        self.body += "\n"
        lines = self.body.split("\n")
        if len(lines) < 4 or not lines[1].isdigit():
            raise ValueError("not a checkpoint")
        self.origin, self.size, self.root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
        self.signatures = [line[2:].split(" ") for line in signatures.splitlines() if line.startswith("— ")]

    def signed_by(self, key: bytes) -> bool:
        """Whether the note bears a good signature of this Ed25519 key."""
        name = hashlib.sha256(self.origin.encode() + b"\n\x01" + key).digest()[:4]
        for parts in self.signatures:
            if len(parts) == 2 and parts[0] == self.origin:
                raw = base64.b64decode(parts[1])
                if raw[:4] == name and ed25519_verify(key, self.body.encode(), raw[4:]):
                    return True
        return False


def _public_key(bundle: Bundle) -> bytes | None:
    pem = bundle.read("data/verify/keys/ed25519.pem").decode("ascii", "replace")
    raw = base64.b64decode("".join(line for line in pem.splitlines() if "-----" not in line) or "")
    return raw[-32:] if len(raw) == 44 else None


def _checkpoint(bundle: Bundle, log: Log, found: Findings) -> Note | None:
    try:
        note = Note(bundle.read("data/verify/checkpoint.txt").decode("utf-8"))
    except (ValueError, UnicodeDecodeError):
        found.fault("CHECKPOINT", "チェックポイントを読めません。", "The checkpoint cannot be read.")
        return None
    key = _public_key(bundle)
    name = bundle.read("data/verify/keys/verifier.txt").decode("utf-8", "replace").split("+")[0]
    if note.origin != name:
        found.fault(
            "OTHER_LOG",
            f"チェックポイントは、別のゲートウェイ（{note.origin}）のものです。この一式のログは {name} です。",
            f"The checkpoint belongs to another gateway, {note.origin}; the log of this bundle is {name}.",
        )
        return note
    if key is None or not note.signed_by(key):
        found.fault(
            "SIGNATURE",
            "チェックポイントに、このゲートウェイの鍵による正しい署名がありません。",
            "The checkpoint bears no good signature of this gateway's key: altered, or another gateway's.",
        )
    if log.size < note.size:
        found.fault(
            "LOG_CUT",
            f"ログは {log.size} 件で終わっていますが、チェックポイントは {note.size} 件を証明しています。"
            "取り除かれています。",
            f"The log ends after {log.size} records, but the checkpoint seals {note.size}: it was cut.",
        )
    elif log.size > note.size:
        found.fault(
            "RECORD_INSERTED",
            f"ログが {log.size} 件あり、チェックポイントの {note.size} 件より多くなっています。挿入されています。",
            f"The log has {log.size} records, more than the {note.size} that the checkpoint seals: some were inserted.",
        )
    elif log.root(note.size) != note.root:
        found.fault(
            "ROOT",
            "ログのルートハッシュが、署名されたチェックポイントと合いません。記録が変更・入替・挿入されています。",
            "The log does not have the root hash that was signed: records were altered, swapped or inserted.",
        )
    else:
        found.note(
            f"ログ全 {note.size} 件とチェックポイント（{note.origin}）",
            f"all {note.size} records of the log against the checkpoint of {note.origin}",
        )
    return note


def _anchors(bundle: Bundle, log: Log, newest: Note | None, kept: tuple[str, ...], found: Findings) -> None:
    anchors: list[tuple[str, str, str, str]] = []
    for line in _lines(bundle.read("data/verify/anchors.txt")):
        parts = line.split(" ")
        if len(parts) >= 4 and parts[0].isdigit():
            anchors.append((parts[0], parts[1], parts[3], bundle.read(f"data/verify/anchors/{parts[0]}.txt").decode()))
    anchors += [(f"NOTE {at}", "kept", "", text) for at, text in enumerate(kept, 1)]
    for name, kind, stamped, text in anchors:
        try:
            note = Note(text)
        except ValueError:
            found.fault("ANCHOR", f"アンカー {name} を読めません。", f"Anchor {name} cannot be read.")
            continue
        if kind == "rfc3161":
            _time_stamp(bundle, name, text.encode(), stamped, found)
        if newest is not None and note.origin != newest.origin:
            found.fault(
                "OTHER_LOG",
                f"アンカー {name} は、別のゲートウェイ（{note.origin}）のものです。",
                f"Anchor {name} belongs to another gateway, {note.origin}.",
            )
        elif note.size > log.size:
            found.fault(
                "LOG_CUT",
                f"外部に固定された {note.size} 件目までの記録が、ログ（{log.size} 件）にありません。"
                "取り除かれています。",
                f"Anchor {name} fixed {note.size} records outside, but the log has {log.size}: it was cut.",
            )
        elif log.root(note.size) != note.root:
            found.fault(
                "LOG_REWRITTEN",
                f"最初の {note.size} 件が、外部に固定されたとき（アンカー {name}）と違います。"
                "その後に書き換えられています。",
                f"The first {note.size} records are not those that anchor {name} fixed outside:"
                " the log was rewritten after that.",
            )
        else:
            found.note(f"アンカー {name}（{note.size} 件）", f"anchor {name} at {note.size} records")
    if not anchors:
        found.note(
            "外部のアンカーはありません。店自身による書き換えは、この一式だけでは否定できません",
            "there is no outside anchor: this bundle alone cannot show that the shop itself rewrote nothing",
        )


_IMPRINTS = (
    bytes.fromhex("3031300d060960864801650304020105000420"),
    bytes.fromhex("302f300b0609608648016503040201" + "0420"),
)


def _time_stamp(bundle: Bundle, name: str, note: bytes, stamped: str, found: Findings) -> None:
    base = f"data/verify/anchors/{name}"
    response, digest = bundle.read(f"{base}.tsr"), hashlib.sha256(note).digest()
    if not any(prefix + digest in response for prefix in _IMPRINTS):
        found.fault(
            "ANCHOR",
            f"タイムスタンプ {name} は、添えられたチェックポイントのものではありません。",
            f"Time stamp {name} is not over the checkpoint beside it.",
        )
        return
    openssl = shutil.which("openssl")
    if openssl is None:
        found.note(
            f"タイムスタンプ {name} の署名は未確認です（openssl がありません。verify.sh で確認できます）",
            f"the authority's signature on time stamp {name} was not checked: there is no openssl here",
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        for suffix, content in (("txt", note), ("tsr", response), ("pem", bundle.read(f"{base}.pem"))):
            (Path(folder) / suffix).write_bytes(content)
        command = [openssl, "ts", "-verify", "-data", "txt", "-in", "tsr", "-CAfile", "pem", "-untrusted", "pem"]
        if stamped.isdigit():
            command += ["-attime", stamped]
        ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603 - files of ours alone
    utc = timezone.utc  # noqa: UP017 - there is no datetime.UTC in Python 3.9
    when = datetime.fromtimestamp(int(stamped), utc).isoformat() if stamped.isdigit() else "?"
    if ran.returncode:
        found.fault(
            "ANCHOR", f"タイムスタンプ {name} の署名が正しくありません。", f"The signature of time stamp {name} is bad."
        )
    else:
        found.note(f"タイムスタンプ {name}（{when}）", f"time stamp {name} of {when}")


# --- records, deletions, and what was handed over --------------------------------------------------------------------


def _records(bundle: Bundle, log: Log, found: Findings) -> dict[int, dict[str, Any]]:
    opened: dict[int, dict[str, Any]] = {}
    for name in bundle.names:
        match = re.fullmatch(r"data/verify/records/(\d{1,18})\.bin", name)
        if not match:
            continue
        seq, content = int(match[1]), bundle.read(name)
        leaf = LEAF.fullmatch(log.texts[log.place[seq]]) if seq in log.place else None
        if leaf is None or leaf[4] != hashlib.sha256(content).hexdigest():
            found.fault(
                "RECORD_CHANGED", f"記録 {seq} の内容が変更されています。", f"The content of record {seq} was changed."
            )
            continue
        opened[seq] = {"kind": leaf[3], "said": json.loads(content[32:].decode("utf-8"))}
    found.note(f"開示された記録 {len(opened)} 件", f"{len(opened)} disclosed records")
    return opened


def _deletions(log: Log, records: dict[int, dict[str, Any]], found: Findings) -> None:
    by_rule: dict[str, int] = {}
    covered: dict[int, str] = {}
    for record in records.values():
        if record["kind"] == "deletion":
            for first, last in record["said"].get("records", ()):
                for seq in log.deleted:
                    if first <= seq <= last:
                        covered[seq] = str(record["said"].get("rule", "?"))
    for seq in sorted(log.deleted):
        if seq in covered:
            by_rule[covered[seq]] = by_rule.get(covered[seq], 0) + 1
        else:
            found.fault(
                "DELETED_WITHOUT_RECORD",
                f"記録 {seq} の内容が、削除の記録なしに除かれています。",
                f"The content of record {seq} is left out, and no record of a deletion covers it.",
            )
    for rule, count in sorted(by_rule.items()):
        words = {"retention": ("保存期間の満了", "end of retention"), "erasure": ("本人の請求", "request")}
        ja, en = words.get(rule, (rule, rule))
        found.note(f"削除済みの記録 {count} 件（{ja}。証明は残る）", f"{count} records deleted ({en}); proofs stay")


def _handed_over(
    bundle: Bundle, log: Log, note: Note | None, records: dict[int, dict[str, Any]], found: Findings
) -> None:
    lines = [line.split(" ") for line in _lines(bundle.read("data/verify/exhibits.txt"))]
    export = next((int(parts[1]) for parts in lines if parts[0] == "export" and parts[1].isdigit()), -1)
    record = records.get(export)
    if export >= log.size or (note is not None and export >= note.size):
        found.fault(
            "LOG_CUT",
            f"この一式の作成を記した記録 {export} がログにありません。末尾が切り取られています。",
            f"Record {export}, which tells of this bundle's making, is not in the log: its end was cut off.",
        )
        return
    if record is None or record["kind"] != "export":
        found.fault(
            "EXPORT",
            "この一式の作成を記した記録がありません。",
            "The record that tells of this bundle's making is missing.",
        )
        return
    listed = bundle.read("data/verify/exhibits.txt").partition(b"\n")[2]
    if hashlib.sha256(listed).hexdigest() != record["said"].get("list"):
        found.fault(
            "TABLE_CHANGED",
            "verify/exhibits.txt が、作成時にログへ記されたものと違います。書証が加えられたか除かれています。",
            "verify/exhibits.txt is not what was logged when the bundle was made: exhibits were added or removed.",
        )
    for name, digest in sorted(record["said"].get("files", {}).items()):
        if bundle.digest(f"data/{name}") != digest:
            found.fault(
                "TABLE_CHANGED",
                f"{name} が、作成時にログへ記されたものと違います。行が変更されています。",
                f"{name} is not what was logged when the bundle was made: rows were changed.",
            )
    exhibits = [(int(p[0]), p[1], p[2]) for p in lines if len(p) == 3 and p[0].isdigit()]
    by_digest = {digest: name for _, name, digest in exhibits if digest != "-"}
    for seq, name, digest in exhibits:
        if digest != "-":
            _mail(bundle, name, seq, digest, by_digest, records, found)
        if not any(one.startswith(f"data/03_exhibits/{name}") for one in bundle.names):
            found.fault("EXHIBIT_MISSING", f"書証 {name} がありません。", f"The paper of exhibit {name} is missing.")
    known = {name for _, name, _ in exhibits}
    for one in bundle.names:
        match = re.fullmatch(r"data/(eml|03_exhibits)/([a-z]+-\d+)(?:-\d+)?\.(?:eml|pdf)", one)
        if one.startswith(("data/eml/", "data/03_exhibits/")) and (not match or match[2] not in known):
            found.fault(
                "MAIL_INSERTED",
                f"{one} は、この一式の作成時にはなかったものです。挿入されています。",
                f"{one} was not part of the bundle when it was made: it was inserted.",
            )
    found.note(f"書証 {len(exhibits)} 件の原本", f"the originals of {len(exhibits)} exhibits")


def _mail(
    bundle: Bundle,
    name: str,
    seq: int,
    digest: str,
    by_digest: dict[str, str],
    records: dict[int, dict[str, Any]],
    found: Findings,
) -> None:
    file = f"data/eml/{name}.eml"
    actual = bundle.digest(file)
    if not actual:
        found.fault(
            "MAIL_MISSING",
            f"書証 {name}（記録 {seq}）の原本 {file} が取り除かれています。",
            f"The original of exhibit {name} (record {seq}) was removed: {file}.",
        )
    elif actual != digest:
        other = by_digest.get(actual)
        if other:
            found.fault(
                "MAIL_SWAPPED",
                f"書証 {name} の原本が、{other} のものと入れ替えられています。",
                f"The original of exhibit {name} was swapped with that of {other}.",
            )
        else:
            found.fault(
                "MAIL_CHANGED",
                f"書証 {name}（記録 {seq}）の原本 {file} が変更されています。",
                f"The original of exhibit {name} (record {seq}) was changed: {file}.",
            )
    record = records.get(seq)
    if record is None or record["said"].get("sha256") != digest:
        found.fault(
            "RECORD_CHANGED",
            f"書証 {name} の記録 {seq} が、その原本を証明していません。",
            f"Record {seq} does not vouch for the original of exhibit {name}.",
        )


def _paths(bundle: Bundle, log: Log, note: Note | None, found: Findings) -> None:
    """The audit paths beside the records (RFC 9162, section 2.1.3.2), for readers who do not want the whole log."""
    count = 0
    for name in bundle.names:
        match = re.fullmatch(r"data/verify/proofs/(\d{1,18})\.txt", name)
        if not match or note is None:
            continue
        seq, count = int(match[1]), count + 1
        leaf = log.hashes[log.place[seq]] if seq in log.place else b""
        path = [bytes.fromhex(line) for line in _lines(bundle.read(name))]
        if _climb(seq, note.size, leaf, path) != note.root:
            found.fault(
                "PROOF", f"記録 {seq} の証明が成り立ちません。", f"The proof of record {seq} does not lead to the root."
            )
    if count:
        found.note(f"個別の証明 {count} 件", f"{count} proofs of single records")


def _climb(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes | None:
    node, rest, here = index, size - 1, leaf
    for sibling in path:
        if rest == 0:
            return None
        if node & 1 or node == rest:
            here = _node(sibling, here)
            while not node & 1 and node:
                node, rest = node >> 1, rest >> 1
        else:
            here = _node(here, sibling)
        node, rest = node >> 1, rest >> 1
    return here if rest == 0 else None


# --- Ed25519 (RFC 8032) ----------------------------------------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]


def _add(a: Point, b: Point) -> Point:
    left, right = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    t, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = right - left, z - t, z + t, right + left
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    result: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point, scalar = _add(point, point), scalar >> 1
    return result


def _point(raw: bytes) -> Point | None:
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def ed25519_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature is good."""
    base = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if len(key) != 32 or len(signature) != 64 or base is None:
        return False
    public, r, s = _point(key), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if public is None or r is None or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % Q
    left, right = _times(s, base), _add(r, _times(h, public))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- the command -----------------------------------------------------------------------------------------------------


def report(found: Findings, say: Callable[[str], Any] = print) -> None:
    """What was found, in both languages."""
    for ja, en in found.notes:
        say(f"・{ja}\n    {en}")
    for code, ja, en in found.faults[:MOST_SHOWN]:
        say(f"✗ [{code}] {ja}\n    {en}")
    if len(found.faults) > MOST_SHOWN:
        more = len(found.faults) - MOST_SHOWN
        say(f"  ほか {more} 件 / {more} more")
    if not found.faults:
        say("✓ すべて、記録されたときのままです。\n    Everything is as it was recorded.")


def main(arguments: list[str]) -> int:
    """Run the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    path = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[2]
    try:
        kept = tuple(Path(name).read_text("utf-8") for name in arguments[1:])
        found = check(path, kept)
    except (NoBundle, OSError) as error:
        sys.stderr.write(f"証拠一式ではありません / not a bundle: {error}\n")
        return 2
    report(found)
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
