"""Runs the pipeline beside the hub, delivers what it decides, and beats the heart outward."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog

from lifeline.clock import wall_ns
from lifeline.runtime.files import write_json
from lifeline.runtime.logging import EdgeLog

from ..views import AlarmView
from .config import Heartbeat, Notifications
from .pipeline import Message, Pipeline, Standing
from .senders import Sender, SendError, post, sender_of

FILE: Final = "notifications.json"
LOOK_S: Final = 0.5
WAITING_MAX: Final = 1000
RETRY_S: Final = (1.0, 5.0, 30.0, 60.0)
"""Waits between attempts; the last one repeats."""
GIVE_UP_S: Final = 3600.0
STUCK_S: Final = 60.0

log = structlog.get_logger(__name__)


class Notifier:
    """Tells people.

    Attributes:
        sent: messages that got through, by receiver.
        failed: attempts that did not.
        dropped: messages given up.
    """

    def __init__(
        self, config: Notifications, data: Path, hub: str, alarms: Callable[[], Iterable[AlarmView]],
        trouble: Callable[[], str],
    ) -> None:  # fmt: skip
        """Go on where the last life ended.

        Args:
            config: whom to tell of what.
            data: the hub's data directory.
            hub: the hub's name.
            alarms: returns the views of the alarms that stand.
            trouble: returns what keeps the hub from working, empty when it works.
        """
        self.sent: dict[str, int] = dict.fromkeys(config.receivers, 0)
        self.failed = 0
        self.dropped = 0
        self._config = config
        self._path = data / FILE
        self._hub = hub
        self._alarms = alarms
        self._trouble = trouble
        self._pipeline = Pipeline(config, self._load())
        self._senders = {name: sender_of(receiver) for name, receiver in config.receivers.items()}
        self._queues: dict[str, deque[tuple[float, Message]]] = {name: deque() for name in config.receivers}
        self._news = {name: asyncio.Event() for name in config.receivers}
        self._edges = EdgeLog(log)

    def stuck(self) -> list[str]:
        """Return the receivers for whom a message has waited for `STUCK_S`."""
        before_s = wall_ns() / 1e9 - STUCK_S
        return [name for name, queue in self._queues.items() if queue and queue[0][0] <= before_s]

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            for name, sender in self._senders.items():
                tasks.create_task(self._deliver(name, sender))
            if self._config.heartbeat is not None:
                tasks.create_task(self._beat(self._config.heartbeat))

    async def _watch(self) -> None:
        while True:
            messages = self._pipeline.observe(map(_standing, self._alarms()), wall_ns() / 1e9)
            for message in messages:
                self._put(message)
            if messages:
                self._save()
            await asyncio.sleep(LOOK_S)

    def _put(self, message: Message) -> None:
        queue = self._queues[message.receiver]
        if len(queue) >= WAITING_MAX:
            queue.popleft()
            self.dropped += 1
        queue.append((wall_ns() / 1e9, message))
        self._news[message.receiver].set()

    async def _deliver(self, name: str, sender: Sender) -> None:
        """Send one receiver's messages in order; a receiver that fails holds up no other."""
        queue, attempts = self._queues[name], 0
        while True:
            while not queue:
                self._news[name].clear()
                await self._news[name].wait()
            at_s, message = queue[0]
            try:
                await sender.send(message, self._hub)
            except SendError as error:
                self.failed += 1
                self._edges.failed(name, "notification does not get through", error, receiver=name)
                if wall_ns() / 1e9 - at_s >= GIVE_UP_S:
                    self.dropped += 1
                    _forget(queue, message)
                    continue
                await asyncio.sleep(RETRY_S[min(attempts, len(RETRY_S) - 1)])
                attempts += 1
            else:
                attempts = 0
                self.sent[name] += 1
                self._edges.succeeded(name, "notifications get through again", receiver=name)
                _forget(queue, message)

    async def _beat(self, heartbeat: Heartbeat) -> None:
        """Say outward that the hub is well, as long as it is."""
        while True:
            if not self._trouble():
                content = json.dumps({"schema": "lifeline.heartbeat/1", "hub": self._hub}).encode()
                try:
                    await post(heartbeat.url, content, {}, heartbeat.token)
                except SendError as error:
                    self._edges.failed("heartbeat", "heartbeat does not get through", error)
                else:
                    self._edges.succeeded("heartbeat", "heartbeat gets through again")
            await asyncio.sleep(heartbeat.every_s)

    def _load(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            Pipeline(self._config, found)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("memory of notifications is not used, what stands is told again", error=str(error))
            return {}
        return dict(found)

    def _save(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk people are told twice after a restart, not never
            write_json(self._path, self._pipeline.memory_json(), durable=False)


def _forget(queue: deque[tuple[float, Message]], message: Message) -> None:
    if queue and queue[0][1] is message:  # a flood may have dropped it meanwhile
        queue.popleft()


def _standing(view: AlarmView) -> Standing:
    return Standing(
        id=view.id,
        resource=view.resource,
        alarm_type_id=view.alarm_type_id,
        severity=view.perceived_severity.value,
        rank=view.perceived_severity.rank,
        event_type=view.event_type.value,
        probable_cause=view.probable_cause.value,
        text=view.text,
        raised_at_ns=view.raised_at_ns,
        consequences=len(view.consequences),
        is_root=view.root == view.id,
        quiet=view.shelved_until_ns is not None or view.maintenance is not None,
        acknowledged=view.acknowledged_by is not None,
    )
