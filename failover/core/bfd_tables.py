"""The transition tables of a BFD session (RFC 5880 6.8.4, 6.8.6): data, which `bfd` interprets."""

from __future__ import annotations

from typing import Final

from .packet import Diagnostic, State

SLOW_INTERVAL_US: Final = 1_000_000
"""The least Desired Min TX Interval of a session that is not Up (RFC 5880 6.8.3)."""
VACANT_S: Final = 3.5
"""How long one refusal of a packet proves the path to a far end whose process has gone.

While a session is not Up we send at least each second, and Linux refuses at most one packet a second.
"""

TRANSITIONS: Final[dict[tuple[State, State], tuple[State, Diagnostic | None]]] = {
    # (own state, received state): (next state, new diagnostic or None to keep it)            RFC 5880 6.8.6
    (State.ADMIN_DOWN, State.ADMIN_DOWN): (State.ADMIN_DOWN, None),
    (State.ADMIN_DOWN, State.DOWN): (State.ADMIN_DOWN, None),
    (State.ADMIN_DOWN, State.INIT): (State.ADMIN_DOWN, None),
    (State.ADMIN_DOWN, State.UP): (State.ADMIN_DOWN, None),
    (State.DOWN, State.ADMIN_DOWN): (State.DOWN, None),
    (State.DOWN, State.DOWN): (State.INIT, None),
    (State.DOWN, State.INIT): (State.UP, Diagnostic.NO_DIAGNOSTIC),
    (State.DOWN, State.UP): (State.DOWN, None),
    (State.INIT, State.ADMIN_DOWN): (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State.INIT, State.DOWN): (State.INIT, None),
    (State.INIT, State.INIT): (State.UP, Diagnostic.NO_DIAGNOSTIC),
    (State.INIT, State.UP): (State.UP, Diagnostic.NO_DIAGNOSTIC),
    (State.UP, State.ADMIN_DOWN): (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State.UP, State.DOWN): (State.DOWN, Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN),
    (State.UP, State.INIT): (State.UP, None),
    (State.UP, State.UP): (State.UP, None),
}

DETECTION_EXPIRED: Final[dict[State, tuple[State, Diagnostic | None]]] = {
    # own state: (next state, new diagnostic or None to keep it)                              RFC 5880 6.8.4
    State.ADMIN_DOWN: (State.ADMIN_DOWN, None),
    State.DOWN: (State.DOWN, None),
    State.INIT: (State.DOWN, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED),
    State.UP: (State.DOWN, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED),
}
