"""What a kind of step is, and what it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from lifeline.config import SecretError, read_secret
from lifeline.model.inventory import Inventory, SecretRef
from lifeline.model.records import Json

from ..core.playbook import Facts, Outcome, Recovery, Sight


class StepError(Exception):
    """A step cannot be carried out as it is written; nothing was done. The text says why."""


class SecretsError(StepError):
    """A secret that a step needs cannot be had."""


@dataclass(frozen=True, slots=True)
class Command:
    """What became of a command that the hub carried out."""

    phase: str
    detail: str = ""
    before: Json = None
    after: Json = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the administrator lets steps reach; nothing by default."""

    hosts: frozenset[str] = frozenset()
    """`host` or `host:port` that `http` may ask and Modbus and SNMP may write."""
    programs: frozenset[str] = frozenset()
    """Absolute paths that `exec` may run."""
    known_hosts: Path = Path("/etc/lifeline/known_hosts")
    """Host keys of the routers that are reached by ssh."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may use.

    Attributes:
        run: the run's id.
        key: of this attempt at this step; the same whenever the same attempt is spoken of.
        by: in whose name it acts.
        token: fencing token.
        facts: what is known.
        inventory: what exists.
        command: has the hub carry a command out, once per key: (command, target, arguments, key, by).
        known_command: what became of the command of a key; None: there was none.
        secrets: references by name.
        allowed: what may be reached.
    """

    run: str
    key: str
    by: str
    token: int
    facts: Facts
    inventory: Inventory
    command: Callable[[str, str, Mapping[str, Json], str, str], Awaitable[Command]]
    known_command: Callable[[str], Command | None]
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    allowed: Allowed = field(default_factory=Allowed)

    def secret(self, name: str) -> str:
        """Return a secret.

        Raises:
            SecretsError: the playbook names none of that name, or it cannot be read.
        """
        if name not in self.secrets:
            raise SecretsError(f"the playbook has no secret {name!r}")
        try:
            return read_secret(SecretRef(**self.secrets[name]))
        except SecretError as error:
            raise SecretsError(str(error)) from None


@cache
def _adapter(args: Any) -> TypeAdapter[Any]:
    """Return the checker of a kind's arguments; to build one takes longer than many steps."""
    return TypeAdapter(args)


class StepKind:
    """A kind of step. Subclasses say what they take, what they offer for recovery, and do it."""

    name: ClassVar[str]
    """As playbooks write it."""
    text: ClassVar[str]
    """What it does, in a sentence."""
    recovery: ClassVar[Recovery] = Recovery.HUMAN
    """What it offers when its outcome is not known."""
    changes: ClassVar[bool] = True
    """Whether it changes anything outside."""
    of_facts: ClassVar[bool] = False
    """Whether it does nothing but look at facts: then a simulation carries it out as it is."""
    Args: ClassVar[Any]
    """A pydantic dataclass: its arguments."""

    def args(self, given: Mapping[str, Json]) -> Any:
        """Return checked arguments.

        Raises:
            StepError: one is missing, unknown or of a wrong kind.
        """
        try:
            return _adapter(self.Args).validate_python(dict(given))
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors(include_url=False))
            raise StepError(f"{self.name}: {told}") from None

    async def do(self, args: Any, context: Context) -> Outcome:
        """Carry it out.

        Raises:
            StepError: it cannot be; nothing was done.
        """
        raise NotImplementedError

    async def look(self, args: Any, context: Context) -> Sight:
        """Read whether it was done; only of kinds whose recovery is PROBE.

        Raises:
            StepError: it cannot be read.
        """
        raise NotImplementedError
