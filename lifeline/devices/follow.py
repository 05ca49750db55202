"""Decodes one device's answers round after round: what has not changed since the last round is not decoded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .decode import Decoded, Measurement, State, decode, decoder
from .library import Family
from .recording import Value


@dataclass(frozen=True, slots=True)
class News:
    """What a round told that the round before did not."""

    measurements: tuple[Measurement, ...]
    states: tuple[State, ...]
    gone: frozenset[str]
    """Keys of measurements and states that are told no more."""
    whole: Decoded | None = None
    """All of it, when all was decoded anew: in the first round, and when other objects were there than before."""


_NOTHING: frozenset[str] = frozenset()


class Follower:
    """One device's last round.

    Attributes:
        measurements: as last told, by key.
        states: as last told, by key.
        decoded: the last round that was decoded as a whole: who the device is.
    """

    def __init__(self, family: Family) -> None:
        """Begin with nothing.

        Args:
            family: of the device, from `Library.family`.
        """
        self.measurements: dict[str, Measurement] = {}
        self.states: dict[str, State] = {}
        self.decoded: Decoded | None = None
        self._decoder = decoder(family)
        self._family = family
        self._answers: dict[str, Value] = {}
        self._rows: dict[str, dict[str, Value]] = {}
        self._keys: dict[str, str] = {}
        """By object: the measurement that was taken from it."""
        self._checked = any(family.profile.kind in check.kinds for check in family.vocabulary.checks)

    @property
    def objects(self) -> frozenset[str]:
        """The objects that were there in the last round, by OID."""
        return frozenset(self._answers)

    def take(self, answers: Mapping[str, Value]) -> News:
        """Take a round of answers.

        Args:
            answers: all of them, by OID.
        """
        before = self._answers
        if self.decoded is None or answers.keys() != before.keys():
            return self._whole(answers)
        changed = [oid for oid, value in answers.items() if value != before[oid]]
        if self._checked and changed:
            return self._whole(answers)  # what one value says may make another one doubtful
        names: set[str] = set()
        quick: list[Measurement] = []
        for oid in changed:
            value = before[oid] = answers[oid]
            if (place := self._decoder.place(oid)) is not None:
                self._rows[place[0]][place[1]] = value
            key = self._keys.get(oid)
            again = self._decoder.again(self.measurements[key], value) if key is not None else None
            if again is None:
                names |= self._decoder.users(oid)
            else:
                quick.append(again)
        if not names:
            self.measurements.update((it.key, it) for it in quick)
            return News(tuple(quick), (), _NOTHING)
        measurements, states = self._decoder.some(names, before, self._rows)
        return self._told([*quick, *measurements], states, names)

    def _whole(self, answers: Mapping[str, Value]) -> News:
        self._answers = dict(answers)
        self._rows = self._decoder.rows(self._answers)
        self.decoded = decode(self._family, self._answers)
        names = {it.metric for it in self.measurements.values()} | {it.name for it in self.states.values()}
        news = self._told(self.decoded.measurements, self.decoded.states, names)
        return News(news.measurements, news.states, news.gone, self.decoded)

    def _told(
        self, measurements: tuple[Measurement, ...] | list[Measurement], states: tuple[State, ...] | list[State],
        names: set[str],
    ) -> News:  # fmt: skip
        told = {it.key: it for it in measurements}
        words = {it.key: it for it in states}
        gone: set[str] = set()
        if names:
            gone |= {key for key, it in self.measurements.items() if it.metric in names and key not in told}
            gone |= {key for key, it in self.states.items() if it.name in names and key not in words}
        for key in gone:
            self.measurements.pop(key, None)
            self.states.pop(key, None)
        self.measurements |= told
        self.states |= words
        self._keys = {it.place: key for key, it in self.measurements.items()}
        return News(tuple(told.values()), tuple(words.values()), frozenset(gone))
