"""The keys of one site's fast path: which ones a session or group uses is in its plan, what they are in a file apart.

So a plan can be shown and copied. The keys' file is written where the plan is, readable by its owner only; on
`/run` it never touches a disk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core.aps import ApsKeys
from .core.auth import AuthType, KeyRing

if TYPE_CHECKING:  # pydantic must stay out of the fast path's memory
    from lifeline.model.protection import BfdAuthentication
    from lifeline.model.protection import KeyRing as ApsKeyRing

SCHEMA = "lifeline.fastpath-keys/1"
FILE = "fastpath-keys.json"

_AUTH_TYPES = {"keyed-sha1": AuthType.KEYED_SHA1, "meticulous-sha1": AuthType.METICULOUS_KEYED_SHA1}


class KeysError(ValueError):
    """The keys' file is damaged, or lacks a key; the text never shows one."""


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """The keys that an end accepts, by Key ID the credential, and the ID it signs with."""

    keys: tuple[tuple[int, str], ...]
    signing: int
    type: str = ""
    """BFD's Auth Type, `keyed-sha1` or `meticulous-sha1`; empty for APS."""

    @classmethod
    def compile(cls, ring: BfdAuthentication | ApsKeyRing | None) -> KeyPlan | None:
        """Return the plan of the inventory's keys; None for none."""
        if ring is None:
            return None
        return cls(tuple((key.id, key.credential) for key in ring.keys), ring.signs, getattr(ring, "type", ""))

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> KeyPlan | None:
        """Build it from JSON; None for none."""
        return cls(**{**data, "keys": tuple((int(i), str(name)) for i, name in data["keys"])}) if data else None


class Keys:
    """Secrets by credential."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._secrets = dict(secrets)

    @classmethod
    def load(cls, run: Path) -> Keys:
        """Read the keys beside a plan; none where there is no file.

        Raises:
            KeysError: the file is damaged.
            OSError: it cannot be read.
        """
        try:
            data = json.loads((run / FILE).read_text(encoding="utf-8"))
            return cls({name: bytes.fromhex(key) for name, key in data[SCHEMA].items()})
        except FileNotFoundError:
            return cls({})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeysError(f"{run / FILE}: not a {SCHEMA}") from None

    def to_json(self) -> dict[str, Any]:
        """Return the secrets as JSON, for a file that only its owner reads."""
        return {SCHEMA: {name: key.hex() for name, key in self._secrets.items()}}

    def bfd(self, plan: KeyPlan) -> KeyRing:
        """Return a session's keys.

        Raises:
            KeysError: one is missing or out of range.
        """
        try:
            return KeyRing(_AUTH_TYPES[plan.type], self._of(plan), plan.signing)
        except ValueError as error:
            raise KeysError(str(error)) from None

    def aps(self, plan: KeyPlan) -> ApsKeys:
        """Return a group's keys.

        Raises:
            KeysError: one is missing or too short.
        """
        try:
            return ApsKeys(self._of(plan), plan.signing)
        except ValueError as error:
            raise KeysError(str(error)) from None

    def _of(self, plan: KeyPlan) -> dict[int, bytes]:
        if missing := [name for _id, name in plan.keys if name not in self._secrets]:
            raise KeysError(f"no key for credential {missing[0]}: was the plan made without the keys beside it?")
        return {number: self._secrets[name] for number, name in plan.keys}
