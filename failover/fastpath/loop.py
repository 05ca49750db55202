"""The loop: wait, drain, judge, act, report. In this order, so that lateness of ours is never taken for a dead path.

One thread, one wait. What must be fast (BFD, loss of light, the switch, APS) happens straight in the loop's passes;
everything that can wait a moment (new interfaces, addresses, repair of routes) is one convergent `_refresh`. Requests
to the kernel's routing go to a `Worker`, because they may have to wait for others.
"""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path as FilePath
from types import FrameType
from typing import Any

from lifeline import clock

from ..core.aps import ApsMessage
from ..core.bfd import Diagnostic, Effect, Send, SignalFail, State, StateChanged
from ..core.bfd_filter import bfd_filter
from ..core.packet import BfdPacketError, ControlPacket
from ..core.protection import CommandDropped, Select, SendAps
from ..core.protection.cascade import Reroute
from ..core.quality import SignalDegrade
from ..io import rtnetlink
from ..io.bfd_socket import BFD_PORT, TTL, Receiver
from ..io.fastpath_ipc import ReportServer
from ..io.netlink import Monitor, NetlinkError, RouteSocket
from ..io.stamp_session import timescale
from ..keys import Keys, KeysError
from ..plan import SESSION_BITS, FastPathPlan, PlanError
from .aps import ApsPost
from .commands import Commands
from .group import GroupEnd
from .groups import Effects, Groups
from .interfaces import Interfaces
from .listeners import Listeners
from .measuring import Measuring
from .narration import say
from .path import Path
from .poller import Poller
from .routes import Routes
from .schedule import Schedule
from .stats import Stats
from .worker import Worker

LATE_S = 0.002
"""Being woken this much after the detection deadline is our fault, and gives the other end one interval of grace."""
MANY = 32
"""Sessions from which packets are let gather before they are read: waking up for each costs more than handling it."""
GATHER_S = 0.001
TICK_S = 1.0
AUDIT_TICKS = 10
FAREWELLS = 3
FAREWELL_GAP_S = 0.01
FAREWELL_S = 1.0


class FastPath:
    """All sessions and protection groups of one site."""

    def __init__(self, plan: FastPathPlan, run: FilePath, data: FilePath) -> None:
        """Open what is needed and take over what stands in the kernel.

        Args:
            plan: what to watch and to switch.
            run: directory of the socket and the keys.
            data: directory of what must outlive the machine.

        Raises:
            AlreadyRunningError: another fast path listens in `run`.
            KeysError: a key is missing or out of range.
            OSError: netlink or the socket in `run` cannot be opened.
        """
        now = clock.monotonic_s()
        keys = Keys.load(run)
        self.plan = plan
        self._run = run
        self.stats = Stats()
        self.reports = ReportServer(run / "fastpath.sock")
        self._pending: list[tuple[str, str, dict[str, Any], float, int]] = []
        self._stopping = False
        self._unsettled = False
        self._ticks = 0
        self._next_tick = now + TICK_S

        self._survey = RouteSocket()
        self._interfaces = Interfaces()
        self._monitor = Monitor()  # before the first dump, so that nothing falls between
        self._routes = Routes(plan, self._interfaces.index_of)
        self._worker = worker = Worker()
        self._poller = poller = Poller()
        scale = timescale()
        self._schedule = schedule = Schedule()
        self.paths = {s.link: Path(s, now, scale, self.stats.refuse, poller, schedule, keys) for s in plan.sessions}
        self._watched = list(self.paths.values())
        self._by_address = {(p.plan.interface, p.plan.remote): p for p in self._watched}
        self.groups = Groups(plan, self.paths, self._routes, worker, keys)
        for group in self.groups:
            group.on_trouble = partial(self._report_group, group)
        by_interface = {(path.plan.interface, path.plan.version): path for path in self._watched}
        title = f"UDP port {BFD_PORT}"
        self._bfd = Listeners(
            poller, title, by_interface, self._open_receiver, self._read_packets, self._interface_went
        )
        self._aps = ApsPost(poller, self.groups, self._hear_far_end, self.stats.refuse, self._interface_went)
        self._measuring = Measuring(
            poller, self._watched, scale, self._degrade, self.stats.refuse, self._interface_went
        )
        self._disk = Worker()  # of its own: a slow disk must not hold up a switch
        self._commands = Commands(data / "fastpath-commands.json", self.groups, self._disk)
        self.reports.on_command = self._command
        self.reports.on_rekey = self._rekey
        poller.watch(self._monitor.fileno(), self._read_news)
        poller.watch(self.reports.fileno(), self._read_clients)
        for each in (worker, self._disk):
            poller.watch(each.fileno(), each.collect)
        self._adopt(now)

    # ------------------------------------------------------------ life

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; then tell the other ends, and leave the routes as they are."""
        self._catch_signals()
        while not self._stopping:
            wait = max(0.0, self._deadline() - clock.monotonic_s())
            self._poller.wait(wait)
            if len(self.paths) >= MANY:
                select.select([], [], [], GATHER_S)
            self._pass()
        self._bid_farewell()

    def _pass(self) -> None:
        now = clock.monotonic_s()  # before draining: all that came until now is drained before it is missed
        self._poller.read()
        for path, deadline in self._schedule.take(now):
            self._expire(path, deadline, now)
        if (due := self.groups.deadline()) is not None and due <= now:
            self._act(self.groups.handle_timer(now))
        self._measuring.handle_timer(now)
        if self._pending:
            self._flush()
        if self._next_tick <= now:
            self._tick(now)

    def _deadline(self) -> float:
        deadline = min(self._schedule.soonest(), self._next_tick, self._measuring.deadline())
        due = self.groups.deadline()
        return deadline if due is None else min(deadline, due)

    def _catch_signals(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._wakeup = (ours, theirs)
        self._poller.watch(ours.fileno(), lambda: None)  # never read: the loop ends

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stopping = True

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)

    def _bid_farewell(self) -> None:
        """Say AdminDown, more than once because a packet may be lost (RFC 5880 6.8.16); the routes stay."""
        for path in self.paths.values():
            self._apply(path, path.session.admin_down(clock.monotonic_s()))
        for _ in range(FAREWELLS - 1):
            select.select([], [], [], FAREWELL_GAP_S)
            for path in self.paths.values():
                path.repeat()
        for worker in (self._worker, self._disk):
            worker.stop(FAREWELL_S)
            worker.collect()
        self._flush()
        self.reports.close()
        say("info", "fast path stopped, routes stay as they are")

    # ------------------------------------------------------------ time

    def _expire(self, path: Path, deadline: float, now: float) -> None:
        silent_since = path.session.detection_deadline
        if silent_since is not None and now - silent_since > LATE_S:
            self.stats.graces += path.session.grace(path.plan.interval_us / 1e6, now)
        self.stats.woke_late(now - deadline, LATE_S)
        self._apply(path, path.session.handle_timer(now))

    def _tick(self, now: float) -> None:
        self._ticks += 1
        self._next_tick = now + TICK_S
        if self._ticks % AUDIT_TICKS == 0:
            self._audit()
        self._act(self._commands.settle(now))
        if self._unsettled or any(group.dirty for group in self.groups):
            self._refresh()
            self._flush()
        self.reports.snapshot(self.snapshot(), now, clock.wall_ns())

    # ------------------------------------------------------------ packets

    def _open_receiver(self, near: Path) -> Receiver:
        version, interface = near.plan.version, near.plan.interface
        plans = [
            path.plan for path in self._watched if (path.plan.interface, path.plan.version) == (interface, version)
        ]
        program = bfd_filter(version, [(plan.remote, plan.discriminator) for plan in plans], SESSION_BITS)
        return Receiver(version, interface, program)

    def _read_packets(self, near: Path, receiver: Receiver) -> None:
        interface = near.plan.interface
        for datagram in receiver.drain():
            try:
                packet = ControlPacket.decode(datagram.payload)
            except BfdPacketError as error:
                self.stats.refuse(str(error))
                continue
            path = self._by_address.get((interface, datagram.source))  # the session itself minds the discriminator
            if path is None or datagram.ttl != TTL:
                self.stats.refuse("no such session" if path is None else f"TTL {datagram.ttl}, must be {TTL}")
                continue
            path.received += 1
            self._apply(path, path.session.receive(packet, datagram.received_at))

    def _interface_went(self, path: Path, error: OSError) -> None:
        """Note that an interface went away under a socket."""
        self.stats.refuse(f"{path.plan.interface}: {error.strerror}")
        self._unsettled = True

    # ------------------------------------------------------------ judgement and action

    def _apply(self, path: Path, effects: tuple[Effect, ...]) -> None:
        """Carry out a session's effects, most urgent first as they come."""
        for effect in effects:
            if isinstance(effect, Send):
                path.transmit(effect.packet)
            elif isinstance(effect, SignalFail):
                self._act(self.groups.signal(path, effect))
            else:
                path.state_is(effect.state)
                self._report_session(path, effect)
                if effect.state is State.UP:
                    self._expect_on_the_other_paths(path, effect.at)
        path.reschedule()

    def _act(self, effects: Effects) -> None:
        """Carry out groups' effects: the switch at once, its report when all switches of this pass are done."""
        news: dict[str, GroupEnd] = {}
        for name, effect in effects:
            group = self.groups[name]
            if isinstance(effect, SendAps):
                self._aps.send(group, effect.message)
                continue
            news[name] = group
            if isinstance(effect, Reroute):
                group.route(effect.link)
            elif isinstance(effect, Select):
                group.switched()
            elif isinstance(effect, CommandDropped):
                self._commands.remember()
        for group in news.values():
            self._report_group(group)

    def _hear_far_end(self, group: GroupEnd, path: Path, message: ApsMessage) -> None:
        self._act(self.groups.receive(group, path, message, clock.monotonic_s()))

    def _degrade(self, path: Path, change: SignalDegrade) -> None:
        self._act(self.groups.degrade(path, change))

    def _command(self, order: Mapping[str, Any]) -> None:
        """Carry out an operator's order: act, write down what stands, answer."""
        now = clock.monotonic_s()
        group, answer, effects = self._commands.carry_out(order, now)
        if group is not None:
            self._act(effects)
            if answer["result"] is not None and not effects:  # a freeze moves nothing and is news all the same
                self._report_group(group)
        self._commands.remember(lambda: self._report("command", f"group:{answer['group']}", answer, now))

    def _rekey(self) -> str:
        """Use the keys that the files hold now; return why not, or an empty text."""
        try:
            plan, keys = FastPathPlan.load(self._run / "fastpath-plan.json"), Keys.load(self._run)
            if plan.without_keys() != self.plan.without_keys():
                return "more than keys has changed, or a session's type of authentication: restart the fast path"
            for session in plan.sessions:
                self.paths[session.link].rekey(session, keys)
            for group in plan.groups:
                self.groups[group.id].rekey(group, keys)
        except (OSError, PlanError, KeysError) as error:
            return str(error)
        self.plan = plan
        say("info", "keys changed")
        return ""

    def _expect_on_the_other_paths(self, path: Path, now: float) -> None:
        """A far end that is Up here runs, and owes a session on the group's other paths as well."""
        for other in {other.plan.link: other for group in self.groups.of(path) for other in group.links}.values():
            if other is not path:
                other.session.far_end_is_back(now)
                other.reschedule()

    def _report_group(self, group: GroupEnd) -> None:
        self._report("protection", f"group:{group.plan.id}", group.body(), clock.monotonic_s())

    def _report_session(self, path: Path, change: StateChanged) -> None:
        body = {
            "site": self.plan.site,
            "state": change.state.text,
            "previous": change.previous.text,
            "diag": Diagnostic(change.diagnostic).text,
            "remote_state": change.remote_state.text,
            "remote_diag": Diagnostic(change.remote_diagnostic).text,
            "path": path.body(),
        }
        self._report("bfd", f"link:{path.plan.link}", body, change.at)

    def _report(self, kind: str, subject: str, body: dict[str, Any], at: float) -> None:
        wall_ns = clock.wall_ns() - int((clock.monotonic_s() - at) * 1e9)
        self._pending.append((kind, subject, body, at, wall_ns))

    def _flush(self) -> None:
        pending, self._pending = self._pending, []
        for report in pending:
            self.reports.publish(*report)

    # ------------------------------------------------------------ the kernel's news

    def _read_news(self) -> None:
        try:
            for kind, content in self._monitor.drain():
                self._hear(kind, content)
        except NetlinkError:
            self._refresh(reload=True)
        else:
            if self._unsettled:
                self._refresh()

    def _hear(self, kind: int, content: rtnetlink.Parsed) -> None:
        self._interfaces.hear(kind, content)
        if isinstance(content, rtnetlink.Link):
            self._look_at_interfaces()
        elif isinstance(content, rtnetlink.Address):
            self._unsettled = True
        elif isinstance(content, rtnetlink.Nexthop) and kind == rtnetlink.RTM_DELNEXTHOP:
            for group in self.groups:
                if group.plan.nexthop_id == content.id:
                    group.dirty = self._unsettled = True

    def _look_at_interfaces(self) -> None:
        """Tell each path of its interface; loss of light acts at once."""
        now = clock.monotonic_s()
        for path in self.paths.values():
            link = self._interfaces.find(path.plan.interface)
            had_light = path.carrier
            if not path.interface_is(link.index if link else None, carrier=bool(link and link.carrier)):
                continue
            if not path.carrier:
                self._apply(path, path.session.path_failed(Diagnostic.PATH_DOWN, now))
            for group in self.groups.of(path):
                group.dirty |= bool(path.carrier and not had_light)
            self._unsettled = True

    def _refresh(self, *, reload: bool = False) -> None:
        """Bring sockets and routes in line with interfaces and addresses, as far as it goes; try again each tick."""
        if reload:
            self._interfaces.load(self._survey)
            self._look_at_interfaces()
        self._routes.choose_sources(self._interfaces.addresses, self._interfaces.by_index)
        changed = self._routes.rebuild()
        settled = all([self._bfd.refresh(), self._aps.listeners.refresh(), self._measuring.refresh()])
        for path in self.paths.values():
            settled &= path.open()
        for group in self.groups:
            if group.dirty or group.plan.id in changed:
                group.repair()
        self._unsettled = not settled

    def _audit(self) -> None:
        carrying = self._carrying()

        def audit() -> set[str]:
            try:
                return self._routes.audit(carrying)
            except OSError as error:
                say("warning", "audit of routes broke off", error=str(error))
                return set()

        self._worker.do(audit, self._soil)

    def _carrying(self) -> dict[str, str]:
        return {group.plan.id: group.selected.plan.link for group in self.groups}

    def _soil(self, wrong: set[str]) -> None:
        for group in self.groups:
            group.dirty |= group.plan.id in wrong

    def _adopt(self, now: float) -> None:
        """Go on with the selection that stands in the kernel; put in place only what is missing."""
        self._interfaces.load(self._survey)
        self._routes.choose_sources(self._interfaces.addresses, self._interfaces.by_index)
        self._routes.rebuild()
        self.groups.start(self._routes.adopted(), now)
        wrong = self._routes.audit(self._carrying())
        for group in self.groups:
            group.dirty = group.plan.id in wrong
        adopted = {group: link for group, link in self._carrying().items() if not self.groups[group].dirty}
        self._act(self._commands.restore(now))
        self._look_at_interfaces()
        self._refresh()
        self._flush()
        say("info", "fast path started", site=self.plan.site, sessions=len(self.paths), adopted=adopted)

    # ------------------------------------------------------------ sockets and snapshots

    def _read_clients(self) -> None:
        if self.reports.serve():
            now = clock.monotonic_s()
            self.reports.snapshot(self.snapshot(), now, clock.wall_ns())

    def snapshot(self) -> dict[str, Any]:
        """Return the present state of everything, for the agent."""
        return {
            "site": self.plan.site,
            "pid": os.getpid(),
            "paths": [path.body() for path in self.paths.values()],
            "groups": [group.body() for group in self.groups],
            "troubles": [
                text
                for listeners in (self._bfd, self._aps.listeners, self._measuring.probers, self._measuring.responders)
                for text in listeners.troubles
            ],
            "stats": self.stats.body()
            | {
                "sent": sum(path.sent for path in self.paths.values()),
                "unsent": sum(path.unsent for path in self.paths.values()),
                "received": sum(path.received for path in self.paths.values()),
                "kernel_drops": sum(receiver.dropped for receiver in self._bfd),
                "reports_unacknowledged": self.reports.unacknowledged,
                "reports_dropped": self.reports.dropped,
            },
        }
