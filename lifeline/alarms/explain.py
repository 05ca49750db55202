"""Says in one sentence why an alarm is a root, or from what it follows. English, as all texts of alarms. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .alarm import Alarm
from .correlate import Verdict
from .faults import Fault, fault_of
from .topology import Topology

SHOWN = 3
"""Of many parents so many are named."""


def why(alarm: Alarm, verdict: Verdict, find: Callable[[str], Alarm | None], topology: Topology) -> str:
    """Return the verdict as a sentence.

    Args:
        alarm: the alarm.
        verdict: on it.
        find: an alarm by its id.
        topology: what hangs on what.
    """
    if verdict.is_root:
        return _why_root(alarm, verdict, topology)
    parents = [it for it in map(find, verdict.parents) if it is not None]
    text = f"It follows from {_listed([_named(it) for it in parents])}: {verdict.because}"
    root = find(verdict.root)
    if root is not None and verdict.root not in verdict.parents:
        text += f"; the root is {_named(root)}"
    return f"{text}."


def _why_root(alarm: Alarm, verdict: Verdict, topology: Topology) -> str:
    count = len(verdict.consequences)
    follow = f"{count} {'alarm follows' if count == 1 else 'alarms follow'} from it"
    if fault_of(alarm) is Fault.DUCT:
        links = topology.links_of_srg.get(alarm.resource.partition(":")[2], [])
        return (
            f"Links of this shared-risk group, which has {len(links)}, failed together, and neither power nor a site "
            f"explains them: {follow}."
        )
    return f"Nothing that stands explains it; {follow}." if count else "Nothing that stands explains it."


def _named(alarm: Alarm) -> str:
    return f"{alarm.alarm_type_id} of {alarm.resource.partition(':')[2]}"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:SHOWN])
    if len(names) > SHOWN:
        shown.append(f"{len(names) - SHOWN} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
