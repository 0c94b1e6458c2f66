#!/usr/bin/env python3
"""Checks an evidence bundle of Sekisho. Needs Python 3.9 or newer and nothing else; changes nothing.

    python3 verify.py                   the bundle that this file lies in
    python3 verify.py case.zip          a bundle as it was handed over
    python3 verify.py case.zip NOTE…    and against checkpoints that you kept yourself, such as a mailed one

Exit code 0: everything holds. 1: something does not, and is named. 2: this is no bundle.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

BLOCK = 256
MOST_SHOWN = 40
_REST = r" (\d{1,18}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([a-z][a-z0-9._-]{0,39}) ([0-9a-f]{64})"
LEAF, GONE = re.compile(f"sekisho/1{_REST}", re.ASCII), re.compile(f"deleted{_REST}", re.ASCII)
EXHIBIT = re.compile(r"(\d{1,18}) ([a-z]+-\d+) ([0-9a-f]{64}|-)", re.ASCII)

MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
SIGNED = (MANIFEST, "bag-info.txt")
TAGS = ("bagit.txt", *SIGNED, *(f"signature/{name}.{way}" for name in SIGNED for way in ("ed25519", "ecdsa")))
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
# Made after the record of the making, which fixes all other files: the papers are prints of what it fixes.
PRINTS = re.compile(
    r"data/(?:00_readme_(?:ja|en)\.txt|0[12]_[a-z_]+\.(?:pdf|docx)|12_police_memo\.docx"
    r"|verify/(?:tejunsho\.txt|verify\.py|verify\.sh|checkpoint\.(?:txt|ecdsa)|consistency\.txt|leaves\.txt"
    r"|anchors\.txt|exhibits\.txt|anchors/\d{3,}\.(?:txt|tsq|tsr|pem)|(?:records|proofs)/\d{8,}\.(?:bin|txt)))",
    re.ASCII,
)


# What reading a damaged zip raises.
DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError)


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
        self.outside: list[str] = []  # what lies there beside the files of the bag
        if path.is_dir():
            if not (path / "bagit.txt").is_file():
                raise NoBundle("bagit.txt is missing")
            below = [(p, p.relative_to(path).as_posix()) for p in path.rglob("*")]
            self.names = sorted(name for p, name in below if p.is_file() and not p.is_symlink())
            self.outside = [name for p, name in below if p.is_symlink() or not (p.is_file() or p.is_dir())]
            return
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGED as error:
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
        try:
            with self.open(name) as stream:
                content: bytes = stream.read()
                return content
        except DAMAGED:
            return b""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._known

    @property
    def _known(self) -> set[str]:
        if not hasattr(self, "_names"):
            self._names = set(self.names)
        return self._names

    def digest(self, name: str) -> str:
        """SHA-256 of a file, hex; "" where it is missing or cannot be read."""
        if name not in self._known:
            return ""
        state = hashlib.sha256()
        try:
            with self.open(name) as stream:
                for piece in iter(lambda: stream.read(1 << 20), b""):
                    state.update(piece)
        except DAMAGED:
            return ""
        return state.hexdigest()


def check(path: Path, kept: tuple[str, ...] = ()) -> Findings:
    """Everything about a bundle; `kept` are checkpoints that the reader has from elsewhere. Raises `NoBundle`."""
    bundle = Bundle(path)
    found = Findings()
    _manifest(bundle, found)
    log = Log(bundle, found)
    note = _checkpoint(bundle, log, found)
    records = _records(bundle, log, found)
    _anchors(bundle, log, note, Ring(bundle, note, records, found), records, kept, found)
    covered = _deletions(log, records, found)
    _handed_over(bundle, log, note, records, covered, found)
    _paths(bundle, log, note, found)
    return found


# --- the bag ---------------------------------------------------------------------------------------------------------


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").splitlines()


def _manifest(bundle: Bundle, found: Findings) -> None:
    """Every file is in the list that it belongs to, and the lists of what matters are signed."""
    listed: dict[str, str] = {}
    for manifest in (MANIFEST, TAG_MANIFEST):
        for line in _lines(bundle.read(manifest)):
            digest, _, file = line.partition("  ")
            if file in listed or (file not in TAGS if manifest == TAG_MANIFEST else not file.startswith("data/")):
                found.fault(
                    "MANIFEST", f"{manifest} に余分な行があります: {file}", f"{manifest} has a line too many: {file}"
                )
                continue
            listed[file] = digest
    for file in (*sorted(listed), *(tag for tag in TAGS if tag not in listed)):
        if not bundle.has(file):
            found.fault("FILE_MISSING", f"{file} がありません。", f"{file} is missing.")
        elif file in listed and bundle.digest(file) != listed[file]:
            found.fault("FILE_CHANGED", f"{file} が変更されています。", f"{file} was changed.")
    if bundle.read("bagit.txt") != DECLARATION:
        found.fault("FILE_CHANGED", "bagit.txt が変更されています。", "bagit.txt was changed.")
    for file in (*(one for one in bundle.names if one not in listed and one != TAG_MANIFEST), *bundle.outside):
        found.fault("FILE_ADDED", f"{file} が付け加えられています。", f"{file} was added.")
    key, good = _public_key(bundle), True
    if key is None or not ed25519_verify(key, bundle.read(MANIFEST), bundle.read(f"signature/{MANIFEST}.ed25519")):
        good = False
        found.fault(
            "MANIFEST_SIGNATURE",
            "ファイル一覧の署名が正しくありません。作成後に、ファイルか一覧が変更されています。",
            "The signature of the list of files is not good: files or the list were changed after it was made.",
        )
    if key is None or not ed25519_verify(
        key, bundle.read("bag-info.txt"), bundle.read("signature/bag-info.txt.ed25519")
    ):
        good = False
        found.fault("BAG_INFO", "bag-info.txt の署名が正しくありません。", "The signature of bag-info.txt is not good.")
    if good:
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
        newest = ""
        for text in self.texts:
            number, at = text.split(" ")[1:3]
            if at < newest:
                found.fault(
                    "TIME_BACKWARDS",
                    f"記録 {number} の時刻が、直前の記録より前になっています。",
                    f"Record {number} bears a time before that of the record before it.",
                )
                break
            newest = at

    def kind(self, number: int) -> str:
        """The kind of a record; "" where there is none."""
        return self.texts[self.place[number]].split(" ")[3] if number in self.place else ""

    def _order(self, numbers: list[int], found: Findings) -> None:
        present = set(numbers)
        last = min(max(numbers, default=-1), len(numbers) + 5)  # a number out of all reason is no reason to count to it
        missing = [n for n in range(last + 1) if n not in present]
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
        if len(lines) < 4 or not re.fullmatch("[0-9]{1,18}", lines[1]):
            raise ValueError("not a checkpoint")
        self.origin, self.size, self.root = lines[0], int(lines[1]), _base64(lines[2])
        self.signatures = [line[2:].split(" ") for line in signatures.splitlines() if line.startswith("— ")]

    def signed_by(self, key: bytes) -> bool:
        """Whether the note bears a good signature of this Ed25519 key."""
        name = hashlib.sha256(self.origin.encode() + b"\n\x01" + key).digest()[:4]
        for parts in self.signatures:
            if len(parts) == 2 and parts[0] == self.origin:
                raw = _base64(parts[1])
                if raw[:4] == name and ed25519_verify(key, self.body.encode(), raw[4:]):
                    return True
        return False


def _base64(text: str) -> bytes:
    """What a text says in Base64; empty where it says nothing."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _public_key(bundle: Bundle) -> bytes | None:
    pem = bundle.read("data/verify/keys/ed25519.pem").decode("ascii", "replace")
    raw = _base64("".join(line for line in pem.splitlines() if "-----" not in line))
    return raw[-32:] if len(raw) == 44 else None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Ring:
    """The keys that the bundle's own key succeeded, by the exchanges on record, and the others that the log names."""

    def __init__(self, bundle: Bundle, note: Note | None, records: dict[int, dict[str, Any]], found: Findings) -> None:
        key = _public_key(bundle)
        self.own = [key] if key is not None else []
        self.others: dict[bytes, int] = {}
        for seq, record in sorted(records.items(), reverse=True):
            if record["kind"] != "keys":
                continue
            said = record["said"]
            text, signatures = str(said.get("statement", "")), said.get("signatures") or {}
            told = [_base64((said.get(whose) or {}).get("ed25519", "")) for whose in ("old", "new")]
            lines = text.split("\n")
            stated = [_base64(line) for line in (*lines[2:3], *lines[4:5])]
            good = note is not None and lines[1:2] == [note.origin] and stated == told
            for whose, one in (("old", told[0]), ("new", told[1])):
                signature = _base64(str(signatures.get(f"{whose}.ed25519", "")))
                good = good and (not one or ed25519_verify(one, text.encode(), signature))
            if not good:
                found.fault(
                    "KEYS",
                    f"鍵の交代の記録 {seq} が正しくありません。",
                    f"Record {seq} of an exchange of keys is not good.",
                )
            elif told[1] in self.own:
                self.own += [told[0]] if told[0] else []
            else:
                self.others[told[1]] = seq
        if key is not None:
            found.note(
                f"署名鍵の指紋 {_digest(key)}（店から別に受け取ったものと同じか、お確かめください）",
                f"fingerprint of the signing key {_digest(key)}: compare it with what the shop told you by another way",
            )

    def judge(self, name: str, note: Note, found: Findings) -> None:
        """Say whether an anchored note bears a signature of one of the keys."""
        if any(note.signed_by(key) for key in self.own):
            return
        for key, seq in self.others.items():
            if note.signed_by(key):
                found.note(
                    f"！ アンカー {name} は、記録 {seq} で登録された別の鍵で署名されています。データベースを共有する"
                    "別のゲートウェイの鍵か、店にお確かめください",
                    f"! anchor {name} is signed by another key, of record {seq}: ask whether it is that of a gateway"
                    " that shares the database",
                )
                return
        found.fault(
            "SIGNATURE",
            f"アンカー {name} に、このゲートウェイの鍵による正しい署名がありません。",
            f"Anchor {name} bears no good signature of this gateway's keys.",
        )


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


def _anchors(
    bundle: Bundle,
    log: Log,
    newest: Note | None,
    ring: Ring,
    records: dict[int, dict[str, Any]],
    kept: tuple[str, ...],
    found: Findings,
) -> None:
    anchors: list[tuple[str, str, str, bytes]] = []
    for line in _lines(bundle.read("data/verify/anchors.txt")):
        parts = line.split(" ")
        if len(parts) < 4 or not re.fullmatch("[0-9]{3,9}", parts[0]) or parts[1] not in ("rfc3161", "mail"):
            found.fault("ANCHOR", f"anchors.txt の行を読めません: {line[:60]}", f"Not an anchor: {line[:60]}")
            continue
        anchors.append((parts[0], parts[1], parts[3], bundle.read(f"data/verify/anchors/{parts[0]}.txt")))
    _on_record(bundle, log, [(name, kind, text) for name, kind, _, text in anchors], records, found)
    anchors += [(f"NOTE {at}", "kept", "", text.encode()) for at, text in enumerate(kept, 1)]
    for name, kind, stamped, text in anchors:
        try:
            note = Note(text.decode("utf-8"))
        except ValueError:
            found.fault("ANCHOR", f"アンカー {name} を読めません。", f"Anchor {name} cannot be read.")
            continue
        if kind == "rfc3161":
            _time_stamp(bundle, name, text, stamped, found)
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
            ring.judge(name, note, found)
            found.note(f"アンカー {name}（{note.size} 件）", f"anchor {name} at {note.size} records")
            if kind == "mail":
                found.note(
                    f"アンカー {name} はメールで送られました。受け取った方の写しと比べて、はじめて外部の証明になります",
                    f"anchor {name} was mailed: it proves something only when compared with the copy of whoever got it",
                )
    if not anchors:
        found.note(
            "外部のアンカーはありません。店自身による書き換えは、この一式だけでは否定できません",
            "there is no outside anchor: this bundle alone cannot show that the shop itself rewrote nothing",
        )


def _on_record(
    bundle: Bundle,
    log: Log,
    anchors: list[tuple[str, str, bytes]],
    records: dict[int, dict[str, Any]],
    found: Findings,
) -> None:
    """The anchors of the log are all there, and those that are there are of the log."""
    told = {seq: one["said"] for seq, one in records.items() if one["kind"] == "anchor"}
    for name, kind, text in anchors:
        said = {"kind": kind, "note_sha256": hashlib.sha256(text).hexdigest()}
        if kind == "rfc3161":
            said["response_sha256"] = bundle.digest(f"data/verify/anchors/{name}.tsr")
        for seq, one in told.items():
            if all(one.get(field) == value for field, value in said.items()):
                del told[seq]
                break
    for seq in told:
        found.fault(
            "ANCHOR_MISSING",
            f"記録 {seq} にあるアンカーが、この一式にないか、変更されています。",
            f"The anchor of record {seq} is not in this bundle, or it was changed.",
        )
    logged = sum(text.split(" ")[3] == "anchor" for text in log.texts)
    if logged != len(anchors):
        found.fault(
            "ANCHOR_MISSING",
            f"ログにはアンカーが {logged} 件ありますが、この一式には {len(anchors)} 件あります。",
            f"The log tells of {logged} anchors, but there are {len(anchors)} in this bundle.",
        )


_IMPRINTS = (
    bytes.fromhex("3031300d060960864801650304020105000420"),
    bytes.fromhex("302f300b0609608648016503040201" + "0420"),
)


def _told_time(response: bytes, digest: bytes) -> int | None:
    """The time (UTC, seconds) in a time stamp over this digest: it follows imprint and serial number (RFC 3161)."""
    for prefix in _IMPRINTS:
        at = response.find(prefix + digest) + len(prefix) + len(digest)
        if at < len(prefix) + len(digest) or response[at : at + 1] != b"\x02":
            continue
        at += 2 + response[at + 1]
        length = response[at + 1] if response[at : at + 1] == b"\x18" and len(response) > at + 1 else 0
        match = re.fullmatch(rb"(\d{14})(?:\.\d+)?Z", response[at + 2 : at + 2 + length])
        if match:
            utc = timezone.utc  # noqa: UP017 - there is no datetime.UTC in Python 3.9
            try:
                return int(datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=utc).timestamp())
            except ValueError:
                return None
    return None


def _time_stamp(bundle: Bundle, name: str, note: bytes, stamped: str, found: Findings) -> None:
    base = f"data/verify/anchors/{name}"
    response = bundle.read(f"{base}.tsr")
    told = _told_time(response, hashlib.sha256(note).digest())
    if told is None:
        found.fault(
            "ANCHOR",
            f"タイムスタンプ {name} は、添えられたチェックポイントのものではありません。",
            f"Time stamp {name} is not over the checkpoint beside it.",
        )
        return
    utc = timezone.utc  # noqa: UP017
    when = datetime.fromtimestamp(told, utc).isoformat()
    if stamped != str(told):
        found.fault(
            "ANCHOR",
            f"タイムスタンプ {name} の時刻は {when} ですが、anchors.txt には別の時刻が書かれています。",
            f"Time stamp {name} is of {when}, but anchors.txt says another time.",
        )
    openssl = shutil.which("openssl")
    if openssl is None:
        found.note(
            f"タイムスタンプ {name}（{when}）の署名は未確認です（openssl がありません。verify.sh で確認できます）",
            f"the authority's signature on time stamp {name} of {when} was not checked: there is no openssl here",
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        for suffix, content in (("txt", note), ("tsr", response), ("pem", bundle.read(f"{base}.pem"))):
            (Path(folder) / suffix).write_bytes(content)
        command = [openssl, "ts", "-verify", "-data", "txt", "-in", "tsr", "-CAfile", "pem", "-untrusted", "pem"]
        command += ["-attime", str(told)]
        ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603 - files of ours alone
    if ran.returncode:
        found.fault(
            "ANCHOR", f"タイムスタンプ {name} の署名が正しくありません。", f"The signature of time stamp {name} is bad."
        )
    else:
        found.note(
            f"タイムスタンプ {name}（{when}。認証局の証明書 {name}.pem を信頼できるかは、別にお確かめください）",
            f"time stamp {name} of {when}; whether the authority of {name}.pem is to be trusted is for you to judge",
        )


# --- records, deletions, and what was handed over --------------------------------------------------------------------


def _records(bundle: Bundle, log: Log, found: Findings) -> dict[int, dict[str, Any]]:
    opened: dict[int, dict[str, Any]] = {}
    for name in bundle.names:
        match = re.fullmatch(r"data/verify/records/(\d{8,18})\.bin", name, re.ASCII)
        if not match:
            continue
        seq, content = int(match[1]), bundle.read(name)
        leaf = LEAF.fullmatch(log.texts[log.place[seq]]) if seq in log.place else None
        if leaf is None or leaf[4] != hashlib.sha256(content).hexdigest():
            found.fault(
                "RECORD_CHANGED", f"記録 {seq} の内容が変更されています。", f"The content of record {seq} was changed."
            )
            continue
        said = json.loads(content[32:].decode("utf-8"))
        opened[seq] = {"kind": leaf[3], "said": said if isinstance(said, dict) else {}}
    found.note(f"開示された記録 {len(opened)} 件", f"{len(opened)} disclosed records")
    return opened


def _deletions(log: Log, records: dict[int, dict[str, Any]], found: Findings) -> dict[int, int]:
    """Of each deleted record the number of the record that tells of it."""
    by_rule: dict[str, int] = {}
    covered: dict[int, int] = {}
    deleted = sorted(log.deleted)
    for number, record in sorted(records.items()):
        if record["kind"] == "deletion":
            for first, last in record["said"].get("records", ()):
                before = min(last, number - 1)  # it covers what came before it alone
                for seq in deleted[bisect_left(deleted, first) : bisect_right(deleted, before)]:
                    covered.setdefault(seq, number)
    for seq in deleted:
        if seq in covered:
            rule = str(records[covered[seq]]["said"].get("rule", "?"))
            by_rule[rule] = by_rule.get(rule, 0) + 1
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
    return covered


def _handed_over(
    bundle: Bundle,
    log: Log,
    note: Note | None,
    records: dict[int, dict[str, Any]],
    covered: dict[int, int],
    found: Findings,
) -> None:
    first, _, listed = bundle.read("data/verify/exhibits.txt").partition(b"\n")
    named = re.fullmatch(rb"export (\d{1,18})", first)
    export = int(named[1]) if named else -1
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
    if hashlib.sha256(listed).hexdigest() != record["said"].get("list"):
        found.fault(
            "TABLE_CHANGED",
            "verify/exhibits.txt が、作成時にログへ記されたものと違います。書証が加えられたか除かれています。",
            "verify/exhibits.txt is not what was logged when the bundle was made: exhibits were added or removed.",
        )
    files = record["said"].get("files", {})
    for name, digest in sorted(files.items()):
        if bundle.digest(f"data/{name}") == digest:
            continue
        rows = name.endswith(".csv")
        found.fault(
            "KEY_CHANGED" if name.startswith("verify/keys/") else "TABLE_CHANGED",
            f"{name} が、作成時にログへ記されたものと違います。{'行' if rows else '内容'}が変更されています。",
            f"{name} is not what was logged when the bundle was made: {'rows were' if rows else 'it was'} changed.",
        )
    exhibits = [(int(p[1]), p[2], p[3]) for p in map(EXHIBIT.fullmatch, _lines(listed)) if p]
    by_digest = {digest: name for _, name, digest in exhibits if digest != "-"}
    for seq, name, digest in exhibits:
        if digest != "-":
            _mail(bundle, name, seq, digest, by_digest, records, found)
        if not any(re.match(rf"data/03_exhibits/{name}[.-]", one) for one in bundle.names):
            found.fault("EXHIBIT_MISSING", f"書証 {name} がありません。", f"The paper of exhibit {name} is missing.")
    known = {"03_exhibits": {name for _, name, _ in exhibits}, "eml": set(by_digest.values())}
    for one in bundle.names:
        match = re.fullmatch(r"data/(eml|03_exhibits)/([a-z]+-\d+)(?:-\d+)?\.(?:eml|pdf)", one, re.ASCII)
        printed = match is not None and match[2] in known[match[1]]
        if one.startswith("data/") and not (printed or one[len("data/") :] in files or PRINTS.fullmatch(one)):
            found.fault(
                "MAIL_INSERTED",
                f"{one} は、この一式の作成時にはなかったものです。挿入されています。",
                f"{one} was not part of the bundle when it was made: it was inserted.",
            )
    found.note(f"書証 {len(exhibits)} 件の原本", f"the originals of {len(exhibits)} exhibits")
    if not any(code == "TABLE_CHANGED" for code, *_ in found.faults):
        _told_in_tables(bundle, exhibits, records, found)
        _complete(bundle, log, record["said"], len(exhibits), covered, found)


def _rows(bundle: Bundle, name: str) -> list[dict[str, str]]:
    """The rows of a table by their machine names, which stand in its second row."""
    text = bundle.read(f"data/{name}").decode("utf-8-sig", "replace").partition("\n")[2]
    csv.field_size_limit(1 << 30)
    try:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error:
        return []


def _told_in_tables(
    bundle: Bundle, exhibits: list[tuple[int, str, str]], records: dict[int, dict[str, Any]], found: Findings
) -> None:
    """What the table of messages and the files of the dialogue say is what the records say."""
    rows = _rows(bundle, "04_messages.csv")
    if [row.get("seq") for row in rows] != [str(seq) for seq, _, _ in exhibits]:
        found.fault(
            "TABLE_UNTRUE",
            "04_messages.csv の行が、verify/exhibits.txt の書証と合いません。",
            "The rows of 04_messages.csv are not the exhibits of verify/exhibits.txt.",
        )
        return
    for row, (seq, name, digest) in zip(rows, exhibits):  # noqa: B905 - Python 3.9
        said = records[seq]["said"] if seq in records else None
        if said is None or digest == "-":
            continue
        peer, envelope = said.get("peer") or {}, said.get("envelope") or {}
        told = {"sha256": digest, "peer_ip": peer.get("ip", ""), "envelope_from": envelope.get("mail_from", "")}
        plain = {field: str(value) for field, value in told.items() if re.fullmatch("[ -~]*", str(value))}
        untrue = [field for field, value in plain.items() if str(row.get(field)).lstrip("'") != value.lstrip("'")]
        dialogue = "\r\n".join([*said["dialogue"], ""]).encode() if said.get("dialogue") else b""
        if bundle.read(f"data/smtp/{name}.txt") != dialogue:
            untrue.append(f"smtp/{name}.txt")
        if untrue:
            found.fault(
                "TABLE_UNTRUE",
                f"書証 {name} について、表の {'、'.join(untrue)} が記録 {seq} と違います。",
                f"Of exhibit {name}, {', '.join(untrue)} is not what record {seq} says.",
            )


def _complete(
    bundle: Bundle, log: Log, said: dict[str, Any], exhibits: int, covered: dict[int, int], found: Findings
) -> None:
    """The table of completeness adds up, and tells as many messages as there are in the log."""
    columns = ("logged", "exported", "withheld", "other", "deleted")
    months, total, good = [0] * 5, [-1] * 5, True
    for row in _rows(bundle, "06_completeness.csv"):
        numbers = [int(row[name]) if str(row.get(name)).isdecimal() else -1 for name in columns]
        good = good and min(numbers) >= 0 and numbers[0] == sum(numbers[1:])
        if row.get("scope") != "ログ全体":
            continue
        if row.get("period") == "合計":
            total = numbers
        else:
            months = [a + b for a, b in zip(months, numbers)]  # noqa: B905
    counted = int(said.get("counted", 0))
    mail = [n for n in log.place if log.kind(n) in ("mail.in", "mail.out") and n < counted]
    gone = [n for n in mail if n in log.deleted]
    surely = sum(n in covered and covered[n] < counted for n in gone)
    if not (good and months == total and total[0] == len(mail) and total[1] == exhibits) or not (
        surely <= total[4] <= len(gone)
    ):
        found.fault(
            "INCOMPLETE",
            f"06_completeness.csv の件数が、ログ（メール {len(mail)} 件、うち削除済み {surely} 件）や"
            f"書証（{exhibits} 件）と合いません。",
            f"06_completeness.csv does not add up with the log ({len(mail)} messages, {surely} of them deleted) and"
            f" the {exhibits} exhibits.",
        )
    else:
        found.note(
            f"ログのメール {total[0]} 件＝書証 {total[1]} 件＋除外 {total[2]} 件＋対象外 {total[3]} 件"
            f"＋削除済み {total[4]} 件",
            f"{total[0]} messages of the log = {total[1]} exhibits + {total[2]} withheld + {total[3]} not concerned"
            f" + {total[4]} deleted",
        )


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
    if record is None or record["kind"] not in ("mail.in", "mail.out") or record["said"].get("sha256") != digest:
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
        path = [
            bytes.fromhex(line)
            for line in re.findall(r"^[0-9a-f]{64}$", bundle.read(name).decode("ascii", "replace"), re.M)
        ]
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
