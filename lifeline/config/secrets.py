"""Fetches secrets from where the inventory says they are kept, and checks that they can be fetched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..i18n import _
from ..model.inventory import Credential, Inventory, SecretRef
from .problems import Finding


class SecretError(Exception):
    """A secret cannot be fetched; the text says why and never holds the secret."""

    exit_code = 2


def read_secret(reference: SecretRef) -> str:
    """Return a secret, without the line end that editors leave behind it.

    Raises:
        SecretError: the variable is unset, the file unreadable, open to others than its owner and group, or empty.
    """
    if reference.env is not None:
        secret = os.environ.get(reference.env, "")
        if not secret:
            raise SecretError(_("environment variable {name} is not set").format(name=reference.env))
        return secret
    assert reference.file is not None
    path = Path(reference.file)
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            secret = stream.read().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SecretError(_("file {path} cannot be read: {reason}").format(path=path, reason=reason.lower())) from None
    if mode & stat.S_IRWXO:
        raise SecretError(_("file {path} is open to every user; run: chmod o= {path}").format(path=path))
    if not secret:
        raise SecretError(_("file {path} is empty").format(path=path))
    return secret


_KEY_BYTES = {"bfd-sha1": range(1, 21), "aps-sha256": range(16, 65)}
"""How long a key may be, by the kind of credential."""


def read_key(credential: Credential) -> bytes:
    """Return the key that a credential holds.

    Raises:
        SecretError: it cannot be fetched, or is no key of this kind.
    """
    key = read_secret(credential.secret).encode()
    lengths = _KEY_BYTES.get(credential.kind)
    if lengths is not None and len(key) not in lengths:
        raise SecretError(_("a key of the kind {kind} has {least} to {most} bytes, this one has {n}").format(
            kind=credential.kind, least=lengths.start, most=lengths.stop - 1, n=len(key)))  # fmt: skip
    return key


def check_secrets(inventory: Inventory) -> list[Finding]:
    """Return a finding for each secret that cannot be fetched here and now, as this user."""
    findings = []
    for name, credential in inventory.credentials.items():
        for key, reference in (("secret", credential.secret), ("privacy_secret", credential.privacy_secret)):
            if reference is None:
                continue
            try:
                read_key(credential) if key == "secret" else read_secret(reference)
            except SecretError as error:
                findings.append(Finding(("credentials", name, key), str(error)))
    return findings
