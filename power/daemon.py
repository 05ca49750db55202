"""The power daemon of a site: asks its devices, reckons how long it lasts, judges, shows and tells."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import structlog

from lifeline.clock import monotonic_s, wall_ns
from lifeline.config import SecretError
from lifeline.model.inventory import Inventory
from lifeline.model.power import Control, PowerPlant
from lifeline.model.records import Quality, Reading
from lifeline.runtime import wire
from lifeline.runtime.daemon import Daemon, Settings, run
from lifeline.runtime.files import write_json
from lifeline.runtime.metrics import HealthState
from lifeline.runtime.options import OptionError, load

from .core.autonomy import Kind, assess
from .core.body import live_state
from .core.control import PLANS, Request, effect, refusal
from .core.judge import Judge
from .core.learn import Discharge, discharging, learn, on_test
from .core.network import Network
from .core.nut import NutError
from .core.observe import Observed, observe
from .core.situation import Known
from .io.control import ControlError, act, cannot
from .io.memory import read_learned
from .io.modbus import ModbusError
from .io.poll import Poller, client_of, monitors

log = structlog.get_logger(__name__)

DEVICES = "devices"
LOOK_S = 1.0
"""At least so often a look is taken, for ages grow; at once when a device has answered."""
SHOW_S = 2.0
"""How often the live state is told: it is tens of kilobytes, and what has to be known at once is a condition."""
SETTLE_S = 0.2
"""Answers that come together are looked at together."""
_STAGGER_S = 0.05


def run_power(settings: Settings) -> int:
    """Be the power daemon until told to stop; return the exit code.

    Raises:
        ConfigError, OptionError: the inventory or an option is wrong.
    """
    inventory = load(settings)
    plant = inventory.sites[settings.site].power
    if plant is None:
        raise OptionError(f"{settings.site} has no power plant in {settings.inventory}")
    return run("power", settings, partial(work, inventory=inventory, plant=plant), components=[DEVICES])


async def work(daemon: Daemon, inventory: Inventory, plant: PowerPlant) -> None:
    """Watch until cancelled."""
    site = daemon.settings.site
    watched = dict(monitors(inventory, site))
    daemon.watch([f"power:{site}", *(f"power:{site}/{part}" for part in _parts(plant))])
    heard = asyncio.Event()
    poller = Poller(heard.set)
    keeper = _Keeper(daemon, plant, daemon.settings.data / "power-learned.json")
    daemon.obey(partial(keeper.obey, inventory=inventory))
    async with asyncio.TaskGroup() as tasks:
        for n, (part, monitor) in enumerate(watched.items()):
            try:
                client = client_of(inventory, site, monitor)
            except (SecretError, KeyError) as error:
                poller.errors[part] = str(error)
                log.error("device cannot be asked", part=part, error=str(error))  # noqa: TRY400 - the text says it all
                continue
            tasks.create_task(poller.follow(part, monitor, client, n * _STAGGER_S))
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await heard.wait()
                    await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                pass
            heard.clear()
            keeper.look(poller)


def _parts(plant: PowerPlant) -> list[str]:
    sections = (plant.feeds, plant.switches, plant.tanks, plant.generators, plant.ups, plant.dc_plants)
    return [name for section in sections for name in section]


class _Keeper:
    """A site's plant between looks: its network, its judge, what it has learnt."""

    def __init__(self, daemon: Daemon, plant: PowerPlant, learned: Path) -> None:
        self._daemon, self._site = daemon, daemon.settings.site
        self._network = Network(plant)
        self._judge = Judge(self._site)
        self._file = learned
        self._learned = read_learned(learned)
        self._discharges: dict[str, Discharge] = {}
        self._started_s = monotonic_s()
        self._commanded_file = daemon.settings.data / "power-commanded.json"
        self._commanded = _read(self._commanded_file)
        """Per control and part, and with `done` before them where the device took it, when last, wall ns."""
        self._observed: Observed | None = None
        self._shown_s = -SHOW_S
        """When the state was told, and on what the site ran then."""
        self._shown_on: str | None = None

    async def obey(self, command: wire.Command, inventory: Inventory) -> wire.CommandResult:
        """Carry a command out, or tell what it would do; the shell puts it on record."""
        site, _slash, part = command.target.removeprefix("power:").partition("/")
        plant, name = self._network.plant, command.command.removeprefix("power.")
        watched = dict(monitors(inventory, self._site))
        if site != self._site or name not in {it.value for it in Control} or self._observed is None:
            return wire.CommandResult(command.id, accepted=False, reason=f"No {name} at {command.target} now.")
        control, key = Control(name), f"{name} {part}"
        last = self._commanded.get(key)
        since_s = None if last is None else max(0.0, (wall_ns() - last) / 1e9)
        request = Request(part, control, plant, self._observed, since_s)
        expected = {"effect": effect(request)}
        why = refusal(request) or cannot(inventory, self._site, watched[part], PLANS[control])
        if why or command.dry_run:
            reason = why or effect(request)
            return wire.CommandResult(command.id, accepted=not why, reason=reason, predicted=expected)
        self._note_command(key)  # before it acts: a death in between must not let it be repeated at once
        try:
            await act(inventory, self._site, watched[part], PLANS[control])
        except (ControlError, ModbusError, NutError, SecretError, OSError) as error:
            return wire.CommandResult(command.id, accepted=False, reason=f"{part}: {error}", predicted=expected)
        self._note_command(f"done {key}")
        return wire.CommandResult(command.id, accepted=True, reason=effect(request), predicted=expected,
                                  result={"part": part, "control": name, "at_ns": wall_ns()})  # fmt: skip

    def _note_command(self, key: str) -> None:
        self._commanded[key] = wall_ns()
        write_json(self._commanded_file, self._commanded)

    def _tested_d(self, now_ns: int) -> dict[str, float | None]:
        """Return per part that has a test to be commanded, the days since the last one that was taken."""
        plant, found = self._network.plant, dict[str, float | None]()
        tests = dict.fromkeys([*plant.ups, *plant.dc_plants], Control.BATTERY_TEST)
        tests |= dict.fromkeys(plant.generators, Control.START)
        for part, control in tests.items():
            last = self._commanded.get(f"done {control.value} {part}")
            found[part] = (now_ns - last) / 86_400e9 if last else None
        return found

    def look(self, poller: Poller) -> None:
        """Take a look: observe, reckon, judge, show."""
        now_s, now_ns = monotonic_s(), wall_ns()
        today = datetime.fromtimestamp(now_ns / 1e9, UTC).date()
        observed = observe(self._network, poller.answers, now_s, today, self._learned.health(now_ns))
        self._observed = observed
        assessment = assess(self._network, observed.situation)
        if poller.answers or now_s - self._started_s > 2 * LOOK_S:  # a moment for devices to answer for the first time
            self._daemon.judge(self._judge.judge(observed, assessment, now_s, self._tested_d(now_ns)))
        self._learn(observed, now_s, now_ns, today)
        if observed.runs_on != self._shown_on or now_s - self._shown_s >= SHOW_S:
            self._shown_on, self._shown_s = observed.runs_on, now_s
            self._daemon.show(
                f"power:{self._site}",
                live_state(self._site, self._network, observed, assessment, poller.errors, self._learned.curves),
            )
        self._daemon.readings(
            reading
            for part, answer in poller.answers.items()
            if now_s - answer.at_s < LOOK_S
            for reading in answer.decoded.readings(f"power:{self._site}/{part}", now_ns)
        )
        self._daemon.readings(
            Reading(f"power:{self._site}", f"autonomy.{kind.value}_h", hours, "h", now_ns,
                    Quality.MISSING if hours is None else Quality.GOOD)
            for kind in Kind
            for hours in (assessment.figure(kind).mid_h,)
        )  # fmt: skip
        silent = sorted(part for part, error in poller.errors.items() if error)
        if silent:
            self._daemon.health.set(DEVICES, HealthState.DEGRADED, f"no answer: {', '.join(silent)}")
        else:
            self._daemon.health.set(DEVICES, HealthState.OK)

    def _learn(self, observed: Observed, now_s: float, now_ns: int, today: date) -> None:
        """Note discharges and tests, and learn from those that are over."""
        for name, unit in self._network.units.items():
            view, situation = observed.views[name], observed.situation
            gives = discharging(view)
            if gives:
                charge, kw = (known.get(name, Known(None)).value for known in (situation.charge, situation.load_kw))
                if charge is not None and kw is not None:
                    under_way = self._discharges.setdefault(name, Discharge(test=on_test(view)))
                    under_way.add(now_s, kw, charge)
            elif gives is False and name in self._discharges:
                over = self._discharges.pop(name)
                lesson = learn(unit, over, situation.health, situation.temp_c.get(name, Known(None)).value, today)
                if lesson:
                    self._learned.note(name, lesson, now_ns, test=over.test)
                    shares = {part: it.value for part, it in lesson.shares.items()}
                    log.info("a discharge taught", unit=name, test=over.test, shares=shares)


def _read(file: Path) -> dict[str, int]:
    """Return what was commanded in earlier lives; what cannot be read is taken for never."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return {str(key): int(at_ns) for key, at_ns in told.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("what was commanded before cannot be read", file=str(file), error=str(error))
        return {}
