"""Checks what a site's time sources say of one another, of its devices and of the credentials."""

from __future__ import annotations

from collections.abc import Iterator

from ..i18n import _
from ..model.inventory import Inventory, Site
from ..model.timing import TimeProtocol, TimeService, TimeSource, TimeSourceKind
from .problems import Finding, KeyPath, did_you_mean


def check_timing(inventory: Inventory) -> list[Finding]:
    """Return the mistakes between the parts of each site's time."""
    findings: list[Finding] = []
    for name, site in inventory.sites.items():
        path = ("sites", name)
        for source_name, source in site.time_sources.items():
            findings += _check_source((*path, "time_sources", source_name), inventory, site, source)
        findings += _check_places((*path, "time_sources"), site)
        if site.timing is not None:
            findings += _check_service((*path, "timing"), inventory, name, site.timing)
    return findings


def _check_source(path: KeyPath, inventory: Inventory, site: Site, source: TimeSource) -> Iterator[Finding]:
    if source.device is not None:
        if source.device not in site.devices:
            message = _("there is no device {name!r} at this site").format(name=source.device)
            hint = did_you_mean(source.device, site.devices, _("there are"))[1]
            yield Finding((*path, "device"), message, hint)
        elif source.asked_by in {TimeProtocol.SNMP, TimeProtocol.NTP} and site.devices[source.device].address is None:
            yield Finding((*path, "device"), _("{name!r} has no address to be asked at").format(name=source.device))
    if source.credential is not None:
        known = inventory.credentials.get(source.credential)
        if known is None:
            message = _("there is no credential {name!r}").format(name=source.credential)
            hint = did_you_mean(source.credential, inventory.credentials, _("there are"))[1]
            yield Finding((*path, "credential"), message, hint)
        elif known.kind != "ntp":
            message = _("{name!r} is of kind {kind}; an NTP key is of kind ntp")
            yield Finding((*path, "credential"), message.format(name=source.credential, kind=known.kind))


def _check_places(path: KeyPath, site: Site) -> Iterator[Finding]:
    """Check that no two sources are the same thing twice: what is counted twice would vouch for itself."""
    taken: dict[object, str] = {}
    for name, source in site.time_sources.items():
        for key in ("pulses", "chrony", "line"):
            place = getattr(source, key)
            if place is not None and taken.setdefault(place, name) != name:
                message = _("{place} belongs to {other!r} already; one receiver is one source")
                yield Finding((*path, name, key), message.format(place=place, other=taken[place]))
        if source.kind is TimeSourceKind.NTP and source.address is not None:
            server = (source.address, source.port or 123)
            if taken.setdefault(server, name) != name:
                message = _("{place} belongs to {other!r} already; one server is one source")
                yield Finding((*path, name, "address"), message.format(place=source.address, other=taken[server]))
        if source.kind is TimeSourceKind.HOLDOVER and taken.setdefault("holdover", name) != name:
            message = _("{other!r} is this site's oscillator already").format(other=taken["holdover"])
            yield Finding((*path, name), message, at_key=True)


def _check_service(path: KeyPath, inventory: Inventory, name: str, service: TimeService) -> Iterator[Finding]:
    site = inventory.sites[name]
    for client in service.clients:
        at, device = service.place_of(client, name)
        if at not in inventory.sites:
            hint = did_you_mean(at, inventory.sites, _("there are"))[1]
            yield Finding((*path, "clients", client), _("there is no site {name!r}").format(name=at), hint, at_key=True)
        elif device not in inventory.sites[at].devices:
            hint = did_you_mean(device, inventory.sites[at].devices, _("there are"))[1]
            message = _("there is no device {name!r} at this site").format(name=device)
            if at != name:
                message = _("there is no device {name!r} at {site}").format(name=device, site=at)
            yield Finding((*path, "clients", client), message, hint, at_key=True)
        elif inventory.sites[at].devices[device].address is None:
            message = _("{name!r} has no address to be asked at").format(name=client)
            yield Finding((*path, "clients", client), message, at_key=True)
    fed = [name for name, source in site.time_sources.items() if source.chrony is not None]
    if service.chrony is not None and not fed:
        message = _("chronyd would be fed nothing: no time source of this site has a 'chrony' socket")
        yield Finding((*path, "chrony"), message, at_key=True)
    best_ns = min((source.sigma_ns for source in site.time_sources.values()
                   if source.kind is not TimeSourceKind.HOLDOVER), default=None)  # fmt: skip
    if best_ns is not None and best_ns > service.limit_ns:
        message = _("no source of this site can show {limit:g} ns; the best is sound to {best:g} ns")
        hint = _("add a receiver with pulses, or give its 'uncertainty_ns'")
        yield Finding((*path, "limit_ns"), message.format(limit=service.limit_ns, best=best_ns), hint)
