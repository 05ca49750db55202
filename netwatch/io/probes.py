"""Asks services whether they serve: TCP, TLS certificate, HTTP, SSH banner. One signature; a probe judges nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from lifeline.clock import monotonic_s, wall_ns

_MOST: Final = 4096


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe found."""

    ok: bool
    took_s: float
    why: str = ""
    """Why not, in words."""
    values: Mapping[str, float] = field(default_factory=dict)
    """What it measured, by metric."""


Probe = Callable[[str, int], Awaitable[Mapping[str, float]]]


async def probe(kind: str, host: str, port: int | None = None, timeout_s: float = 3.0) -> Probed:
    """Probe a service.

    Args:
        kind: a key of `PROBES`.
        host: address or name.
        port: TCP port; the service's own where None.
        timeout_s: for all of it.
    """
    ask, usual = PROBES[kind]
    began_s = monotonic_s()
    try:
        async with asyncio.timeout(timeout_s):
            values = await ask(host, port or usual)
    except TimeoutError:
        return Probed(ok=False, took_s=monotonic_s() - began_s, why="no answer in time")
    except (OSError, EOFError, ValueError) as error:
        return Probed(ok=False, took_s=monotonic_s() - began_s, why=str(error) or type(error).__name__)
    return Probed(ok=True, took_s=monotonic_s() - began_s, values=values)


async def _tcp(host: str, port: int) -> Mapping[str, float]:
    _reader, writer = await asyncio.open_connection(host, port)
    writer.close()
    return {}


async def _ssh(host: str, port: int) -> Mapping[str, float]:
    """RFC 4253 4.2: the server may send other lines before its identification."""
    reader, writer = await asyncio.open_connection(host, port, limit=_MOST)
    with contextlib.closing(writer):
        for _line in range(20):
            if (await reader.readuntil(b"\n")).startswith(b"SSH-"):
                return {}
        raise ValueError("no SSH identification")


async def _tls(host: str, port: int) -> Mapping[str, float]:
    """The certificate is read, not trusted: whom it names and who signed it is not asked."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
    left = x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp() - wall_ns() / 1e9
    if left <= 0:
        raise ValueError(f"certificate expired {-left / 86400:.0f} days ago")
    return {"tls.certificate_left_s": left}


async def _http(host: str, port: int) -> Mapping[str, float]:
    """RFC 9112 3, 4: any answer below 500 is one of a server that serves."""
    reader, writer = await asyncio.open_connection(host, port, limit=_MOST)
    with contextlib.closing(writer):
        writer.write(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii"))
        parts = (await reader.readuntil(b"\n")).split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
        raise ValueError("not HTTP")
    status = int(parts[1])
    if status >= 500:
        raise ValueError(f"HTTP status {status}")
    return {"http.status": float(status)}


PROBES: Final[Mapping[str, tuple[Probe, int]]] = {
    "tcp": (_tcp, 7), "tls": (_tls, 443), "http": (_http, 80), "ssh": (_ssh, 22),
}  # fmt: skip
