"""A certification authority that lives as long as the test run, and a certificate for 127.0.0.1 and localhost by it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.servers.process import server_folder


@dataclass(frozen=True)
class Trust:
    """PEM files of the authority and of a server certificate (chain and key) for `localhost`, 127.0.0.1 and ::1."""

    authority: trustme.CA
    ca: Path
    certificate: Path
    key: Path

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.ca))

    def issue(self, folder: Path, *names: str) -> tuple[Path, Path]:
        """Chain and key of a new certificate for `names`, as two files in `folder`."""
        return _write(self.authority.issue_cert(*names), folder)


def _write(issued: trustme.LeafCert, folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "fullchain.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


@pytest.fixture(scope="session")
def trust() -> Iterator[Trust]:
    """A throw-away authority with one server certificate."""
    authority = trustme.CA()
    with server_folder("trust") as folder:
        ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(ca))
        certificate, key = _write(authority.issue_cert("localhost", "127.0.0.1", "::1"), folder)
        yield Trust(authority, ca, certificate, key)
