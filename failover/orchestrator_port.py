"""What the orchestrator of playbooks needs of the hub, and how it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lifeline.model.inventory import Inventory
from lifeline.model.records import Json

from .core.playbook import Fact, Facts, Run
from .steps.kind import Command


class RefusedError(Exception):
    """What was asked for is refused; the text says why."""


class NoSuchError(LookupError):
    """There is no such playbook or run; `args` are the kind and the name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as the journal has it."""

    cursor: int
    at_ns: int
    subject: str
    body: Mapping[str, Json]


class Port(Protocol):
    """What the hub gives."""

    facts: Facts
    inventory: Inventory

    async def keep(self, drafts: Sequence[tuple[str, Mapping[str, Json]]]) -> None:
        """Put entries (subject, body) on record durably, all or none.

        Raises:
            RefusedError: there is no room.
        """
        ...

    def entries(self) -> AsyncIterator[Kept]:
        """Yield all entries, in order."""
        ...

    async def command(self, command: str, target: str, arguments: Mapping[str, Json], key: str, by: str) -> Command:
        """Have a command carried out, once per key."""
        ...

    def known_command(self, key: str) -> Command | None:
        """Return what became of the command of a key."""
        ...

    def site_of(self, subject: str) -> str:
        """Return the site of a subject, empty where there is none or there are two."""
        ...

    def show(self, subject: str, body: Mapping[str, Json]) -> None:
        """Show a live state."""
        ...

    async def save(self, body: Json) -> None:
        """Keep a snapshot of what was observed, up to the present cursor."""
        ...


class WithRuns:
    """The hub's facts, and what the runs themselves know."""

    def __init__(self, facts: Facts, runs: Mapping[str, Run]) -> None:
        self._facts = facts
        self._runs = runs

    def get(self, name: str) -> Fact:
        """Return a fact."""
        kind, _, identifier = name.partition(":")
        if kind != "run":
            return self._facts.get(name)
        run = self._runs.get(identifier)
        return Fact() if run is None else Fact({"state": run.state.value, "consents": list(run.consents)}, 0.0)

    def in_maintenance(self, subject: str) -> bool:
        """Tell whether a subject is under maintenance."""
        return self._facts.in_maintenance(subject)

    def failing_share(self) -> float:
        """Return the share of sites that fail."""
        return self._facts.failing_share()
