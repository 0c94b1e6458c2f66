"""Time stamps by RFC 3161: the request, the answer over HTTP, and whether `openssl ts -verify` would take it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from gateway.errors import SekishoError
from gateway.text import Text, plain

# anchoring is rare: what it needs is loaded where it is used
if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

TIMEOUT = 30.0  # seconds
LARGEST = 256 * 1024  # bytes of an answer
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"
_SIGNING_CERTIFICATE = (  # attributes of ESS, object identifiers in DER: signingCertificate and its version 2
    bytes.fromhex("060b2a864886f70d010910020c"),
    bytes.fromhex("060b2a864886f70d010910022f"),
)
_HASHES = ("sha1", "sha256", "sha384", "sha512")  # told apart by their length
_SIGNED = 0xA0  # [0] IMPLICIT of SignerInfo, the signed attributes
_CERTIFICATES = 0xA0  # [0] IMPLICIT of SignedData

AWAY = Text("時刻認証局 {url} から応答がありません：{why}", "The time-stamp authority {url} does not answer: {why}")
REFUSED = Text("タイムスタンプを受け入れられません：{why}", "The time stamp is not accepted: {why}")
NOT_STAMP = Text("RFC 3161 の応答ではありません。", "it is no RFC 3161 answer")
STATUS = Text("認証局が断りました（状態 {status} {said}）。", "the authority refused (status {status} {said})")
OTHER_DATA = Text("別のデータに対するものです。", "it is for other data")
OTHER_NONCE = Text("別の要求に対するものです。", "it answers another request")
NO_ROOT = Text("信頼する認証局につながりません。", "its certificates do not lead to a trusted authority")
PURPOSE = Text(
    "署名者の証明書はタイムスタンプ専用ではありません。", "its signer's certificate is not for time stamps alone"
)
OTHER_SIGNER = Text("署名者の証明書が署名に含まれていません。", "the signature does not name its signer's certificate")
CA_FILE = Text(
    "認証局の証明書を読めません：{path}（{why}）", "The authority's certificates {path} cannot be read: {why}"
)


# LookupError: cryptography looks a name's string type up in a dict of those that it knows
_MALFORMED = (ValueError, TypeError, LookupError, OverflowError, x509.DuplicateExtension, x509.InvalidVersion)


class StampRefused(SekishoError):
    """A time stamp that would not stand up, or none."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time stamp that was found good: the authority's time (UTC), its serial number, and the root (PEM)."""

    at: datetime
    serial: int
    policy: str
    authority: str


def make_request(data: bytes) -> bytes:
    """A request (DER) for `data` by its SHA-256, with a nonce, asking for the signer's certificates."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    return TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()


async def ask(url: str, request: bytes) -> bytes:
    """The authority's raw answer (DER); raises `StampRefused` where it does not answer."""
    try:
        async with asyncio.timeout(2 * TIMEOUT):
            return await asyncio.to_thread(_post, url, request)
    except (OSError, TimeoutError, ValueError) as error:
        raise StampRefused(AWAY.with_(url=url, why=str(error) or "timeout")) from error


def judge(data: bytes, request: bytes, response: bytes, roots: Sequence[x509.Certificate]) -> Stamp:
    """Whether the answer is good for `data` and `request` under one of these roots, at the time that it names.

    Its certificates need be valid at that time alone (`openssl ts -verify -attime`). Raises `StampRefused`.
    """
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    try:
        answer = decode_timestamp_response(_in_order(response))
        if answer.status != 0:
            raise _refused(STATUS.with_(status=answer.status, said=" ".join(answer.status_string)[:200]))
        info = answer.tst_info
        if info.message_imprint.message != hashlib.sha256(data).digest():
            raise _refused(OTHER_DATA)
        if info.nonce != _nonce(request):
            raise _refused(OTHER_NONCE)
        signer, others = _signer(answer)
        _check_purpose(signer)
        _check_named(answer, signer)
        _check_name(info.name, signer)
        root = _root_of(signer, others, roots)
        VerifierBuilder(roots=[root]).build().verify_message(answer, data)
    except VerificationError as error:
        raise _refused(plain(str(error)[:200])) from error
    except _MALFORMED as error:
        raise _refused(NOT_STAMP) from error
    pem = root.public_bytes(Encoding.PEM).decode("ascii")
    return Stamp(info.gen_time, info.serial_number, info.policy.dotted_string, pem)


def read_roots(path: Path | None) -> list[x509.Certificate]:
    """The certificates of a PEM file, or of the system's trust store; raises `StampRefused`."""
    file = path or Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise StampRefused(CA_FILE.with_(path=file, why=str(error)[:200])) from error


def _post(url: str, request: bytes) -> bytes:
    asked = urllib.request.Request(url, request, {"Content-Type": _QUERY, "Accept": _REPLY})  # noqa: S310 - the owner's URL
    try:
        with _OPENER.open(asked, timeout=TIMEOUT) as answer:
            body: bytes = answer.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            raise ValueError(f"HTTP {error.code}") from error
    if len(body) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    return body


# http and https alone: what the config names is opened, no files
_OPENER = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.ProxyHandler(),
    urllib.request.HTTPHandler(),
    urllib.request.HTTPSHandler(),
    urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.HTTPErrorProcessor(),
    urllib.request.UnknownHandler(),
):
    _OPENER.add_handler(_handler)


def _nonce(request: bytes) -> int | None:
    """The nonce of a request: TimeStampReq ::= SEQUENCE { version, messageImprint, reqPolicy?, nonce?, … }."""
    (_, outer), *_ = _values(request)
    fields = list(_values(outer))[2:]
    return next((int.from_bytes(value, "big", signed=True) for tag, value in fields if tag == 0x02), None)


def _signer(answer: TimeStampResponse) -> tuple[x509.Certificate, list[x509.Certificate]]:
    certificates = [x509.load_der_x509_certificate(raw) for raw in answer.signed_data.certificates]
    infos = list(answer.signed_data.signer_infos)
    if len(infos) != 1:
        raise _refused(NOT_STAMP)
    for certificate in certificates:
        if certificate.issuer == infos[0].issuer and certificate.serial_number == infos[0].serial_number:
            return certificate, certificates
    raise _refused(OTHER_SIGNER)


def _check_purpose(signer: x509.Certificate) -> None:
    """Extended key usage is critical and for time stamps alone (RFC 3161 §2.3); the key only signs."""
    extensions = {extension.oid: extension for extension in signer.extensions}
    extended = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    if extended is None or not extended.critical:
        raise _refused(PURPOSE)
    if list(extended.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _refused(PURPOSE)
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    if usage is not None:
        said = usage.value
        others = (said.key_encipherment, said.data_encipherment, said.key_agreement, said.key_cert_sign, said.crl_sign)
        if any(others) or not (said.digital_signature or said.content_commitment):
            raise _refused(PURPOSE)


def _check_named(answer: TimeStampResponse, signer: x509.Certificate) -> None:
    """The signed attributes name the signer's certificate by its hash (RFC 3161 §2.4.2, RFC 5816 §2.2.1)."""
    der = signer.public_bytes(Encoding.DER)
    hashes = [hashlib.new(name, der, usedforsecurity=False).digest() for name in _HASHES]
    named = list(_certificate_hashes(answer.time_stamp_token()))
    if not named or any(found not in hashes for found in named):
        raise _refused(OTHER_SIGNER)


def _check_name(told: x509.GeneralName | None, signer: x509.Certificate) -> None:
    """The authority's name in the stamp, where there is one, is its certificate's (RFC 3161 §2.4.2)."""
    if told is None or told == x509.DirectoryName(signer.subject):
        return
    try:
        names = signer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    if told not in list(names):
        raise _refused(OTHER_SIGNER)


def _in_order(response: bytes) -> bytes:
    """The answer with its certificates sorted as DER wants a SET OF: OpenSSL's own authority does not sort them.

    They are outside of what is signed.
    """
    (_, outer), *_ = _values(response)
    fields = list(_values(outer))
    if len(fields) < 2:
        return response  # refused: there is no token
    for tag, certificates in _signed_data(fields[1][1]):
        if tag == _CERTIFICATES:
            ordered = b"".join(sorted(_elements(certificates)))
            return response.replace(certificates, ordered, 1)
    return response


def _signed_data(token: bytes) -> list[tuple[int, bytes]]:
    """The fields of SignedData in the content of a ContentInfo (RFC 5652 §5.1)."""
    (_, explicit) = list(_values(token))[1]
    (_, signed_data), *_ = _values(explicit)
    return list(_values(signed_data))


def _certificate_hashes(token: bytes) -> Iterator[bytes]:
    """The hash of the first certificate in each signing-certificate attribute of the (single) SignerInfo."""
    (_, content), *_ = _values(token)  # ContentInfo
    (_, infos) = _signed_data(content)[-1]
    (_, info), *_ = _values(infos)
    for tag, attributes in _values(info):
        if tag != _SIGNED:
            continue
        for _, attribute in _values(attributes):
            if not attribute.startswith(_SIGNING_CERTIFICATE):
                continue
            (_, values) = list(_values(attribute))[1]
            (_, signing), *_ = _values(values)
            (_, certificates), *_ = _values(signing)
            (_, first), *_ = _values(certificates)
            yield next((value for kind, value in _values(first) if kind == 0x04), b"")


def _values(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a constructed value's content: tag and value of each. Raises ValueError."""
    for start, value, end in _spans(der):
        yield der[start], der[value:end]


def _elements(der: bytes) -> Iterator[bytes]:
    """The same elements whole. Raises ValueError."""
    for start, _, end in _spans(der):
        yield der[start:end]


def _spans(der: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each element begins, where its value does, and where it ends."""
    at = 0
    while at < len(der):
        start, length = at, der[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[at : at + count], "big")
            at += count
        if at + length > len(der):
            raise ValueError("an element is longer than what holds it")
        yield start, at, at + length
        at += length


def _root_of(
    signer: x509.Certificate, others: Sequence[x509.Certificate], roots: Sequence[x509.Certificate]
) -> x509.Certificate:
    """The trusted root that the signer's chain ends at."""
    at = signer
    for _ in range(10):
        for root in roots:
            if at == root or _issued(at, root):
                return root
        above = next((one for one in others if one != at and _issued(at, one)), None)
        if above is None:
            break
        at = above
    raise _refused(NO_ROOT)


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    if certificate.issuer != by.subject:
        return False
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _refused(why: Text) -> StampRefused:
    return StampRefused(REFUSED.with_(why=why))
