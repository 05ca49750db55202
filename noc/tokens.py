"""Bearer tokens: who may ask a hub over the network, and for what.

A token is 256 random bits, shown once and kept as its SHA-256 hash. They are kept in `tokens.json` in the hub's data
directory (0600, replaced whole) and not in the journal: the journal is a record that only grows and that other
centres will read; a token must be forgettable, must not wait for a full disk's journal to be revoked, and must be
makeable before the hub has ever run. The hub looks at the file at each request, so a change holds at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from lifeline.clock import wall_ns
from lifeline.i18n import _

FILE = "tokens.json"
FIRST_NAME = "first-administrator"
_FORMAT = 1
_PREFIX = "lifeline_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Role(StrEnum):
    """What a token's bearer may do; each of the first four may also do what those before it may."""

    VIEWER = "viewer"  # read everything
    OPERATOR = "operator"  # acknowledge alarms, command protection groups
    APPROVER = "approver"  # agree to a run of a playbook that somebody else started
    ADMINISTRATOR = "administrator"
    AGENT = "agent"  # deliver events of the site that the token is named after, and nothing else

    def includes(self, needed: Role) -> bool:
        """Tell whether this role may do what another may."""
        if Role.AGENT in (self, needed):
            return self is needed
        return _LADDER.index(self) >= _LADDER.index(needed)


_LADDER = (Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMINISTRATOR)


class TokenError(Exception):
    """A token cannot be made, read or revoked; the text says why."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept; the secret itself is not in it."""

    name: str
    role: Role
    sha256: str
    created_at_ns: int


class TokenStore:
    """A data directory's tokens, as they are on disk at the moment."""

    def __init__(self, data_dir: Path | str) -> None:
        self.path = Path(data_dir) / FILE
        self._read: tuple[tuple[int, int, int] | None, dict[str, Token]] = (None, {})

    def find(self, secret: str) -> Token | None:
        """Return the token whose secret this is, else None; in the same time whichever it is."""
        offered = hash_of(secret)
        found = None
        for token in self.all().values():
            if hmac.compare_digest(token.sha256, offered):
                found = token
        return found

    def stands(self, token: Token) -> bool:
        """Tell whether a token found earlier has not been revoked."""
        return self.all().get(token.name) == token

    def all(self) -> Mapping[str, Token]:
        """Return the tokens by name; the file is read again when it has changed.

        Raises:
            TokenError: the file cannot be read.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return {}
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._read[0] != version:
            self._read = (version, _load(self.path))
        return self._read[1]

    def create(self, name: str, role: Role | str) -> str:
        """Make a token and return its secret; this is the only time that it can be seen.

        Raises:
            TokenError: the name is taken or no name, there is no such role, or the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise TokenError(
                _("{name!r} cannot name a token: letters, digits, '.', '_', '@' and '-', at most 64").format(name=name)
            )
        if role not in list(Role):
            raise TokenError(
                _("there is no role {role!r}; there are {roles}").format(role=str(role), roles=", ".join(Role))
            )
        secret = _PREFIX + secrets.token_urlsafe(32)
        with self._changing() as tokens:
            if name in tokens:
                raise TokenError(_("there is a token {name!r} already: revoke it first").format(name=name))
            tokens[name] = Token(name, Role(role), hash_of(secret), wall_ns())
        return secret

    def create_first(self) -> str | None:
        """Make the first administrator's token, if there has never been a token here, and return its secret."""
        return None if self.path.exists() else self.create(FIRST_NAME, Role.ADMINISTRATOR)

    def revoke(self, name: str) -> None:
        """Forget a token; whoever bears it is refused from now on.

        Raises:
            TokenError: there is none of that name, or the file cannot be written.
        """
        with self._changing() as tokens:
            if name not in tokens:
                raise TokenError(_("there is no token {name!r}").format(name=name))
            del tokens[name]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        """Hold the file against other writers, and replace it whole with what the block leaves."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                tokens = dict(self.all())
                yield tokens
                _save(self.path, tokens)
            finally:
                os.close(lock)
        except OSError as error:
            raise TokenError(f"{self.path}: {error.strerror}") from error


def create(data_dir: Path | str, name: str, role: Role | str) -> str:
    """Make a token in a hub's data directory and return its secret (see `TokenStore.create`)."""
    return TokenStore(data_dir).create(name, role)


def hash_of(secret: str) -> str:
    """Return what is kept of a secret. It has 256 random bits, so a plain hash cannot be guessed backwards."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _load(path: Path) -> dict[str, Token]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            raise TokenError(f"{path}: format {data['format']!r}, this version reads {_FORMAT}")
        tokens = (Token(t["name"], Role(t["role"]), t["sha256"], t["created_at_ns"]) for t in data["tokens"])
        return {token.name: token for token in tokens}
    except OSError as error:
        raise TokenError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise TokenError(f"{path}: not a file of tokens: {error}") from error


def _save(path: Path, tokens: Mapping[str, Token]) -> None:
    """Replace the file, whole or not at all."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump({"format": _FORMAT, "tokens": [asdict(token) for token in tokens.values()]}, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
