"""`lifeline inventory`: check the inventory, publish its schema, show what it says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from lifeline.config import ConfigError, load_inventory
from lifeline.config.problems import did_you_mean
from lifeline.config.shape import adapter, json_schema
from lifeline.i18n import _
from lifeline.model.inventory import BfdTimers, Inventory, Link, LinkEnd, Site
from lifeline.model.power import BatteryString, PowerPlant

from .drift import drift
from .output import ExitCode, VerbError, emit, emit_json, emit_table, json_option

_FILE = click.argument("file", type=click.Path(path_type=Path))


class _Section(NamedTuple):
    """A titled table."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]


@click.group(help=_("Validate and show the inventory"))
def inventory() -> None:
    """Group the verbs."""


@inventory.command(help=_("Check FILE and tell every mistake in it, each with its place."))
@_FILE
@click.option(
    "--secrets", is_flag=True, help=_("Fetch the secrets that FILE refers to as well, here and as this user.")
)
@json_option()
def validate(file: Path, secrets: bool, as_json: bool) -> ExitCode:
    """Check a file; exit with USAGE when it cannot be used."""
    try:
        loaded = load_inventory(file, secrets=secrets)
    except ConfigError as error:
        if not as_json:
            raise
        problems = [dataclasses.asdict(problem) for problem in error.problems]
        emit_json("lifeline.validation/1", {"file": str(file), "valid": False, "problems": problems})
        return ExitCode.USAGE
    counts = {
        "sites": len(loaded.sites),
        "links": len(loaded.links),
        "protection_groups": len(loaded.protection_groups),
    }
    if as_json:
        emit_json("lifeline.validation/1", {"file": str(file), "valid": True, "problems": [], **counts})
    else:
        emit(_("{file}: no problems; {sites} sites, {links} links, {protection_groups} protection groups").format(
            file=file, **counts))  # fmt: skip
    return ExitCode.OK


@inventory.command(help=_("Print the file format's JSON Schema, for editors and other programs."))
def schema() -> None:
    """Print the JSON Schema of the file."""
    emit_json("lifeline.inventory-schema/1", json_schema())


@inventory.command(help=_("Show what FILE says, in tables."))
@_FILE
@click.option("--site", help=_("Show this site only, in detail."))
@json_option()
def show(file: Path, site: str | None, as_json: bool) -> None:
    """Show an inventory or one of its sites."""
    loaded = load_inventory(file)
    if site is not None:
        if site not in loaded.sites:
            hint = did_you_mean(site, loaded.sites, _("there are"))[1]
            raise VerbError(_("there is no site {site!r}").format(site=site) + f"; {hint}", ExitCode.USAGE)
        loaded = _around(loaded, site)
    if as_json:
        emit_json("lifeline.inventory/1", adapter().dump_python(loaded, mode="json"))
        return
    sections = [_districts(loaded), _sites(loaded)] if site is None else _site(site, loaded.sites[site])
    _show([*sections, _links(loaded), _groups(loaded)])


def _show(sections: Sequence[_Section]) -> None:
    """Write titled tables with an empty line between; those without rows are left out."""
    for index, section in enumerate(section for section in sections if section.rows):
        emit(f"\n{section.title}" if index else section.title)
        emit_table(section.headers, section.rows)


def _around(loaded: Inventory, site: str) -> Inventory:
    """Return what concerns one site: itself, its links, its protection groups and what these refer to."""
    links = {name: link for name, link in loaded.links.items() if link.end_at(site) or site in link.via}
    srgs = {name for link in links.values() for name in link.srgs}
    credentials = {device.credential for device in loaded.sites[site].devices.values()}
    return dataclasses.replace(
        loaded,
        districts={name: it for name, it in loaded.districts.items() if name == loaded.sites[site].district},
        credentials={name: it for name, it in loaded.credentials.items() if name in credentials},
        sites={site: loaded.sites[site]},
        srgs={name: it for name, it in loaded.srgs.items() if name in srgs},
        links=links,
        protection_groups=loaded.groups_at(site),
    )


def _districts(loaded: Inventory) -> _Section:
    return _Section(
        _("Districts"),
        [_("District"), _("Name"), _("Chinese name"), _("Sites")],
        [
            [name, it.name, it.name_zh, sum(site.district == name for site in loaded.sites.values())]
            for name, it in loaded.districts.items()
        ],
    )


def _sites(loaded: Inventory) -> _Section:
    return _Section(
        _("Sites"),
        [_("Site"), _("Kind"), _("Name"), _("Chinese name"), _("District"), _("Prefixes"), _("Agent"), _("Autonomy")],
        [
            [
                name, it.kind.value, it.name, it.name_zh, it.district, _joined(it.prefixes), _yes(it.agent),
                it.power and f"{it.power.target_autonomy_h:g} h",
            ]
            for name, it in loaded.sites.items()
        ],
    )  # fmt: skip


def _site(name: str, site: Site) -> list[_Section]:
    facts: list[Sequence[object]] = [
        [_("Kind"), site.kind.value],
        [_("Name"), f"{site.name} {site.name_zh}".strip()],
        [_("District"), site.district],
        [_("Prefixes"), _joined(site.prefixes)],
        [_("Agent"), _yes(site.agent)],
    ]
    devices = [[key, it.kind.value, it.address, it.profile, it.credential] for key, it in site.devices.items()]
    sources = [[key, it.kind.value, it.device, it.address] for key, it in site.time_sources.items()]
    sections = [
        _Section(_("Site {site}").format(site=name), [_("Fact"), _("Value")], facts),
        _Section(_("Devices"), [_("Device"), _("Kind"), _("Address"), _("Profile"), _("Credential")], devices),
        _Section(_("Time sources"), [_("Source"), _("Kind"), _("Device"), _("Address")], sources),
    ]
    if site.power is not None:
        title = _("Power: {load:g} kW must last {hours:g} h alone").format(
            load=site.power.design_load_kw, hours=site.power.target_autonomy_h)  # fmt: skip
        headers = [_("Part"), _("Kind"), _("Rated kW"), _("Stored")]
        sections.append(_Section(title, headers, _power_rows(site.power)))
    return sections


def _power_rows(power: PowerPlant) -> list[Sequence[object]]:
    return [
        *([name, _("utility feed"), it.rated_kw, None] for name, it in power.feeds.items()),
        *([name, it.kind, it.rated_kw, _joined(it.inputs)] for name, it in power.switches.items()),
        *([name, _("tank"), None, f"{it.capacity_l:g} l"] for name, it in power.tanks.items()),
        *(
            [name, _("generator"), it.rated_kw, it.tank or f"{it.tank_l:g} l"]
            for name, it in power.generators.items()
        ),
        *(
            [name, _("UPS, {needed} of {n} modules needed").format(needed=it.modules_needed, n=it.modules),
             it.rated_kw, f"{it.battery_kwh or _stored_kwh(it.strings):g} kWh"]
            for name, it in power.ups.items()
        ),
        *(
            [name, _("DC plant, {needed} of {n} modules needed").format(needed=it.rectifiers_needed, n=it.rectifiers),
             it.rated_kw, f"{_stored_kwh(it.strings):g} kWh"]
            for name, it in power.dc_plants.items()
        ),
        *([name, _("load, priority {n}").format(n=it.priority), it.kw, None] for name, it in power.loads.items()),
    ]  # fmt: skip


def _stored_kwh(strings: Mapping[str, BatteryString]) -> float:
    return sum(it.capacity_kwh * it.count for it in strings.values())


def _links(loaded: Inventory) -> _Section:
    return _Section(
        _("Links"),
        [_("Link"), _("Media"), _("One end"), _("Other end"), _("Risk groups"), _("Continuity check"), _("kbit/s")],
        [
            [name, it.media.value, _end(it.a), _end(it.b), _joined(_risks(it)), _timers(it.bfd), it.capacity_kbps]
            for name, it in loaded.links.items()
        ],
    )


def _groups(loaded: Inventory) -> _Section:
    return _Section(
        _("Protection groups"),
        [_("Group"), _("Working"), _("Protection"), _("Revertive"), _("Wait to restore"), _("Hold-off")],
        [
            [name, it.working, it.protection, _yes(it.revertive), f"{it.wtr_ms} ms", f"{it.hold_off_ms} ms"]
            for name, it in loaded.protection_groups.items()
        ],
    )


def _end(end: LinkEnd) -> str:
    return f"{end.site} {end.interface} {end.address}"


def _risks(link: Link) -> list[str]:
    return [*link.srgs, *(_("via {site}").format(site=site) for site in link.via)]


def _timers(bfd: BfdTimers | None) -> str | None:
    return None if bfd is None else f"{bfd.interval_ms} ms x {bfd.detect_mult}"


def _joined(things: Sequence[object]) -> str | None:
    return ", ".join(map(str, things)) or None


def _yes(value: bool) -> str:
    return _("yes") if value else _("no")


inventory.add_command(drift)
