"""Fills what an agent of another version leaves out, so that one odd message never takes the screen down.

The hub passes on what agents say; it checks only what it relies on itself. A value that is missing or of a wrong type
becomes one that means "not known", and not known never looks healthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Any, Final

View = Mapping[str, Any]
"""A view or an event as the API sends it."""

_Shape = Mapping[str, tuple[Any, tuple[type, ...]]]
"""Per key: what stands for it when it is not known, and the types it may have."""

_NUMBER: Final = (int, float, NoneType)
PATH: Final[_Shape] = MappingProxyType({
    "link": ("", (str,)), "bfd": ("?", (str,)), "diag": ("?", (str,)), "signal_fail": (None, (bool, NoneType)),
    "carrier": (None, (bool, NoneType)), "since_ns": (None, _NUMBER), "interval_ms": (None, _NUMBER),
    "detect_ms": (None, _NUMBER), "fresh": (False, (bool,)),
})  # fmt: skip
END: Final[_Shape] = MappingProxyType({
    "state": ("?", (str,)), "selector": ("?", (str,)), "request": ("?", (str,)), "why": ("", (str,)),
    "wtr_ends_at_ns": (None, _NUMBER), "switch_count": (0, (int,)), "last_switch_at_ns": (None, _NUMBER),
    "fresh": (False, (bool,)), "heard_at_ns": (None, _NUMBER),
})  # fmt: skip


def filled(view: View, shape: _Shape) -> dict[str, Any]:
    """Return a view with every key of a shape, of a type that it may have."""
    sound = dict(view)
    for key, (unknown, types) in shape.items():
        if key not in sound or not isinstance(sound[key], types):
            sound[key] = unknown
    return sound


def group_view(view: View) -> View:
    """Return a group's view whose ends and their paths have all that a screen shows."""
    ends = {
        site: filled(end, END) | {path: filled(end.get(path) or {}, PATH) for path in ("working", "protection")}
        for site, end in view["ends"].items()
    }
    return {**view, "ends": ends}


def link_view(view: View) -> View:
    """Return a link's view whose ends have all that a screen shows."""
    return {**view, "ends": {site: filled(path, PATH) for site, path in view["ends"].items()}}
