"""The hub's own certificate: made once, pinned, never replaced by itself."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from noc import tls
from noc.listen import is_loopback, parse_address


def handshake(pair: tls.Certificate, name: str) -> str | None:
    """Shake hands in memory as a client that pins the certificate; return the TLS version."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.load_verify_locations(pair.certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = tls.server_context(pair).wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version()


def test_it_is_valid_for_the_names_and_addresses_asked_for(tmp_path: Path) -> None:
    pair = tls.ensure_certificate(tmp_path, ["noc-a.example", "10.0.10.1", "2001:db8::1"])
    for name in ("noc-a.example", "10.0.10.1", "2001:db8::1", "localhost", "127.0.0.1", "::1"):
        assert handshake(pair, name) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(pair, "10.0.10.2")


def test_its_key_is_the_owners_and_it_is_made_once(tmp_path: Path) -> None:
    pair = tls.ensure_certificate(tmp_path, ["10.0.10.1"])
    before = pair.certificate.read_bytes(), pair.key.read_bytes()
    assert tls.ensure_certificate(tmp_path, ["10.0.10.1", "::1", "LOCALHOST"]) == pair
    assert (pair.certificate.read_bytes(), pair.key.read_bytes()) == before
    assert pair.key.stat().st_mode & 0o777 == 0o600


def test_another_name_is_refused_not_reissued(tmp_path: Path) -> None:
    pair = tls.ensure_certificate(tmp_path, ["10.0.10.1"])
    with pytest.raises(tls.TlsError, match=r"not for 10\.0\.20\.1"):
        tls.ensure_certificate(tmp_path, ["10.0.10.1", "10.0.20.1"])
    assert pair.certificate.exists()


def test_an_expired_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "VALID_FOR", timedelta(seconds=-1))
    tls.ensure_certificate(tmp_path, [])
    with pytest.raises(tls.TlsError, match="has expired"):
        tls.ensure_certificate(tmp_path, [])


@pytest.mark.parametrize("content", ["", "nonsense"])
def test_what_is_no_certificate_is_told(tmp_path: Path, content: str) -> None:
    pair = tls.ensure_certificate(tmp_path, [])
    pair.certificate.write_text(content)
    with pytest.raises(tls.TlsError, match="not a certificate"):
        tls.ensure_certificate(tmp_path, [])


def test_a_key_that_does_not_fit_is_told(tmp_path: Path) -> None:
    pair = tls.ensure_certificate(tmp_path / "a", [])
    other = tls.ensure_certificate(tmp_path / "b", [])
    with pytest.raises(tls.TlsError, match=r"hub\.crt"):
        tls.server_context(tls.Certificate(pair.certificate, other.key))


@pytest.mark.parametrize(
    ("text", "place"),
    [("10.0.10.1:8443", ("10.0.10.1", 8443)), ("[::1]:80", ("::1", 80)), ("noc-a.example:1", ("noc-a.example", 1))],
)
def test_addresses_to_listen_on(text: str, place: tuple[str, int]) -> None:
    assert parse_address(text) == place


@pytest.mark.parametrize("text", ["", "8443", "host:", ":80", "host:http", "host:70000", "::1:80", "[]:80", "a:-1"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("h", False)],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
