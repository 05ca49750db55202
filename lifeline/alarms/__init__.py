"""Alarms: what the operator sees, as a pure fold of the journal (X.733, RFC 8632).

`lifecycle` is the transition table, `alarm` the record, `fold` turns conditions and operators' acts into alarms.
`correlate` tells roots from consequences over a `topology`, `ducts` infers what nobody sees, `explain` puts verdicts
into words, `maintenance` says what is worked on.
"""

from .alarm import Alarm, StatusChange, alarm_id
from .correlate import Verdict, correlate
from .ducts import judge_ducts
from .explain import why
from .fold import AlarmChange, AlarmList
from .lifecycle import IllegalActError
from .maintenance import Window, Windows
from .topology import Topology

__all__ = [
    "Alarm", "AlarmChange", "AlarmList", "IllegalActError", "StatusChange", "Topology", "Verdict", "Window", "Windows",
    "alarm_id", "correlate", "judge_ducts", "why",
]  # fmt: skip
