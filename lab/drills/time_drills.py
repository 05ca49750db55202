"""The drills of the time, as scripts: what happens to the sky over a core room, and what its network must not feel."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lifeline.i18n import N_
from lifeline.model.inventory import Inventory
from lifeline.model.timing import TimeSourceKind

from .time_play import Seen, Step, TimeScript, Wish

NOISE_NS = 300.0
"""What the client's clock is off by without any fault: noise and bias of receivers, chronyd's own filter."""
ISOLATED_S = 5.0
ALARM_S = 7.0
"""Two looks of the daemon and one of the drill later than the isolation."""
CLIENT_S = 40.0
"""How long, beyond qualification, chronyd takes to trust its sources again once it had to withdraw."""
RECEIVERS = {"beidou": TimeSourceKind.BEIDOU, "gps": TimeSourceKind.GPS}
RAMP_NS_PER_S = 1000.0
CREEP_NS_PER_S = 40.0


# ---------------------------------------------------------------- what can be seen


def _is(source: str, *reasons: str | None) -> Callable[[Seen], bool]:
    return lambda seen: seen.reason(source) in reasons


def _alarm(what: str, *names: str) -> Callable[[Seen], bool]:
    return lambda seen: any((what, name) in seen.alarms for name in names)


def _unserved(seen: Seen) -> bool:
    return not seen.served


_NEVER_UNSERVED = {N_("the time was not served"): _unserved}


def _in_state(*states: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.state.get("state") in states


def _back(qualification_s: float, *sources: str, error_ns: float = NOISE_NS * 2) -> Step:
    """Return the step in which receivers are well again, and come back after they have qualified.

    Args:
        qualification_s: how long they must be sound.
        sources: the receivers.
        error_ns: how far the client may be off meanwhile.
    """
    return Step(
        N_("well again"), tuple((it, "", 0.0) for it in sources),
        (Wish(N_("selected again"), lambda seen: seen.steady, qualification_s + CLIENT_S),
         Wish(N_("alarms cleared"), lambda seen: not seen.alarms, qualification_s + CLIENT_S)),
        error_ns=error_ns,
    )  # fmt: skip


# ---------------------------------------------------------------- the scripts


def _jam(liar: str, qualification_s: float, limit_ns: float) -> tuple[Step, ...]:
    return (
        Step(
            N_("jammed"), ((liar, "jam", 0.0),),
            (Wish(N_("jam recognised"), _is(liar, "jammed"), ISOLATED_S),
             Wish(N_("alarm raised"), _alarm(f"/{liar}", "jammed"), ALARM_S)),
            _NEVER_UNSERVED | {N_("the clock was not locked"): lambda seen: seen.state.get("state") != "locked"},
            min(NOISE_NS, limit_ns), 15.0,
        ),
        _back(qualification_s, liar),
    )  # fmt: skip


def _ramp(liar: str, qualification_s: float, limit_ns: float) -> tuple[Step, ...]:
    return (
        Step(
            N_("pulled away, a microsecond a second"), ((liar, "ramp", RAMP_NS_PER_S),),
            (Wish(N_("isolated"), _is(liar, "ramp", "step"), 8.0),
             Wish(N_("alarm raised"), _alarm(f"/{liar}", "time-ramp", "time-step"), 10.0)),
            _NEVER_UNSERVED, min(20_000.0, limit_ns), 20.0,
        ),
        _back(qualification_s, liar),
    )  # fmt: skip


def _dual_loss(_liar: str, qualification_s: float, limit_ns: float) -> tuple[Step, ...]:
    both = tuple(RECEIVERS)
    return (
        Step(
            N_("both receivers silent"), tuple((it, "silent", 0.0) for it in both),
            (Wish(N_("holdover"), _in_state("holdover-in-spec"), ALARM_S),
             Wish(N_("alarm raised"), _alarm("", "holdover", "time-lost"), ALARM_S + 2),
             Wish(N_("service withdrawn"), _unserved, 90.0)),
            {N_("served beyond the budget"): lambda seen: seen.served and bool(seen.state)
             and seen.state["state"] == "holdover-out-of-spec"},
            limit_ns,
        ),
        _back(qualification_s, *both),
    )  # fmt: skip


def _diverge(liar: str, qualification_s: float, limit_ns: float) -> tuple[Step, ...]:
    """Let one constellation creep away so slowly that the room's poor oscillator cannot tell which."""
    named = _is(liar, "ramp", "step")

    def told(seen: Seen) -> bool:
        return named(seen) or any(seen.reason(it) == "diverged" for it in RECEIVERS)

    return (
        Step(
            N_("one constellation creeps away from the other"), ((liar, "ramp", CREEP_NS_PER_S),),
            (Wish(N_("told apart, or told unresolved"), told, 60.0),
             Wish(N_("alarm raised"), lambda seen: _alarm("", "unresolved")(seen)
                  or _alarm(f"/{liar}", "time-ramp", "time-step")(seen), 62.0)),
            {N_("the wrong one was isolated"): lambda seen: any(
                seen.reason(it) in {"ramp", "step"} for it in RECEIVERS if it != liar)},
            limit_ns, 10.0,
        ),
        # What could not be told apart from noise has been learnt, and is unlearnt only once both have qualified.
        _back(qualification_s, liar, error_ns=limit_ns),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A drill of the time.

    Attributes:
        objective: a sentence.
        write: its steps, of the receiver that is hit, the qualification's time and the network's limit.
        poor: whether it wants a room whose oscillator holds for so short that a drill sees it end.
    """

    objective: str
    write: Callable[[str, float, float], tuple[Step, ...]]
    poor: bool = False


KINDS: Mapping[str, Kind] = {
    "gnss-jam": Kind(N_("One constellation is jammed: nothing is felt, the jam is told, and it comes back."), _jam),
    "gnss-spoof-ramp": Kind(
        N_("One constellation is pulled away slowly: it is isolated before the network follows it."), _ramp
    ),
    "dual-loss-holdover": Kind(
        N_("Both constellations are lost: the oscillator holds, and service ends before the time is wrong."),
        _dual_loss, poor=True,
    ),
    "bds-gps-diverge": Kind(
        N_("BeiDou and GPS drift apart, and hardly anything tells which is wrong: nobody guesses."), _diverge, poor=True
    ),
}  # fmt: skip
HOLDS_AT_MOST_PPB = 1.0
"""An oscillator whose frequency wanders by more within an hour holds for minutes, not hours."""


def candidates(inventory: Inventory, *, poor: bool = False) -> list[str]:
    """Return the sites that have both constellations and a chronyd to feed; only those with a poor oscillator."""
    found = []
    for name, site in inventory.sites.items():
        kinds = {it.kind for it in site.time_sources.values()}
        holds = [it.figures for it in site.time_sources.values() if it.kind is TimeSourceKind.HOLDOVER]
        is_poor = any(it.random_walk_ppb > HOLDS_AT_MOST_PPB for it in holds)
        if set(RECEIVERS.values()) <= kinds and site.timing and site.timing.chrony and (is_poor or not poor):
            found.append(name)
    return sorted(found)


def write(name: str, inventory: Inventory, *, site: str | None, seed: int) -> TimeScript:
    """Return a drill's script, its draws following the seed.

    Args:
        name: one of `KINDS`.
        inventory: of the lab.
        site: a site that the drill shall hit; drawn otherwise.
        seed: of every draw.

    Raises:
        ValueError: no site is fit, or that one is not.
    """
    draw, kind = random.Random(seed), KINDS[name]
    fit = candidates(inventory, poor=kind.poor)
    if not fit:
        raise ValueError("no site of the inventory has BeiDou, GPS and a chronyd to feed")
    if site is not None and site not in fit:
        raise ValueError(f"{name} does not fit {site!r}; it fits {', '.join(fit)}")
    at = site or draw.choice(fit)
    timing = inventory.sites[at].timing
    assert timing is not None
    liar = draw.choice(sorted(RECEIVERS))
    return TimeScript(name, kind.objective, at, kind.write(liar, timing.qualification_s, timing.limit_ns))
