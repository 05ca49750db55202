"""TLS as every client of a hub speaks it. Light: the command line pays for nothing else."""

from __future__ import annotations

import ssl
from pathlib import Path


def pinned_context(ca: Path | str | None) -> ssl.SSLContext:
    """Return a TLS 1.3 client context that trusts the certificates in `ca` and no others (None: the system's).

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # both ends are ours, and it saves a round trip
    if ca is None:
        context.load_default_certs()
    else:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a hub's own certificate may be pinned, not its issuer
        context.load_verify_locations(ca)
    return context
