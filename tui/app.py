"""The terminal interface. It looks, and acts only when armed: Ctrl+E, a plan from the hub, a name typed out.

Import this module only after the language is chosen: Textual reads the texts of BINDINGS when a class is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.theme import Theme

from lifeline.clock import monotonic_ns, wall_ns
from lifeline.i18n import _, language
from noc.client import HubAddressError, HubRefusedError, HubUnreachableError

from .arming import Arming
from .feed import Client, Feed
from .histories import Histories, Key
from .look import (
    BLUE,
    BLUISH_GREEN,
    GROUND,
    ORANGE,
    PANEL,
    SKY_BLUE,
    SURFACE,
    UNICODE,
    VERMILION,
    YELLOW,
    Look,
)
from .model import Change, NetworkModel
from .screens.alarms import AlarmsScreen
from .screens.base import LiveScreen
from .screens.help import HelpScreen
from .screens.links import LinksScreen
from .screens.log import LogScreen
from .screens.overview import OverviewScreen
from .screens.playbooks import PlaybooksScreen
from .screens.power import PowerScreen
from .screens.timing import TimeScreen
from .status_bar import Tab

THEME = Theme(
    name="lifeline",
    primary=BLUE,
    secondary=SKY_BLUE,
    accent=YELLOW,
    warning=ORANGE,
    error=VERMILION,
    success=BLUISH_GREEN,
    foreground="#d8dee4",
    background=GROUND,
    surface=SURFACE,
    panel=PANEL,
)


TABS = (
    ("1", "overview", _("Overview")),
    ("2", "links", _("Links")),
    ("3", "power", _("Power")),
    ("4", "time", _("Time")),
    ("5", "alarms", _("Alarms")),
    ("6", "playbooks", _("Playbooks")),
    ("8", "log", _("Log")),
)
"""Key, name and title of each screen."""
OTHER_LANGUAGE = "English" if language() == "zh_CN" else "中文"
"""A language is named in itself, so that one finds the way back."""


class PlainScrollBar(ScrollBarRender):
    """A scroll bar of whole cells: the block elements of the original take two cells in some Chinese terminals."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


@dataclass(frozen=True, slots=True)
class Relaunch:
    """Start again in this language, on this screen."""

    language: str
    screen: str


@dataclass(frozen=True, slots=True)
class Ended:
    """There is nothing to show, and trying again would not help: why, and the exit code that says so."""

    reason: str
    exit_code: int


class LifelineApp(App[Relaunch | Ended | None]):
    """Shows what a hub knows.

    Args:
        client: the hub's client.
        hub: the hub's address, for people.
        look: symbols and colours.
        screen: the first screen: `overview`, `links` or `log`.
    """

    TITLE = "lifeline"
    MODES: ClassVar[dict[str, type[LiveScreen]]] = {  # type: ignore[assignment] # a type is the callable that Textual wants
        "overview": OverviewScreen,
        "links": LinksScreen,
        "power": PowerScreen,
        "time": TimeScreen,
        "alarms": AlarmsScreen,
        "playbooks": PlaybooksScreen,
        "log": LogScreen,
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, f"screen('{name}')", title, show=False) for key, name, title in TABS),
        Binding("p", "freeze", _("Freeze")),
        Binding("ctrl+e", "arm", _("Arm, or disarm: allows commands for five minutes"), show=False),
        Binding("question_mark", "help", _("Help")),
        Binding("q", "quit", _("Quit")),
        Binding("L", "language", OTHER_LANGUAGE),
        Binding("ctrl+p", "command_palette", _("Commands"), show=False),
    ]
    COMMAND_PALETTE_BINDING = "ctrl+p"
    CSS = """
    #panes { height: 1fr; }
    #list { width: 1fr; }
    #filter { display: none; dock: bottom; height: 1; border: none; margin-bottom: 1; background: $boost; }
    #list-state { display: none; background: $boost; }
    #districts { padding: 0 1; display: none; }
    #panes > #detail { display: none; }
    .-two-panes #panes > #detail { display: block; width: 38%; min-width: 38; }
    .-three-panes #panes > #detail { display: block; width: 38%; }
    LogScreen.-two-panes #panes > #detail { display: none; }
    #recent { display: none; height: 30%; min-height: 6; background: $surface; }
    .-three-panes #recent { display: block; }
    /* Borders are of ambiguous width. */
    CommandPalette SearchIcon { display: none; }
    CommandPalette #--input, CommandPalette CommandList { border: blank; }
    CommandPalette LoadingIndicator { border: none; display: none; }
    Toast, Toast.-information, Toast.-warning, Toast.-error { border: none; }
    """

    def __init__(self, client: Client, hub: str, look: Look | None = None, screen: str = "overview") -> None:
        ScrollBar.renderer = PlainScrollBar
        super().__init__()
        self.hub = hub
        self.client = client
        self.arming = Arming()
        self.look = look or Look(UNICODE)
        self.model = NetworkModel()
        self.model.set_clock(wall_ns(), monotonic_ns())  # ours, until a hub tells its own
        self.shown = self.model
        self.frozen_at_ns: int | None = None
        self._first_screen = screen
        self._feed = Feed(client, self.model, self.model_changed)
        self.histories = Histories(client, self._histories_changed)
        self._loading_history = False

    def on_mount(self) -> None:
        """Show the first screen and begin to follow the hub."""
        self.register_theme(THEME)
        self.theme = THEME.name
        self.switch_mode(self._first_screen)
        self.run_worker(self._follow(), name="feed")
        self.set_interval(1.0, self._tick)

    # ---- news ----

    def now_ns(self) -> int:
        """Return the hub's wall time; while frozen, the time of the freeze."""
        return self.frozen_at_ns or self.model.now_ns(monotonic_ns())

    def armed_s(self) -> float:
        """Return for how many seconds commands are still allowed, 0 when they are not."""
        return self.arming.left_s(monotonic_ns())

    def model_changed(self, change: Change) -> None:
        """Pass a change on to the screens of the present stack; while frozen, to the status bar only."""
        wants_history = change.everything and not self.model.events and not self.model.stale
        if change.everything and self.frozen_at_ns is not None:
            self.shown.connection = self.model.connection  # what was frozen grows old all the same
        for screen in self._live_screens():
            if self.frozen_at_ns is None or change.everything:
                screen.model_changed(change)
            if change.at_once:
                screen.renew_status()
        if wants_history:
            self.load_history()

    async def _follow(self) -> None:
        try:
            await self._feed.run()
        except (HubRefusedError, HubAddressError) as error:
            self.exit(Ended(str(error), error.exit_code))

    def _tick(self) -> None:
        for screen in self._live_screens():
            if self.frozen_at_ns is None:
                screen.tick()
            screen.renew_status()

    def _live_screens(self) -> list[LiveScreen]:
        """Return the screens in sight that are ready to draw."""
        return [s for s in self.screen_stack if isinstance(s, LiveScreen) and s.ready]

    def want_histories(self, keys: Iterable[Key]) -> None:
        """Have series fetched that are in view."""
        if self.histories.want(keys):
            self.run_worker(self.histories.fetch(), name="series")

    def _histories_changed(self) -> None:
        for screen in self._live_screens():
            screen.histories_changed()

    def load_history(self) -> None:
        """Fetch a page of older events, unless that is under way."""
        if not self._loading_history:
            self._loading_history = True
            self.run_worker(self._load_history(), name="history")

    async def _load_history(self) -> None:
        try:
            await self._feed.load_history()
        except HubUnreachableError as error:
            self.notify(str(error), title=_("No older events"), severity="warning")
        finally:
            self._loading_history = False

    def tabs(self) -> list[Tab]:
        """Return the screens, the one that is being shown marked."""
        return [(key, title, name == self.current_mode) for key, name, title in TABS]

    # ---- what the user does ----

    def action_screen(self, name: str) -> None:
        """Go to a screen; from its detail back to its list."""
        if self.current_mode == name and len(self.screen_stack) > 1:
            self.pop_screen()
        self.switch_mode(name)

    def action_freeze(self) -> None:
        """Hold the view as it is now, or go on."""
        if self.frozen_at_ns is None:
            self.frozen_at_ns = self.model.now_ns(monotonic_ns())
            self.shown = self.model.copy()
        else:
            self.frozen_at_ns = None
            self.shown = self.model
        for screen in self._live_screens():
            screen.catch_up()

    def action_arm(self) -> None:
        """Allow commands for five minutes, or no more."""
        if self.armed_s():
            self.arming.disarm()
        else:
            self.arming.arm(monotonic_ns())
            self.notify(
                _("Armed for five minutes: `a` commands the chosen group, or acknowledges the chosen alarm."), timeout=4
            )
        for screen in self._live_screens():
            screen.renew_status()

    def action_language(self) -> None:
        """Start again in the other language, on the same screen."""
        other = "en" if language() == "zh_CN" else "zh"
        self.exit(Relaunch(other, self.current_mode))

    def action_help(self) -> None:
        """Show the keys that exist."""
        self.push_screen(HelpScreen(self.look, self.screen))

    def action_command_palette(self) -> None:
        """Show the palette."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder=_("What to do"), id="--command-palette"))

    def copy_text(self, text: str) -> None:
        """Copy a text to the terminal's clipboard (OSC 52) and say so."""
        self.copy_to_clipboard(text)
        self.notify(_("Copied, if the terminal allows it (OSC 52)."), timeout=2)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Return what the palette offers."""
        del screen
        yield SystemCommand(_("Overview"), _("Sites, worst first"), lambda: self.action_screen("overview"))
        yield SystemCommand(_("Links"), _("Protection groups and links"), lambda: self.action_screen("links"))
        yield SystemCommand(
            _("Alarms"), _("Root causes, and what follows from them"), lambda: self.action_screen("alarms")
        )
        yield SystemCommand(_("Log"), _("What happened"), lambda: self.action_screen("log"))
        yield SystemCommand(_("Freeze"), _("Hold the view, or let it go on"), self.action_freeze)
        yield SystemCommand(_("Arm"), _("Allow commands for five minutes, or no more"), self.action_arm)
        yield SystemCommand(OTHER_LANGUAGE, _("Start again in the other language"), self.action_language)
        yield SystemCommand(_("Screenshot"), _("Save the screen as an SVG picture"), self.deliver_screenshot)
        yield SystemCommand(_("Help"), _("Keys and symbols"), self.action_help)
        yield SystemCommand(_("Quit"), _("Leave"), self.exit)


__all__ = ["Ended", "LifelineApp", "Relaunch"]
