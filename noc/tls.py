"""The hub's own certificate: self-signed, made once, pinned by those who connect.

There is no authority to ask on the day everything fails, so clients pin this one certificate (`LIFELINE_CA`, `--ca`).
It lasts ten years and is never replaced by itself: that would lock every agent out.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from lifeline.clock import wall_ns
from lifeline.i18n import _

if TYPE_CHECKING:
    from cryptography import x509

DIRECTORY = "tls"
VALID_FOR = timedelta(days=3650)


class TlsError(Exception):
    """The certificate cannot be made or used; the text says why and what to do."""

    exit_code = 2


class Certificate(NamedTuple):
    """Where the certificate and its key are, PEM."""

    certificate: Path
    key: Path


def ensure_certificate(data_dir: Path | str, names: Iterable[str]) -> Certificate:
    """Return the data directory's certificate, made now if there is none.

    Args:
        data_dir: the hub's data directory.
        names: DNS names and IP addresses under which the hub is reached; this machine's own names are added.

    Raises:
        TlsError: the one that stands is not valid for all of `names` or has expired, or it cannot be read or written.
    """
    names = list(names)
    directory = Path(data_dir) / DIRECTORY
    pair = Certificate(directory / "hub.crt", directory / "hub.key")
    try:
        if pair.certificate.exists():
            _check(pair, names)
        else:
            _make(pair, [*dict.fromkeys([*names, *_own_names()])])
    except OSError as error:
        raise TlsError(f"{error.filename or directory}: {error.strerror or error}") from error
    return pair


def server_context(pair: Certificate) -> ssl.SSLContext:
    """Return a TLS 1.3 server context: both ends are ours, and 1.3 saves a round trip over a satellite.

    Raises:
        TlsError: the key does not fit the certificate, or a file cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(pair.certificate, pair.key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{pair.certificate}: {error}") from error
    return context


def _own_names() -> list[str]:
    return ["localhost", "127.0.0.1", "::1", socket.gethostname()]


def _check(pair: Certificate, names: Iterable[str]) -> None:
    # OpenSSL reads it: importing the cryptography package would cost every start 0.15 s.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(pair.certificate)
        found = context.get_ca_certs()[0]
    except (ssl.SSLError, IndexError) as error:
        raise TlsError(_("{file}: not a certificate of a hub").format(file=pair.certificate)) from error
    alternatives = cast("tuple[tuple[str, str], ...]", found.get("subjectAltName", ()))
    covered = {_normal(value) for _kind, value in alternatives}
    if missing := [name for name in names if _normal(name) not in covered]:
        raise TlsError(
            _("{file} is valid for {covered}, not for {missing}: listen on a name it has, or move the directory "
              "{directory} away and give the new certificate to every agent").format(
                  file=pair.certificate, covered=", ".join(sorted(covered)), missing=", ".join(missing),
                  directory=pair.certificate.parent))  # fmt: skip
    if ssl.cert_time_to_seconds(str(found["notAfter"])) < wall_ns() / 1e9:
        raise TlsError(
            _("{file} has expired: move the directory {directory} away and give the new certificate to every agent")
            .format(file=pair.certificate, directory=pair.certificate.parent))  # fmt: skip


def _normal(name: str) -> str:
    """Return a name or address in one spelling; OpenSSL writes IPv6 addresses in full."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def _make(pair: Certificate, names: Iterable[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lifeline hub")])
    now = datetime.fromtimestamp(wall_ns() / 1e9, tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # an agent's clock may be behind
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair.certificate.parent.mkdir(parents=True, exist_ok=True)
    _write(pair.key, pem, 0o600)
    _write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all; the certificate is written last, so that it never stands without its key."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
