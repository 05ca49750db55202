"""What the tests of the interface share: waiting for conditions, and a screen as text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot


async def until(holds: Callable[[], object], pilot: Pilot[Any], within_s: float = 5.0) -> None:
    """Let the application run until a condition holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"the condition did not come to hold:\n{text_of(pilot.app)}"
        await pilot.pause(0.01)
    await pilot.pause()


async def loaded(pilot: Pilot[Any]) -> None:
    """Let the application run until state and history are there and drawn."""
    app = pilot.app
    await until(lambda: app.model.loaded and app.model.events and app.screen.is_mounted, pilot)
    await until(lambda: not app.workers or all(w.name == "feed" for w in app.workers), pilot)
    app.screen.catch_up()
    await pilot.pause()


def text_of(app: App[Any]) -> str:
    """Return the screen as lines of text."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips()) + "\n"
