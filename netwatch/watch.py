"""Everything that is watched, and what its answers, silences and messages amount to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from lifeline.clock import monotonic_s, wall_ns
from lifeline.devices import Family, meanings
from lifeline.devices.follow import News
from lifeline.i18n import _
from lifeline.model.inventory import Device, DeviceKind, Inventory
from lifeline.model.judgement import Judgement
from lifeline.model.records import Condition, EventType, PerceivedSeverity, ProbableCause, Quality, Reading

from .core import syslog
from .core.body import device_state
from .core.device import UNREACHABLE, DeviceWatch
from .core.links import LinkWatch
from .core.service import ServiceWatch
from .core.trap import Notification, parse
from .io.poll import Device as Polled
from .io.probes import PROBES, Probed

STALE_PERIODS: Final = 3
_OTHERS: Final = frozenset({
    DeviceKind.UPS, DeviceKind.GENERATOR, DeviceKind.RECTIFIER, DeviceKind.TRANSFER_SWITCH, DeviceKind.GNSS_CLOCK,
})  # fmt: skip
"""The power and time daemons ask these what they measure; here only whether they are there."""
_LINK_TRAPS: Final = frozenset({"1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"})
"""linkDown and linkUp: a hint to ask at once, for one of a pair may be lost."""


class Hub(Protocol):
    """What is told to."""

    def judge(self, judged: Judgement) -> None:
        """Take what a judgement changes."""

    def show(self, subject: str, body: dict[str, object]) -> None:
        """Show a live state."""

    def readings(self, readings: Iterable[Reading]) -> None:
        """Take what was measured."""


@dataclass(slots=True)
class Thing:
    """A device of the inventory and what is known of it."""

    site: str
    name: str
    device: Device
    watch: DeviceWatch
    family: Family | None = None
    polled: Polled | None = None
    services: tuple[ServiceWatch, ...] = ()

    @property
    def snmp(self) -> bool:
        """Whether its agent is asked; else it is only pinged."""
        return self.device.credential is not None and self.device.kind not in _OTHERS


class Watch:
    """The listener of pollers and receivers.

    Attributes:
        things: by subject, `device:<site>/<device>`.
        counted: what was refused or not understood, by reason.
    """

    def __init__(self, inventory: Inventory, sites: Iterable[str], hub: Hub, period_s: float) -> None:
        """Know the devices and nothing of them.

        Args:
            inventory: what there is.
            sites: whose devices are watched.
            hub: what is told to.
            period_s: between questions.
        """
        self._hub = hub
        self._stale_s = STALE_PERIODS * period_s
        self._links = LinkWatch(inventory)
        self.things: dict[str, Thing] = {}
        for site in sites:
            for name, device in inventory.sites[site].devices.items():
                if device.address is not None:
                    subject = f"device:{site}/{name}"
                    served = tuple(ServiceWatch(subject, it, it.port or PROBES[it.probe][1]) for it in device.services)
                    known = DeviceWatch(subject, device.kind)
                    self.things[subject] = Thing(site, name, device, known, services=served)
        self._by_address = {str(it.device.address): subject for subject, it in self.things.items()}
        self._at: dict[str, list[Thing]] = {}
        for thing in self.things.values():
            self._at.setdefault(thing.site, []).append(thing)
        self.counted: Counter[str] = Counter()

    def subjects(self, inventory: Inventory) -> Iterator[str]:
        """Yield all on which there may be conditions."""
        yield from self.things
        yield from (f"site:{site}" for site in self._at)
        yield from (f"link:{link}" for link in inventory.links)

    def subject_at(self, address: str) -> str | None:
        """Return whose address it is."""
        return self._by_address.get(address)

    # ---------------------------------------------------------------- the poller's listener

    def recognised(self, subject: str, family: Family) -> None:
        """Take a device's family."""
        thing = self.things[subject]
        thing.family = family
        thing.watch.knows(family)
        if thing.polled is not None:
            self._hub.judge(thing.watch.cut_off(thing.polled.cut_off))

    def heard(self, subject: str, news: News, now_s: float) -> tuple[bool, bool]:
        """Take a device's answers."""
        thing = self.things[subject]
        judged = thing.watch.heard(news, now_s)
        if news.states:
            judged |= self._links.heard(thing.site, news.states)
        self._tell(thing, judged)
        at_ns = wall_ns()
        self._hub.readings(self._readings(thing, news, at_ns))
        return thing.watch.reach.soft, thing.watch.reach.down

    def silent(self, subject: str, why: str, now_s: float) -> tuple[bool, bool]:
        """Take a device's silence."""
        thing = self.things[subject]
        judged = thing.watch.silent(why, now_s)
        if thing.watch.reach.down:
            self._links.silent(thing.site)
        self._tell(thing, judged)
        return thing.watch.reach.soft, thing.watch.reach.down

    def pinged(self, subject: str, round_trip_s: float | None, now_s: float) -> None:
        """Take a ping's outcome: all there is to know of a device that is not asked otherwise."""
        thing = self.things[subject]
        thing.watch.ping_s = round_trip_s
        if thing.snmp:
            return
        if round_trip_s is None:
            self.silent(subject, _("It does not answer pings"), now_s)
        else:
            self.heard(subject, News((), (), frozenset()), now_s)

    def probed(self, service: ServiceWatch, found: Probed, now_s: float) -> None:
        """Take a probe's outcome."""
        thing = self.things[service.subject]
        if found.ok:
            judged = service.served(found.took_s, found.values, now_s)
            at_ns = wall_ns()
            self._hub.readings([
                Reading(service.subject, f"service.response_s[{service.name}]", found.took_s, "s", at_ns, Quality.GOOD),
                *(Reading(service.subject, f"{metric}[{service.name}]", value, "s" if metric.endswith("_s") else "1",
                          at_ns, Quality.GOOD) for metric, value in found.values.items()),
            ])  # fmt: skip
        else:
            reached = not thing.watch.reach.down
            judged = service.failed(found.why, found.took_s, now_s, reached=reached)
        if judged:
            self._hub.judge(judged)

    # ---------------------------------------------------------------- what devices send unasked

    def trap(self, datagram: bytes, source: str) -> tuple[str | None, bytes]:
        """Take a notification; return the subject to be asked at once, if it is of a known device, and the answer.

        An inform of a stranger is not answered: it has not been taken.

        Raises:
            MalformedError: it is none.
        """
        told = parse(datagram)
        if told is None:
            self.counted["SNMPv3, and no user who could have sent it"] += 1
            return None, b""
        subject = self.notified(told, source)
        return subject, told.reply if subject is not None else b""

    def notified(self, told: Notification, source: str) -> str | None:
        """Take a notification that has been read; return the subject to be asked at once."""
        subject = self._by_address.get(told.agent) or self._by_address.get(source)
        if subject is None:
            self.counted["from no device of the inventory"] += 1
            return None
        thing = self.things[subject]
        if thing.family is not None and told.trap not in _LINK_TRAPS:
            for meaning in meanings(thing.family, told.trap, told.bindings):
                self._hub.judge(thing.watch.notified(meaning))
        return subject

    def line(self, datagram: bytes, source: str) -> None:
        """Take a line of a device's log: that it speaks, and what its clock says.

        Raises:
            MalformedError: it is none.
        """
        told = syslog.parse(datagram)
        subject = self._by_address.get(source)
        if subject is None:
            self.counted["log of no device of the inventory"] += 1
        elif told.at is not None:
            self._hub.judge(self.things[subject].watch.clock(told.at.timestamp() - wall_ns() / 1e9))

    # ---------------------------------------------------------------- telling

    def show_all(self) -> None:
        """Show every device's live state."""
        now_s = monotonic_s()
        for thing in self.things.values():
            judged = thing.watch.due(now_s)
            if judged:
                self._hub.judge(judged)
            self._show(thing, now_s)

    def _tell(self, thing: Thing, judged: Judgement) -> None:
        if (thing.watch.subject, UNREACHABLE) in judged:
            judged |= self._site(thing.site)
        if judged:
            self._hub.judge(judged)

    def _show(self, thing: Thing, now_s: float) -> None:
        follower = thing.polled.follower if thing.polled else None
        body = device_state(
            thing.site, thing.name, thing.device, thing.watch, follower, now_s, self._stale_s, thing.services
        )
        self._hub.show(thing.watch.subject, body)

    def _site(self, site: str) -> Judgement:
        """Judge a site: it is unreachable when nothing at it answers."""
        key = f"site:{site}", UNREACHABLE
        reaches = [it.watch.reach for it in self._at[site]]
        if all(it.watch.reach.down and it.watch.ping_s is None for it in self._at[site]):
            text = _("None of its {n} devices answers").format(n=len(reaches))
            return {key: Condition(*key, PerceivedSeverity.CRITICAL, EventType.COMMUNICATIONS,
                                   ProbableCause.COMMUNICATIONS_SUBSYSTEM_FAILURE, text)}  # fmt: skip
        return {key: None} if any(it.known and not it.down for it in reaches) else {}

    def _readings(self, thing: Thing, news: News, at_ns: int) -> Iterator[Reading]:
        subject = thing.watch.subject
        for it in news.measurements:
            yield it.reading(subject, at_ns)
            if (rate := thing.watch.rate(it.key)) is not None:
                yield Reading(subject, f"{it.key}/s", rate, f"{it.unit}/s", at_ns, it.quality)
