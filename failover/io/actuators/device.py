"""What a device and a session with it are, whatever carries it; and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...core.actuation import Dialect, Step


class DeviceError(Exception):
    """Something is wrong with a device or the way to it; the text names it and never holds a secret."""

    exit_code = 1


class UnreachableError(DeviceError):
    """No session came about, and nothing was typed."""

    exit_code = 3


class HostKeyError(UnreachableError):
    """The device does not prove that it is the one we know: no password was sent."""

    exit_code = 5


class AuthenticationError(UnreachableError):
    """The device does not let this user in."""

    exit_code = 5


class LostError(DeviceError):
    """The session broke or fell silent; what was typed last may or may not have been carried out."""

    exit_code = 4


class RefusedError(DeviceError):
    """The device said no to a line; `step` is that line."""

    def __init__(self, step: Step, said: str) -> None:
        super().__init__(f"it answers {said!r} to {step.line!r}")
        self.step = step


class Session(Protocol):
    """A session with a device; blocking, for one thread at a time."""

    def read(self, commands: Sequence[str]) -> str:
        """Return what the device shows.

        Raises:
            LostError: the session broke or fell silent.
        """

    def run(self, script: Sequence[Step]) -> None:
        """Type lines, each after the device has answered the one before; leave configuration mode after a refusal.

        Raises:
            RefusedError: the device said no; the lines before may have been carried out.
            LostError: the session broke or fell silent; nobody knows what was carried out.
        """

    def close(self) -> None:
        """Log out; never fails."""


class Device(Protocol):
    """A router whose configuration can be changed."""

    @property
    def name(self) -> str:
        """The device's name: there is one session with a name at any time."""

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to."""

    def open(self) -> Session:
        """Log in; blocking.

        Raises:
            UnreachableError: no session came about.
        """
