"""Finds the kinds of steps by their entry points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Final

from ..core.playbook import Kind
from .kind import StepKind

GROUP: Final = "lifeline.steps"


class Registry(Mapping[str, StepKind]):
    """The kinds of steps there are. Only the names are known at first; a kind is imported when it is used."""

    def __init__(self, more: Mapping[str, StepKind] | None = None) -> None:
        self._found = {point.name: point for point in entry_points(group=GROUP)}
        self._loaded: dict[str, StepKind] = dict(more or {})

    def __getitem__(self, name: str) -> StepKind:
        if name not in self._loaded:
            self._loaded[name] = self._found[name].load()()
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._found, *self._loaded}))

    def __len__(self) -> int:
        return len({*self._found, *self._loaded})

    def __contains__(self, name: object) -> bool:
        return name in self._found or name in self._loaded

    def kinds(self) -> dict[str, Kind]:
        """Return what the executor must know of each."""
        return {name: Kind(self[name].recovery, self[name].changes) for name in self}
