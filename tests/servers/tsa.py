"""A time-stamp authority on loopback: `openssl ts` behind HTTP, with certificates of its own, good and bad ones."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.servers.process import server_folder

_NOW = datetime.now(UTC)
_CONFIG = """
[tsa]
default_tsa = shop
[shop]
dir = {folder}
serial = $dir/serial
crypto_device = builtin
signer_cert = $dir/{name}.pem
certs = {chain}
signer_key = $dir/{name}.key
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.2
digests = sha256, sha512
accuracy = secs:1
ordering = yes
tsa_name = {named}
ess_cert_id_chain = no
ess_cert_id_alg = {ess}
"""


class Authority:
    """A root certificate and what it issues, as PEM files in a folder for `openssl`."""

    def __init__(self, folder: Path, name: str = "root") -> None:
        self.folder = folder
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _issue(name, self._key.public_key(), None, self._key, ca=True)
        self.root = folder / f"{name}-ca.pem"
        self.root.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        name: str,
        *,
        usages: tuple[Any, ...] = (ExtendedKeyUsageOID.TIME_STAMPING,),
        critical: bool = True,
        ends: timedelta = timedelta(days=365),
        begins: timedelta = timedelta(days=-1),
        signs: bool = True,
    ) -> None:
        """Write certificate and key of a signer."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _issue(
            name,
            key.public_key(),
            self._certificate,
            self._key,
            usages=usages,
            critical=critical,
            ends=_NOW + ends,
            begins=_NOW + begins,
            signs=signs,
        )
        (self.folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def reply(self, request: bytes, name: str, *, ess: str = "sha256", named: bool = True) -> bytes:
        """The answer of `openssl ts -reply`, signed by the certificate `name`."""
        config = self.folder / f"{name}.cnf"
        config.write_text(
            _CONFIG.format(folder=self.folder, name=name, chain=self.root, ess=ess, named="yes" if named else "no")
        )
        (self.folder / "serial").write_text("01\n")
        query, answer = self.folder / "query.tsq", self.folder / "answer.tsr"
        query.write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", str(config), "-queryfile", str(query), "-out", str(answer)]
        subprocess.run(command, check=True, capture_output=True)
        return answer.read_bytes()

    def resign(self, answer: bytes, name: str, *, named: bool = True) -> bytes:
        """The same answer signed by a certificate that `openssl ts -reply` will not use; `named`: with ESSCertIDv2."""
        token, info, made = (self.folder / f"resign.{part}" for part in ("token", "info", "made"))
        token.write_bytes(answer[9:])  # behind SEQUENCE and PKIStatusInfo
        _openssl("cms", "-verify", "-noverify", "-inform", "DER", "-in", token, "-out", info)
        sign = [
            "cms",
            "-sign",
            "-nodetach",
            "-binary",
            "-econtent_type",
            "1.2.840.113549.1.9.16.1.4",
            "-outform",
            "DER",
        ]
        signer = ["-signer", self.folder / f"{name}.pem", "-inkey", self.folder / f"{name}.key", "-md", "sha256"]
        _openssl(*sign, "-in", info, "-out", made, *signer, *(["-cades"] if named else []))
        inner = bytes.fromhex("3003020100") + made.read_bytes()
        return b"\x30\x82" + len(inner).to_bytes(2, "big") + inner

    def verify(self, data: bytes, request: bytes, response: bytes, *, at: datetime | None = None) -> bool:
        """Whether `openssl ts -verify` takes the answer, for the data and for the request."""
        files = {"data": data, "query": request, "response": response}
        paths = {name: self.folder / f"verify.{name}" for name in files}
        for name, content in files.items():
            paths[name].write_bytes(content)
        when = ["-attime", str(int(at.timestamp()))] if at is not None else []
        end = ["-in", str(paths["response"]), "-CAfile", str(self.root), *when]
        return all(
            subprocess.run(["openssl", "ts", "-verify", *what, *end], capture_output=True).returncode == 0
            for what in (["-data", str(paths["data"])], ["-queryfile", str(paths["query"])])
        )


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _issue(
    name: str,
    public: Any,
    above: x509.Certificate | None,
    key: Any,
    *,
    ca: bool = False,
    usages: tuple[Any, ...] = (),
    critical: bool = True,
    ends: datetime = _NOW + timedelta(days=3650),
    begins: datetime = _NOW - timedelta(days=3650),
    signs: bool = True,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test {name}")])
    usage = x509.KeyUsage(signs and not ca, False, not signs, False, False, ca, ca, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.subject if above is not None else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
    return builder.sign(key, hashes.SHA256())


@dataclass
class Tsa:
    """The authority as it listens; `answer` may be replaced to answer something else."""

    authority: Authority
    url: str
    answer: Callable[[bytes], tuple[int, bytes]]
    requests: list[bytes] = field(default_factory=list)

    @property
    def ca(self) -> Path:
        """The root certificate, PEM."""
        return self.authority.root


@pytest.fixture
def tsa() -> Iterator[Tsa]:
    """An authority that stamps what it is asked to."""
    with server_folder("tsa") as folder:
        authority = Authority(folder)
        authority.issue("tsa")
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        served = Tsa(
            authority, f"http://127.0.0.1:{server.server_port}/tsr", lambda r: (200, authority.reply(r, "tsa"))
        )
        server.tsa = served  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        served: Tsa = self.server.tsa  # type: ignore[attr-defined]
        request = self.rfile.read(int(self.headers["Content-Length"]))
        served.requests.append(request)
        status, body = served.answer(request)
        self.send_response(status)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass
