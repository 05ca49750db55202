"""What is shown live of a device: `lifeline.device-state/1`. Sans-IO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lifeline.devices.decode import Measurement, State
from lifeline.devices.follow import Follower
from lifeline.devices.vocabulary import Health
from lifeline.model.inventory import Device
from lifeline.model.records import Quality

from .device import DeviceWatch
from .service import ServiceWatch

SCHEMA: Final = "lifeline.device-state/1"
MOST: Final = 48
"""Values and states that are shown of a device, the worst first."""
_WORTH: Final = (Health.CRITICAL, Health.MAJOR, Health.UNKNOWN, Health.MINOR, Health.WARNING, Health.OK)


def device_state(
    site: str, name: str, device: Device, watch: DeviceWatch, follower: Follower | None, now_s: float, stale_s: float,
    services: Sequence[ServiceWatch] = (),
) -> dict[str, Any]:  # fmt: skip
    """Return a device's live state.

    Args:
        site: where it stands.
        name: its id there.
        device: the inventory's entry.
        watch: what is known of it.
        follower: its last round; None before the first.
        now_s: monotonic.
        stale_s: from this age on its values are stale.
        services: what it serves.
    """
    age_s = None if watch.heard_s is None else round(now_s - watch.heard_s, 1)
    stale = age_s is None or age_s > stale_s
    who = follower.decoded if follower else None
    states = list(follower.states.values()) if follower else []
    values = list(follower.measurements.values()) if follower else []
    return {
        "schema": SCHEMA,
        "site": site,
        "device": name,
        "kind": device.kind.value,
        "address": str(device.address) if device.address else "",
        "profile": who.profile if who else "",
        "vendor": who.vendor if who else "",
        "model": who.model[:80] if who else "",
        "reach": watch.reach.standing.value,
        "flapping": watch.reach.flapping(now_s),
        "why": watch.why,
        "age_s": None if age_s is None else int(age_s // 5 * 5),
        "restarts": watch.restarts,
        "clock_skew_s": watch.skew_s,
        "ping_ms": None if watch.ping_s is None else round(1000 * watch.ping_s, 1),
        "services": [it.body() for it in services],
        "states": [_state(it) for it in sorted(states, key=_badness)[:MOST]],
        "readings": [_reading(it, watch.rates(), stale=stale) for it in values[:MOST]],
        "untold": max(0, len(states) - MOST) + max(0, len(values) - MOST),
    }


def _badness(state: State) -> tuple[int, str]:
    return _WORTH.index(state.health), state.key


def _state(state: State) -> dict[str, Any]:
    return {"name": state.key, "word": state.word, "health": state.health.value}


def _reading(it: Measurement, rates: Mapping[str, float], *, stale: bool) -> dict[str, Any]:
    quality = Quality.STALE if stale and it.quality is Quality.GOOD else it.quality
    told = {"metric": it.key, "value": it.value, "unit": it.unit, "quality": quality.value}
    if (rate := rates.get(it.key)) is not None:
        told["per_s"] = round(rate, 3)
    return told
