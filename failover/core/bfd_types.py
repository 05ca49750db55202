"""What goes into a BFD session, its configuration, and what comes out, its effects."""

from __future__ import annotations

from dataclasses import dataclass

from .packet import ControlPacket, Diagnostic, State


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What the administrator decides about a session. Intervals are microseconds.

    Raises:
        ValueError: a value is outside what RFC 5880 4.1 allows.
    """

    local_discriminator: int
    desired_min_tx_us: int
    required_min_rx_us: int
    detect_mult: int
    passive: bool = False
    """Stay silent until the far end has been heard (RFC 5880 6.1); at least one end must be active."""
    establish_s: float = 5.0
    """How long the session may take to come Up before its path counts as failed."""

    def __post_init__(self) -> None:
        for name, least, most in (
            ("local_discriminator", 1, 0xFFFFFFFF),
            ("desired_min_tx_us", 1, 0xFFFFFFFF),
            ("required_min_rx_us", 1, 0xFFFFFFFF),
            ("detect_mult", 1, 255),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}, must be {least} to {most}")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this packet now."""

    packet: ControlPacket


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The session's state changed: for the record and for people. Switching acts on `SignalFail`."""

    previous: State
    state: State
    diagnostic: Diagnostic
    remote_state: State
    remote_diagnostic: Diagnostic
    at: float


@dataclass(frozen=True, slots=True)
class SignalFail:
    """The path is now known to have failed, or to work. `reason` is a clause for people."""

    failed: bool
    reason: str
    at: float


Effect = Send | StateChanged | SignalFail
