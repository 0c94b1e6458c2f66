"""The keys that seal the log: an Ed25519 key and an ECDSA key in PEM files, readable for their owner alone."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.errors import StoreError
from gateway.text import Text

_UNUSABLE = Text("署名鍵を使用できません：{path}（{why}）", "The signing key {path} cannot be used: {why}")
_BACKUP = Text("バックアップから戻してください。", "Go back to a backup of it.")
_PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """What a stranger checks checkpoints with; `ecdsa` is None for checkpoints of before there was one."""

    ed25519: Ed25519PublicKey
    ecdsa: EllipticCurvePublicKey | None

    @property
    def told(self) -> dict[str, str]:
        """Both as a record tells them: the 32 raw bytes, and SubjectPublicKeyInfo in DER, in Base64."""
        return {"ed25519": to_base64(self.ed25519.public_bytes_raw()), "ecdsa": to_base64(_der(self.ecdsa))}

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> PublicKeys:
        """The keys that a record tells; ValueError where they are none."""
        ed25519 = Ed25519PublicKey.from_public_bytes(base64.b64decode(told["ed25519"], validate=True))
        if not told["ecdsa"]:
            return cls(ed25519, None)
        ecdsa = serialization.load_der_public_key(base64.b64decode(told["ecdsa"], validate=True))
        if not isinstance(ecdsa, EllipticCurvePublicKey):
            raise ValueError("not an ECDSA key")  # noqa: TRY004 - it is the record that is wrong
        return cls(ed25519, ecdsa)

    @property
    def ed25519_pem(self) -> bytes:
        """The Ed25519 key for `openssl pkeyutl`."""
        return _pem(self.ed25519)

    @property
    def ecdsa_pem(self) -> bytes:
        """The ECDSA key for `openssl dgst -sha256 -verify`; empty where there is none."""
        return _pem(self.ecdsa) if self.ecdsa is not None else b""


@dataclass(frozen=True, slots=True)
class Keys:
    """The shop's two signing keys."""

    ed25519: Ed25519PrivateKey
    ecdsa: EllipticCurvePrivateKey

    @property
    def public(self) -> PublicKeys:
        """Their public halves."""
        return PublicKeys(self.ed25519.public_key(), self.ecdsa.public_key())


def sign_ecdsa(key: EllipticCurvePrivateKey, text: str) -> bytes:
    """The signature that `openssl dgst -sha256 -verify` checks: ECDSA with SHA-256 over the text in UTF-8, DER."""
    return key.sign(text.encode(), ec.ECDSA(SHA256()))


def signed_ecdsa(key: EllipticCurvePublicKey, text: str, signature: bytes) -> bool:
    """Whether a signature as `sign_ecdsa` makes it is good."""
    try:
        key.verify(signature, text.encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def ecdsa_file(path: Path) -> Path:
    """Where the ECDSA key lies: beside the Ed25519 key `path`."""
    return path.with_name(f"{path.stem}-ecdsa{path.suffix}")


def load_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key (PEM), made where it is missing, readable for its owner alone. Raises `StoreError`."""
    key = _load(path, Ed25519PrivateKey.generate)
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(path, TypeError("not an Ed25519 key"))
    return key


def load_keys(path: Path) -> Keys:
    """Both keys (PEM), made where they are missing, readable for their owner alone; `path` is the Ed25519 key's.

    Raises `StoreError`.
    """
    _make_folder(path.parent)
    ecdsa = _load(ecdsa_file(path), lambda: ec.generate_private_key(ec.SECP256R1()))
    if not isinstance(ecdsa, EllipticCurvePrivateKey) or not isinstance(ecdsa.curve, ec.SECP256R1):
        raise _unusable(ecdsa_file(path), TypeError("not an ECDSA key on P-256"))
    return Keys(load_key(path), ecdsa)


def new_keys() -> Keys:
    """Two fresh keys."""
    return Keys(Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()))


def write_new(path: Path, keys: Keys) -> None:
    """Write keys beside those in use, for `take_over`; raises `StoreError`."""
    try:
        _write(_next(path), keys.ed25519)
        _write(_next(ecdsa_file(path)), keys.ecdsa)
    except OSError as error:
        raise _unusable(path, error) from error


def take_over(path: Path) -> None:
    """Put the keys of `write_new` in the place of those in use; what a crash left half done is finished."""
    try:
        for file in (ecdsa_file(path), path):
            if _next(file).exists():
                _next(file).replace(file)
    except OSError as error:
        raise _unusable(path, error) from error


def _next(path: Path) -> Path:
    return path.with_name(path.name + ".next")


def _load(path: Path, make: Callable[[], _PrivateKey]) -> object:
    try:
        try:
            return serialization.load_pem_private_key(path.read_bytes(), None)
        except FileNotFoundError:
            key = make()
            part = path.with_name(f"{path.name}.{os.getpid()}")
            _write(part, key)
            try:
                os.link(part, path)  # whole or not at all, and never over a key that is there
            except FileExistsError:
                return serialization.load_pem_private_key(path.read_bytes(), None)
            finally:
                part.unlink(missing_ok=True)
            return key
    except (OSError, ValueError, TypeError) as error:
        raise _unusable(path, error) from error


def _write(path: Path, key: _PrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(path: Path, error: Exception) -> StoreError:
    return StoreError(_UNUSABLE.with_(path=path, why=str(error).partition("\n")[0][:200]), _BACKUP)


def _pem(key: Ed25519PublicKey | EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _der(key: EllipticCurvePublicKey | None) -> bytes:
    if key is None:
        return b""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def to_base64(raw: bytes) -> str:
    """Bytes as Base64 text."""
    return base64.b64encode(raw).decode("ascii")
