"""What protects a path and its switch beyond timers: authentication keys by reference, and damping."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from ..i18n import _
from .fields import STRICT, Id


@dataclass(frozen=True, slots=True, config=STRICT)
class Key:
    """A key that both ends hold, and the number by which packets name it."""

    id: Annotated[int, Field(ge=0, le=255)]
    """Key ID on the wire."""
    credential: Id
    """The credential that holds it."""


def _signing(keys: list[Key], signing: int | None) -> int:
    """Return the ID of the key to sign with.

    Raises:
        ValueError: it is none of the keys, or an ID stands twice.
    """
    ids = [key.id for key in keys]
    if twice := {number for number in ids if ids.count(number) > 1}:
        raise ValueError(_("key {id} stands twice in this list").format(id=min(twice)))
    if signing is not None and signing not in ids:
        raise ValueError(_("signing key {id} is none of the keys").format(id=signing))
    return ids[0] if signing is None else signing


@dataclass(frozen=True, slots=True, config=STRICT)
class KeyRing:
    """Keys that an end accepts. A new key goes to both ends first, then both sign with it, then the old one goes."""

    keys: Annotated[list[Key], Field(min_length=1)]
    """Accepted keys."""
    signing: int | None = None
    """ID of the key to sign with; the first in the list where absent."""

    @property
    def signs(self) -> int:
        """ID of the key to sign with."""
        return _signing(self.keys, self.signing)

    @model_validator(mode="after")
    def _one_of_them_signs(self) -> Self:
        _signing(self.keys, self.signing)
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class BfdAuthentication:
    """Authentication of BFD packets (RFC 5880 4.4) with credentials of the kind bfd-sha1.

    A new key goes to both ends first, then both sign with it, then the old one goes.
    """

    keys: Annotated[list[Key], Field(min_length=1)]
    """Accepted keys."""
    signing: int | None = None
    """ID of the key to sign with; the first in the list where absent."""
    type: Literal["meticulous-sha1", "keyed-sha1"] = "meticulous-sha1"
    """Meticulous numbers every packet; without that, whoever repeats the last one keeps a dead path alive."""

    @property
    def signs(self) -> int:
        """ID of the key to sign with."""
        return _signing(self.keys, self.signing)

    @model_validator(mode="after")
    def _one_of_them_signs(self) -> Self:
        _signing(self.keys, self.signing)
        return self


@dataclass(frozen=True, slots=True, config=STRICT)
class Damping:
    """How a path that fails again and again is judged (RFC 2439): while suppressed it is not returned to."""

    penalty: Annotated[float, Field(gt=0)] = 1000.0
    """What each failure adds."""
    half_life_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """In this time a penalty halves, s."""
    suppress: Annotated[float, Field(gt=0)] = 3000.0
    """From this penalty on the path is suppressed."""
    reuse: Annotated[float, Field(gt=0)] = 1000.0
    """Below it the path may be returned to."""
    maximum: Annotated[float, Field(gt=0)] = 8000.0
    """No penalty is greater: no path is suppressed longer than log2(maximum / reuse) half-lives."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.reuse < self.suppress <= self.maximum:
            raise ValueError(
                _("must be reuse < suppress <= maximum, is {reuse:g}, {suppress:g} and {maximum:g}").format(
                    reuse=self.reuse, suppress=self.suppress, maximum=self.maximum
                )
            )
        return self
