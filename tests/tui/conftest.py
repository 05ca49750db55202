"""The interface in both languages, its clocks stopped, its screens as text."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from tui_govnet import FakeHub

from lifeline.i18n import choose_language

MONOTONIC_NS = 5_000_000_000_000
CLOCKED = ("tui.app", "tui.feed", "tui.status_bar")


@pytest.fixture(autouse=True)
def beijing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is the same on every machine."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def interface(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The interface's modules in a language (the parameter, English otherwise), its clock standing still."""
    language = getattr(request, "param", "en")
    ours = {name: module for name, module in sys.modules.items() if name == "tui" or name.startswith("tui.")}
    for name in ours:
        del sys.modules[name]
    choose_language(language)
    app = importlib.import_module("tui.app")
    clock = SimpleNamespace(ns=MONOTONIC_NS)
    for name in CLOCKED:
        monkeypatch.setattr(sys.modules[name], "monotonic_ns", lambda: clock.ns)
    look = sys.modules["tui.look"]
    yield SimpleNamespace(
        App=app.LifelineApp,
        app=app,
        clock=clock,
        language=language,
        look=look,
        module=lambda n: sys.modules[f"tui.{n}"],
    )
    choose_language("en")
    for name in [name for name in sys.modules if name == "tui" or name.startswith("tui.")]:
        del sys.modules[name]
    sys.modules.update(ours)


@pytest.fixture
def open_app(interface: SimpleNamespace) -> Callable[..., App[object]]:
    """Make an application on a fake hub."""

    def make(hub: FakeHub, **options: object) -> App[object]:
        return interface.App(hub, "unix:///run/lifeline/hub.sock", **options)

    return make


class TextScreen(SingleFileSnapshotExtension):
    """One text file per screen: a change of a screen reads as a diff."""

    _write_mode = WriteMode.TEXT
    _file_extension = "txt"


@pytest.fixture
def screen_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compare with the committed screen; `pytest --snapshot-update` writes it."""
    return snapshot.use_extension(TextScreen)
