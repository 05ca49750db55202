"""Alarms: what the operator sees, as a pure fold of the journal (X.733, RFC 8632).

`lifecycle` is the transition table, `alarm` the record, `fold` turns conditions and operators' acts into alarms.
"""

from .alarm import Alarm, StatusChange, alarm_id
from .fold import AlarmChange, AlarmList
from .lifecycle import IllegalActError

__all__ = ["Alarm", "AlarmChange", "AlarmList", "IllegalActError", "StatusChange", "alarm_id"]
