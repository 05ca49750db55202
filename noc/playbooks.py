"""The hub's side of playbooks: facts from what it knows, entries in its journal, commands through its door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog

from failover.core.playbook import Facts, Playbook
from failover.orchestrator import OURS, Orchestrator
from failover.orchestrator_port import Kept, RefusedError
from failover.playbooks import load_all, shipped
from failover.steps.kind import Allowed, Command
from failover.steps.registry import Registry
from lifeline.model.inventory import Inventory
from lifeline.model.records import Condition, EventKind, Json, StoredEvent

from .agents import NoAnswerError
from .audit import Countersign
from .commands import ArgumentError, Asked, Commands, KeyReusedError, NoRoomError, NoSuchTargetError
from .domains import NoSuchCommandError
from .hub import Hub
from .playbook_facts import HubFacts
from .protection import CENTRES, NoSuchEndError, UnreachableError
from .views import CommandView

SNAPSHOT: Final = "playbooks"

log = structlog.get_logger(__name__)


class HubPort:
    """What the orchestrator gets of the hub."""

    def __init__(self, hub: Hub, commands: Commands) -> None:
        self.facts: Facts = HubFacts(hub)
        self.inventory: Inventory = hub.inventory
        self._hub = hub
        self._commands = commands

    async def keep(self, drafts: Sequence[tuple[str, Mapping[str, Json]]]) -> None:
        """Put entries into the journal, all or none."""
        if not await self._hub.write_all((EventKind.PLAYBOOK, subject, body) for subject, body in drafts):
            raise RefusedError(f"nothing was done: {self._hub.trouble}")

    async def entries(self) -> AsyncIterator[Kept]:
        """Yield the entries of the journal."""
        async for stored in self._hub.read(0, kind=EventKind.PLAYBOOK):
            yield Kept(stored.cursor, stored.event.observed_at_ns, stored.event.subject, stored.event.body)

    async def command(self, command: str, target: str, arguments: Mapping[str, Json], key: str, by: str) -> Command:
        """Have a command carried out; who sends the same key again gets the same outcome."""
        more = dict(arguments)
        at, to = (more.pop(name, None) if command.startswith("protection.") else None for name in ("at", "to"))
        text = more.pop("text", "") if command.startswith("alarm.") else ""
        text = f"{text} (playbook run {key.partition('/')[0]})".lstrip()
        asked = Asked(command, target, by, text, key, at, to, arguments=more)
        try:
            return _of(await self._commands.run(asked))
        except (
            NoSuchTargetError,
            ArgumentError,
            NoSuchEndError,
            NoSuchCommandError,
            KeyReusedError,
            UnreachableError,
            NoRoomError,
        ) as error:
            return Command("refused", str(error) or type(error).__name__)
        except NoAnswerError as error:
            return Command("unknown", str(error))

    def known_command(self, key: str) -> Command | None:
        """Return what became of a command."""
        found = self._hub.projection.record.command_under(key)
        return None if found is None else _of(found)

    def site_of(self, subject: str) -> str:
        """Return the one site of a subject; of a link or group the station's, for that is what is at stake."""
        sites = self._hub.projection.subjects.sites(subject)
        stations = [site for site in sites if not _is_centre(self.inventory, site)]
        return (stations or list(sites) or [""])[0]

    def show(self, subject: str, body: Mapping[str, Json]) -> None:
        """Show a run live."""
        self._hub.set_state(self._hub.node, subject, body)

    async def save(self, body: Json) -> None:
        """Keep a snapshot."""
        await self._hub.save_fold(SNAPSHOT, body)


def _is_centre(inventory: Inventory, site: str) -> bool:
    known = inventory.sites.get(site)
    return known is not None and known.kind in CENTRES


def _of(view: CommandView) -> Command:
    return Command(view.phase, view.detail, view.before, view.after)


@dataclass(frozen=True, slots=True)
class PlaybookSettings:
    """Which playbooks, and what they may reach."""

    directories: tuple[Path, ...] = ()
    """Of playbooks besides those that ship; a later one's replaces an earlier one's of its name."""
    allowed: Allowed = field(default_factory=Allowed)
    """What steps may reach."""
    audit_copy: Path | None = None
    """The second place of the audit's end; `audit` in the hub's data if None."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """What parameters of these names are unless a run is given something else, in every playbook that has them."""


def _with_defaults(book: Playbook, defaults: Mapping[str, str]) -> Playbook:
    parameters = {
        name: replace(it, default=defaults[name]) if name in defaults else it for name, it in book.parameters.items()
    }
    return replace(book, parameters=parameters)


class Playbooks:
    """The playbooks of one hub, from `start` to `stop`.

    Attributes:
        orchestrator: that runs them.
        problems: of the files that were not loaded.
    """

    def __init__(self, hub: Hub, commands: Commands, data: Path, settings: PlaybookSettings) -> None:
        """Load the files.

        Args:
            hub: the hub.
            commands: its door for commands.
            data: its data directory.
            settings: which files, and what steps may reach.
        """
        self._hub = hub
        self._countersign = Countersign(data, settings.audit_copy or data / "audit")
        registry = Registry()
        books, self.problems = load_all([shipped(), *settings.directories], registry)
        for problem in self.problems:
            log.error("playbook is not loaded", problem=str(problem))
        books = {name: _with_defaults(book, settings.defaults) for name, book in books.items()}
        self.orchestrator = Orchestrator(HubPort(hub, commands), books, registry, settings.allowed)

    async def start(self) -> None:
        """Go on where the last life ended."""
        saved = await self._hub.load_fold(SNAPSHOT)
        if saved is not None:  # at the very first start, what stands already starts nothing
            cursor, snapshot = saved
            self.orchestrator.restore(snapshot)
            async for stored in self._hub.read(cursor, kind=EventKind.CONDITION):
                self._observe(stored)
        self._hub.on_stored = self._observe
        self._hub.more_gauges = self.gauges
        self._hub.sealing.on_sealed = self._countersign.note
        self._countersign.note(self._hub.projection.record.audit)
        self._signing = asyncio.create_task(self._countersign.run())
        await self.orchestrator.start()
        log.info("playbooks are ready", playbooks=len(self.orchestrator.playbooks), problems=len(self.problems))

    async def stop(self) -> None:
        """End."""
        self._hub.on_stored = None
        await self.orchestrator.stop()
        self._hub.sealing.on_sealed = None
        self._signing.cancel()
        await asyncio.gather(self._signing, return_exceptions=True)
        self._countersign.close()

    def _observe(self, stored: StoredEvent) -> None:
        event = stored.event
        if event.kind is not EventKind.CONDITION:
            return
        try:
            condition = Condition.from_body(event.body)
        except ValueError:
            return  # the record counts it
        self.orchestrator.observe(event.node, condition, stored.recorded_at_ns)

    def gauges(self) -> list[tuple[str, str, Any]]:
        """Return the figures."""
        it = self.orchestrator
        return [
            ("lifeline_playbook_runs:state", "Playbook runs that are not over", it.by_state()),
            ("lifeline_playbook_ended:state", "Playbook runs that ended since the hub began",
             {state: float(count) for state, count in it.counts.items()}),
            ("lifeline_playbook_halted", "Whether playbooks are halted", float(it.halted.is_set())),
            ("lifeline_playbooks", "Playbooks loaded", float(len(it.playbooks))),
            ("lifeline_playbook_problems", "Mistakes in playbook files not loaded", float(len(self.problems))),
        ]  # fmt: skip


__all__ = ["OURS", "HubFacts", "Playbooks"]
