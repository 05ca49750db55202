"""One end of a linear 1:1 protection group (ITU-T G.8031, RFC 7271), sans-IO: what happens and time in, effects out.

The rules:

1. One request wins: the highest of this end's (commands, signal fail, signal degrade, timers) and the far end's
   (`logic.py`). The tables take state and winning input to the next state and the selector (`tables.py`).
2. Both paths failed: the selector stays where it is. Nothing gets through on either, and the first path to work again
   is taken at once.
3. Revertive (the default): once working works again, traffic returns after it has done so for `wtr_s` (WTR), and not
   while it is suppressed for flapping (`damping.py`); a signal fail on working meanwhile cancels the wait, one on
   protection ends it by returning at once. Non-revertive: traffic stays on protection (DNR) until that fails.
4. Hold-off (G.8031 11.12) lets a lower layer mend the path in use before we act. It applies only while there is
   another path to spare: when the other has failed, or failed and now works again, nothing waits.
5. At start nothing is known of either path and the selector is adopted as found. An unknown path is never a reason to
   switch to it while the present one may work, and never a failure either; a path that is *known* to have failed is
   left even for an unknown one. (A BFD session says within `establish_s` what it knows, so nothing stays unknown save
   by AdminDown.)
6. Commands are accepted or refused, never queued; one that is overridden is forgotten (G.8031 11.11). Beyond the
   standard, none is accepted that would move traffic to a path that has failed or is not known to work.
7. The two ends tell each other by APS what they request and where they carry traffic (`channel.py`). A far end that
   was never heard changes nothing: each end then acts on what it sees.
"""

from .channel import BURST, BURST_INTERVAL_S, PERIOD_S, SILENCE_S, UNANSWERED_PERIOD_S, Channel
from .damping import Damping, DampingConfig
from .logic import FarRequest, local_input, resting_request, winner
from .machine import IllegalInputError, Protection
from .requests import CODES, COMMANDS, FAR, LOCAL, MEANINGS, Command, Input, Request, Selector
from .sentences import WHY, WHY_REQUESTED
from .settings import (
    ApsConfig,
    CommandDropped,
    Defect,
    DefectChanged,
    Effect,
    Outcome,
    Prediction,
    ProtectionConfig,
    Select,
    SendAps,
    StateChanged,
)
from .tables import FOLLOWS, NON_REVERTIVE, REQUESTS, REVERTIVE, SYMBOLS, WINNERS, State, Transitions

__all__ = [
    "BURST",
    "BURST_INTERVAL_S",
    "CODES",
    "COMMANDS",
    "FAR",
    "FOLLOWS",
    "LOCAL",
    "MEANINGS",
    "NON_REVERTIVE",
    "PERIOD_S",
    "REQUESTS",
    "REVERTIVE",
    "SILENCE_S",
    "SYMBOLS",
    "UNANSWERED_PERIOD_S",
    "WHY",
    "WHY_REQUESTED",
    "WINNERS",
    "ApsConfig",
    "Channel",
    "Command",
    "CommandDropped",
    "Damping",
    "DampingConfig",
    "Defect",
    "DefectChanged",
    "Effect",
    "FarRequest",
    "IllegalInputError",
    "Input",
    "Outcome",
    "Prediction",
    "Protection",
    "ProtectionConfig",
    "Request",
    "Select",
    "Selector",
    "SendAps",
    "State",
    "StateChanged",
    "Transitions",
    "local_input",
    "resting_request",
    "winner",
]
