"""`lifeline power`: how long the sites last, what would happen if, what to shed and where to bring fuel."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lifeline import clock
from lifeline.i18n import _
from lifeline.runtime.options import daemon_options
from noc.client import HubClient

from .ask import Duration, View, age_text, ask, hub_option
from .output import ExitCode, Styled, VerbError, emit, emit_json, emit_table, json_option
from .power_control import control, test
from .power_show import (
    emit_outcome,
    emit_outcomes,
    emit_site,
    figure,
    network_timeline,
    outcome_json,
    outcome_verdict,
    shown,
    span,
    wall,
)

if TYPE_CHECKING:
    from lifeline.model.inventory import Inventory
    from lifeline.runtime.daemon import Settings
    from power.core.network import Network
    from power.core.situation import Situation

_EXIT = {"met": ExitCode.OK, "uncertain": ExitCode.DEGRADED, "unknown": ExitCode.DEGRADED, "missed": ExitCode.CRITICAL}

_inventory = click.option(
    "--inventory", type=click.Path(path_type=Path), envvar="LIFELINE_INVENTORY", help=_("The inventory file.")
)
_assume = click.option(
    "--assume", metavar="load=70%,fuel=80%,charge=100%",
    help=_("Reckon without a hub: what is taken for the load (share of design, or kW), the fuel and the batteries."),
)  # fmt: skip


@click.group(help=_("Power: hours to dark, what if, shed order, fuel deliveries"))
def power() -> None:
    """Group the verbs."""


power.add_command(test)
power.add_command(control)


@power.command("run", help=_("Watch the power of a site until told to stop."))
@daemon_options(metrics="127.0.0.1:9471")
def run_(settings: Settings) -> int:
    """Be the power daemon."""
    from power.daemon import run_power

    return run_power(settings)


# ---------------------------------------------------------------- status, autonomy


@power.command(help=_("Show every site's power: on what it runs, how long it lasts against its target, whether it "
                      "is ready. With SITE show what its devices say, and what its batteries have shown to hold.\n\n"
                      "\b\nExamples:\n  lifeline power status\n  lifeline power status core-wired"))  # fmt: skip
@click.argument("site", required=False)
@hub_option()
@json_option()
def status(site: str | None, hub: str | None, as_json: bool) -> ExitCode:
    """Show the sites' live states."""
    live = _live(hub, site or "")
    if site:
        _one(live, site)
    if as_json:
        emit_json("lifeline.power-status/1", {"sites": live})
    else:
        emit_table(
            [_("Site"), _("Runs on"), _("System"), _("N-1"), _("Target"), _("Verdict"), _("Ready"), _("Heard")],
            [_status_row(it) for it in live],
        )
        if site:
            emit("")
            emit_site(live[0]["body"])
    return _worst(*(_verdict(it) for it in live))


def _status_row(view: View) -> list[object]:
    body = view["body"]
    n, n_1 = (figure(body, "system", redundancy) for redundancy in ("n", "n-1"))
    heard = age_text((clock.wall_ns() - view["heard_at_ns"]) / 1e9)
    ready = body["ready"]["verdict"] if view["fresh"] else "unknown"
    return [view["site"], body["runs_on"], span(n), span(n_1), f"{body['target_h']:g} h", shown(_verdict(view)),
            shown(ready), heard if view["fresh"] else f"{heard}?"]  # fmt: skip


def _verdict(view: View) -> str:
    """Return a site's verdict; what is stale is unknown."""
    return str(figure(view["body"], "system", "n")["verdict"]) if view["fresh"] else "unknown"


@power.command(help=_("Show how long SITE lasts: batteries, fuel, both; with all parts and without the worst one; at "
                      "the present, design and cooling load.\n\n"
                      "\b\nExamples:\n  lifeline power autonomy core-wired --why\n"
                      "  lifeline power autonomy core-wired --assume load=70%,fuel=80%,charge=100%"))  # fmt: skip
@click.argument("site")
@_inventory
@_assume
@click.option("--why", is_flag=True, help=_("Show the sentence and the inputs behind each figure."))
@hub_option()
@json_option()
def autonomy(
    site: str, inventory: Path | None, assume: str | None, why: bool, hub: str | None, as_json: bool
) -> ExitCode:
    """Show one site's figures."""
    if assume is None:
        view = _one(_live(hub, site), site)
        body: View = view["body"]
    else:
        from power.core.autonomy import assess
        from power.core.body import assessment_to_json

        network, situation = _assumed(_load(inventory), site, assume)
        body = assessment_to_json(assess(network, situation))
    if as_json:
        emit_json("lifeline.power-autonomy/1", {"site": site, **{k: v for k, v in body.items() if k != "schema"}})
    else:
        _emit_figures(body, why=why)
    return _EXIT[str(figure(body, "system", "n")["verdict"])]


def _emit_figures(body: View, *, why: bool) -> None:
    loads = {"present": _("present"), "design": _("design"), "cooling": _("with cooling")}
    kinds = {"battery": _("batteries"), "fuel": _("fuel"), "system": _("site")}
    emit(_("Target {h:g} h").format(h=body["target_h"]))
    emit_table(
        [
            _("What lasts"),
            _("Load"),
            _("N"),
            _("N-1"),
            _("Worst failure"),
            _("N against target"),
            _("N-1 against target"),
        ],
        [
            [name, load, span(n), span(n_1), n_1["worst"], shown(n["verdict"]), shown(n_1["verdict"])]
            for kind, name in kinds.items()
            for case, load in loads.items()
            for n, n_1 in [(figure(body, kind, "n", case), figure(body, kind, "n-1", case))]
        ],
    )
    if (chance := body["probability"]) is not None:
        emit(_("Chance to reach the target: {mid:.1%} ({low:.1%} to {high:.1%})").format(**chance))
    if why:
        for told in body["figures"]:
            emit(f"\n{told['kind']} {told['redundancy']} {told['load']}: {told['sentence']}")
            for it in told["inputs"]:
                emit(f"  {it['name']} = {_number(it['value'])} {it['unit']}  {it['origin']}, {age_text(it['age_s'])}")


@power.command("history", help=_("Plot METRIC of SITE or SITE/PART; without METRIC list the latest values.\n\n"
                                 "\b\nExamples:\n  lifeline power history core-wired autonomy.system_h --since 7d\n"
                                 "  lifeline power history core-wired/ups-a battery.charge"))  # fmt: skip
@click.argument("part", metavar="SITE[/PART]")
@click.argument("metric", required=False)
@click.option("--since", type=Duration(), default="24h", show_default=True, help=_("How far back: 30min, 2h, 7d."))
@hub_option()
@json_option()
@click.pass_context
def history_(
    context: click.Context, part: str, metric: str | None, since: float, hub: str | None, as_json: bool
) -> None:
    """Show what was measured and reckoned."""
    from .history import history

    context.invoke(history, subject=f"power:{part}", metric=metric, since=since, step=None, hub=hub, as_json=as_json)


# ---------------------------------------------------------------- what if


@power.command(help=_("Tell what would happen at SITE, in a district or everywhere (all) if something were lost.\n\n"
                      "\b\nExamples:\n  lifeline power whatif core-wired --lose feed:all --lose genset:2 --load +20%\n"
                      "  lifeline power whatif district:haidian --lose substation:East\n"
                      "  lifeline power whatif all --lose feed:all"))  # fmt: skip
@click.argument("where", metavar="SITE|district:ID|all")
@click.option("--lose", multiple=True, metavar="PART", help=_("feed:1, feed:all, genset:2, ups:ups-1, tank:bulk, "
              "pump:day, string:ups-1/a, module:ups-1, substation:East, or a part's name; repeatable."))  # fmt: skip
@click.option("--load", "load", metavar="+20%|45kW", help=_("Change the load."))
@click.option("--temp", type=float, metavar="C", help=_("Battery temperature, degrees Celsius."))
@click.option(
    "--at", "at", metavar="TIME", help=_("When it begins, ISO 8601; now where empty. Times are shown from there.")
)
@_inventory
@_assume
@hub_option()
@json_option()
def whatif(
    where: str, lose: tuple[str, ...], load: str | None, temp: float | None, at: str | None, inventory: Path | None,
    assume: str | None, hub: str | None, as_json: bool,
) -> ExitCode:  # fmt: skip
    """Reckon a what-if."""
    from power.core.whatif import Change, WhatIfError, load_change, what_if, what_if_all

    loaded = _load(inventory)
    begins = _time(at)
    try:
        factor, kw = load_change(load) if load else (1.0, None)
        change = Change(lose, factor, kw, temp)
        names = _places(loaded, where)
        known = _known(loaded, names, assume, hub, begins.date())
        outcomes = [what_if(where, *known[where], change)] if where in loaded.sites else what_if_all(known, change)
    except WhatIfError as error:
        raise VerbError(str(error), ExitCode.USAGE) from None
    told = [outcome_json(it) for it in outcomes]
    if as_json:
        emit_json("lifeline.power-whatif/1",
                  {"at": begins.isoformat(), "outcomes": told, "timeline": network_timeline(told)})  # fmt: skip
    elif where in loaded.sites:
        emit_outcome(told[0], begins)
    else:
        emit_outcomes(told, begins)
    return _worst(*(outcome_verdict(it) for it in told))


# ---------------------------------------------------------------- plan


@power.group(help=_("Plans: what to shed, where to bring fuel"))
def plan() -> None:
    """Group the plans."""


@plan.command("shed", help=_("Show which loads of SITE to shed, and in which order, until its target is reached.\n\n"
                             "\b\nExample:\n  lifeline power plan shed core-wired --n-1"))  # fmt: skip
@click.argument("site")
@click.option("--n-1", "n_1", is_flag=True, help=_("Reach the target without the worst part too."))
@_inventory
@_assume
@hub_option()
@json_option()
def plan_shed(
    site: str, n_1: bool, inventory: Path | None, assume: str | None, hub: str | None, as_json: bool
) -> ExitCode:
    """Plan shedding."""
    from power.core.autonomy import Redundancy
    from power.core.explain import hours_text
    from power.core.shedding import shed_order

    loaded = _load(inventory)
    network, situation = _known(loaded, _places(loaded, site), assume, hub)[site]
    steps = shed_order(network, situation, Redundancy.N_1 if n_1 else Redundancy.N)
    if as_json:
        emit_json("lifeline.power-shed/1", {"site": site, "target_h": network.plant.target_autonomy_h, "steps": [
            {"load": it.load or None, "kw": it.kw, "h": it.figure.mid_h, "low_h": it.figure.low_h,
             "verdict": it.verdict.value} for it in steps]})  # fmt: skip
    else:
        emit_table(
            [_("Step"), _("Shed"), _("kW"), _("Site lasts"), _("At least"), _("Target"), _("Verdict")],
            [[n, it.load or _("nothing yet"), it.kw, hours_text(it.figure.mid_h), hours_text(it.figure.low_h),
              f"{network.plant.target_autonomy_h:g} h", shown(it.verdict.value)] for n, it in enumerate(steps)],
        )  # fmt: skip
    return _EXIT[steps[-1].verdict.value]


@plan.command("fuel", help=_("Plan fuel deliveries to all sites, or to some, and by when they are needed.\n\n\b\n"
                             "Example:\n  lifeline power plan fuel --tankers 3 --tanker-l 5000"))  # fmt: skip
@click.argument("sites", nargs=-1)
@click.option(
    "--tankers", type=click.IntRange(1, 100), default=1, show_default=True, help=_("How many tankers there are.")
)
@click.option("--tanker-l", type=click.FloatRange(100), default=5000.0, show_default=True,
              help=_("What a tanker carries, litres."))  # fmt: skip
@click.option("--trip-h", type=click.FloatRange(0.1), default=4.0, show_default=True,
              help=_("How long a trip takes where the inventory has no 'fuel_delivery_h', hours."))  # fmt: skip
@click.option(
    "--hours", type=click.FloatRange(1, 1000), default=96.0, show_default=True, help=_("How far to plan, hours.")
)
@_inventory
@_assume
@hub_option()
@json_option()
def plan_fuel(
    sites: tuple[str, ...], tankers: int, tanker_l: float, trip_h: float, hours: float, inventory: Path | None,
    assume: str | None, hub: str | None, as_json: bool,
) -> ExitCode:  # fmt: skip
    """Plan deliveries."""
    from power.core.needs import fuel_need
    from power.deliveries import DeliveryError, plan_deliveries

    loaded = _load(inventory)
    names = [name for site in sites for name in _places(loaded, site)] or _places(loaded, "all")
    needs, unknown = [], []
    for name, (network, situation) in _known(loaded, names, assume, hub).items():
        if not network.generators:
            continue
        need = fuel_need(name, network, situation, trip_h)
        if need is None:
            unknown.append(name)
        else:
            needs.append(need)
    try:
        trips = plan_deliveries(needs, tankers, tanker_l, hours)
    except DeliveryError as error:
        raise VerbError(str(error)) from None
    if as_json:
        emit_json("lifeline.power-deliveries/1", {"unknown": unknown, "trips": [
            {"site": it.site, "tanker": it.tanker, "leave_h": it.leave_h, "arrive_h": it.arrive_h,
             "need_by_h": it.need_by_h, "litres": it.litres, "late_h": it.late_h} for it in trips]})  # fmt: skip
    else:
        now = _time(None)
        emit_table(
            [_("Leave"), _("Tanker"), _("Site"), _("Litres"), _("Arrive"), _("Needed by"), _("Late")],
            [[wall(now, it.leave_h), it.tanker, it.site, round(it.litres), wall(now, it.arrive_h),
              wall(now, it.need_by_h), Styled(f"{it.late_h:.1f} h", "red") if it.late_h > 0 else _("no")]
             for it in trips],
        )  # fmt: skip
        for name in unknown:
            click.echo(_("{site}: nobody knows its fuel or load; it is not planned for").format(site=name), err=True)
    late = any(it.late_h > 0 for it in trips)
    return ExitCode.CRITICAL if late else ExitCode.DEGRADED if unknown else ExitCode.OK


# ---------------------------------------------------------------- what the verbs share


def _load(inventory: Path | None) -> Inventory:
    from lifeline.config import load_inventory

    if inventory is None:
        raise VerbError(_("which plant? give --inventory FILE, or set LIFELINE_INVENTORY"), ExitCode.USAGE)
    return load_inventory(inventory)


def _places(loaded: Inventory, where: str) -> list[str]:
    """Return the sites with a power plant that a word stands for."""
    from lifeline.config.problems import did_you_mean

    kind, _colon, name = where.partition(":")
    if where == "all":
        found = list(loaded.sites)
    elif kind == "district" and name in loaded.districts:
        found = [site for site, it in loaded.sites.items() if it.district == name]
    elif where in loaded.sites:
        found = [where]
    else:
        _nearest, hint = did_you_mean(
            where, [*loaded.sites, *(f"district:{it}" for it in loaded.districts)], _("there are")
        )
        raise VerbError(_("there is no {where!r}").format(where=where) + f"; {hint}", ExitCode.USAGE)
    found = [site for site in found if loaded.sites[site].power is not None]
    if not found:
        raise VerbError(_("the inventory knows nothing of the power of {where}").format(where=where), ExitCode.USAGE)
    return found


def _known(
    loaded: Inventory, sites: list[str], assume: str | None, hub: str | None, day: date | None = None
) -> dict[str, tuple[Network, Situation]]:
    """Return each site's plant with what is assumed of it, or what the hub has heard; nothing heard is unknown.

    Batteries and fuel are as old as they are on that day, today where none is given.
    """
    from power.core.body import situation_from_json
    from power.core.network import Network
    from power.core.situation import Situation

    if assume is not None:
        return {site: _assumed(loaded, site, assume, day) for site in sites}
    heard = {view["site"]: view for view in _live(hub)}
    now_ns, today = clock.wall_ns(), day or _time(None).date()
    known = {}
    for site in sites:
        plant = loaded.sites[site].power
        assert plant is not None
        view = heard.get(site)
        situation = Situation(today)
        if view is not None and view["fresh"]:
            situation = situation_from_json(view["body"]["situation"], (now_ns - view["heard_at_ns"]) / 1e9)
            situation = replace(situation, today=today)
        known[site] = Network(plant), situation
    return known


def _assumed(loaded: Inventory, site: str, assume: str, day: date | None = None) -> tuple[Network, Situation]:
    """Return a site's plant in an assumed situation."""
    from power.core.assume import assumed
    from power.core.network import Network

    (name,) = _places(loaded, site)
    plant = loaded.sites[name].power
    assert plant is not None
    network = Network(plant)
    try:
        return network, assumed(network, assume, day or _time(None).date())
    except ValueError as error:
        raise VerbError(str(error), ExitCode.USAGE) from None


def _live(hub: str | None, site: str = "") -> list[dict[str, Any]]:
    """Return the live states of power that the hub has."""

    async def question(client: HubClient) -> list[dict[str, Any]]:
        return await client.live(f"power:{site}")

    return ask(hub, question)


def _one(live: list[dict[str, Any]], site: str) -> dict[str, Any]:
    if not live:
        raise VerbError(_("the hub has heard nothing of the power of {site}").format(site=site), ExitCode.DEGRADED)
    return live[0]


def _number(value: object) -> str:
    return _("unknown") if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _worst(*verdicts: str) -> ExitCode:
    return max((_EXIT[it] for it in verdicts), default=ExitCode.DEGRADED)


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.fromtimestamp(clock.wall_ns() / 1e9, UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise VerbError(
            _("{text!r} is no time; write it like 2026-05-12T14:28").format(text=text), ExitCode.USAGE
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
