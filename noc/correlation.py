"""The hub's part in root causes: verdicts worked out once per change, cut ducts told to the journal. Told the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lifeline.alarms import Alarm, Topology, Verdict, Window, Windows, correlate, judge_ducts, why
from lifeline.alarms.correlate import next_deadline_ns
from lifeline.alarms.faults import DUCT_CUT
from lifeline.model.inventory import Inventory
from lifeline.model.records import Condition, PerceivedSeverity

from .views import AlarmView

_Shown = tuple[Verdict | None, bool, str | None]
"""What an alarm's view has beside the alarm: the verdict, whether it is shelved, and the window that covers it."""


class Correlation:
    """Verdicts on the alarms that stand.

    Attributes:
        topology: what hangs on what.
    """

    def __init__(
        self,
        inventory: Inventory,
        alarms: Callable[[], Iterable[Alarm]],
        find: Callable[[str], Alarm | None],
        windows: Callable[[], Windows],
    ) -> None:
        """Prepare.

        Args:
            inventory: what exists.
            alarms: returns all alarms.
            find: returns one by its id.
            windows: returns the maintenance windows.
        """
        self.topology = Topology(inventory)
        self._alarms = alarms
        self._find = find
        self._windows = windows
        self._verdicts: dict[str, Verdict] | None = None
        self._valid_until_ns: int | None = None
        self._shown: dict[str, _Shown] = {}
        self._shown_of: dict[str, Verdict] | None = None
        self._timed = False  # a shelf or a window may end by itself

    def forget(self) -> None:
        """Note that alarms have changed."""
        self._verdicts = None

    def verdicts(self, now_ns: int) -> dict[str, Verdict]:
        """Return the verdicts on all alarms that stand, by id."""
        if self._verdicts is None or (self._valid_until_ns is not None and now_ns >= self._valid_until_ns):
            self._verdicts = correlate(self._alarms(), self.topology, now_ns)
            self._valid_until_ns = next_deadline_ns(self._alarms(), now_ns)
        return self._verdicts

    def window(self, alarm: Alarm, now_ns: int) -> Window | None:
        """Return the maintenance window that covers an alarm, itself or by its root."""
        windows = self._windows()
        found = windows.covers(alarm.resource, self.topology, now_ns)
        verdict = self.verdicts(now_ns).get(alarm.id)
        if found is None and verdict is not None and not verdict.is_root:
            root = self._find(verdict.root)
            found = windows.covers(root.resource, self.topology, now_ns) if root else None
        return found

    def view(self, alarm: Alarm, now_ns: int, *, worded: bool = True) -> AlarmView:
        """Return the view of an alarm, on demand without the sentence that explains it."""
        verdict = self.verdicts(now_ns).get(alarm.id)
        window = self.window(alarm, now_ns)
        return AlarmView.of(
            alarm,
            verdict,
            why(alarm, verdict, self._find, self.topology) if verdict and worded else "",
            shelved=alarm.is_shelved(now_ns),
            window=window.id if window else None,
        )

    def changed(self, now_ns: int) -> list[str]:
        """Return the alarms whose views differ from when this was last asked, though they may not have changed."""
        verdicts = self.verdicts(now_ns)
        if verdicts is self._shown_of and not self._timed:
            return []
        self._shown_of, self._timed = verdicts, bool(list(self._windows()))
        shown: dict[str, _Shown] = {}
        for identifier, verdict in verdicts.items():
            alarm = self._find(identifier)
            if alarm is not None:
                window = self.window(alarm, now_ns)
                shown[identifier] = verdict, alarm.is_shelved(now_ns), window.id if window else None
                self._timed |= alarm.is_shelved(now_ns)
        before, self._shown = self._shown, shown
        return [name for name, now in shown.items() if before.get(name) != now]

    def inferred(self, now_ns: int) -> Iterator[Condition]:
        """Yield the `duct-cut` conditions that begin or end now."""
        cut = {alarm.resource.removeprefix("srg:"): alarm for alarm in self._alarms() if _is_cut(alarm)}
        for (subject, name), condition in judge_ducts(self._alarms(), cut, self.topology, now_ns).items():
            srg = subject.removeprefix("srg:")
            if condition is not None:
                yield condition
            else:
                yield Condition(
                    subject, name, PerceivedSeverity.CLEARED, cut[srg].event_type, cut[srg].probable_cause,
                    f"{srg} is whole again: its links are back, or something else explains them",
                )  # fmt: skip


def _is_cut(alarm: Alarm) -> bool:
    return alarm.alarm_type_id == DUCT_CUT and alarm.resource.startswith("srg:") and not alarm.is_cleared
