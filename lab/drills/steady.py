"""The steady state: when is the network fit to be drilled. Unknown, stale or missing is not steady."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lifeline.model.records import Json

from .record import Target


def unsteady_reasons(state: Mapping[str, Json], target: Target, active_faults: Sequence[str]) -> list[str]:
    """Return why the target is not in its steady state; empty when it is.

    Args:
        state: the hub's `/api/v1/state`.
        target: the protection group to be drilled.
        active_faults: the lab's faults that stand, as texts.
    """
    reasons = [f"fault {fault} is active" for fault in active_faults]
    group = next((g for g in state["groups"] if g["id"] == target.group), None)
    if group is None:
        return [*reasons, f"the hub does not know group {target.group}"]
    for site in target.ends:
        end = group["ends"].get(site)
        if end is None or not end.get("fresh"):
            reasons.append(f"{site} has not reported group {target.group} lately")
            continue
        if end["selector"] != "working":
            reasons.append(f"{site} selects {end['selector']}: {end.get('why', '')}")
        for path in ("working", "protection"):
            bfd = end[path]["bfd"]
            if bfd != "Up":
                reasons.append(f"{site}: BFD on {end[path]['link']} is {bfd}")
    reasons += [
        f"alarm {alarm['alarm_type_id']} on {alarm['resource']} is active"
        for alarm in state["alarms"]
        if alarm["cleared_at_ns"] is None and alarm["resource"] in target.subjects
    ]
    return reasons
